/**
 * Who uses the embedded server of a data folder.
 *
 * One program (`npm start`) and any number of commands may use it at once. Each is written down in a list beside the cluster;
 * whoever comes first starts the server and **whoever leaves last stops it**, so that a long import outlives the program that
 * it borrowed the server from, and a command that came first is not cut off from a program that came later.
 *
 * List and server change only under a lock file. Neither trusts what it finds there: a holder killed with -9 takes nothing
 * back, so every entry names its process by id and start time (ids are used again, in containers nearly always).
 */
import { randomUUID } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isAlive, startTime } from "./embedded-process.js";
import { writePrivateFile } from "./embedded-record.js";

export type ServerUserRole = "program" | "command";

export interface ServerUser {
  readonly id: string;
  readonly pid: number;
  readonly started: string;
  readonly role: ServerUserRole;
}

const LOCK_TIMEOUT_MS = 300_000;
const POLL_INTERVAL_MS = 20;

/** The users whose processes live. Call it under `withServerLock`. */
export async function liveUsers(dataDir: string): Promise<readonly ServerUser[]> {
  const written = await readFile(listPath(dataDir), "utf8").catch(() => "[]");
  const alive: ServerUser[] = [];
  for (const user of JSON.parse(written) as readonly ServerUser[]) {
    if (await isAlive(user)) alive.push(user);
  }
  return alive;
}

/** Replaces the list. Call it under `withServerLock`. */
export async function writeUsers(dataDir: string, users: readonly ServerUser[]): Promise<void> {
  await writePrivateFile(listPath(dataDir), JSON.stringify(users));
}

/** This process as a user of the server. */
export async function newUser(role: ServerUserRole): Promise<ServerUser> {
  return { id: randomUUID(), pid: process.pid, started: await startTime(process.pid), role };
}

/** Runs `work` while no other start or stop of the same data folder's server runs, in this process or another. */
export async function withServerLock<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  const path = join(dataDir, "postgresql.lock");
  const mine = await newUser("command");
  const prepared = `${path}.${mine.id}`;
  // A link to a finished file, since one made with O_EXCL could be read before its holder is written into it.
  await writeFile(prepared, JSON.stringify(mine), { mode: 0o600 });
  try {
    await acquire(path, prepared);
  } finally {
    await rm(prepared, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function acquire(path: string, prepared: string): Promise<void> {
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    try {
      await link(prepared, path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = await readHolder(path);
    if (holder === undefined) continue;
    if (!(await isAlive(holder))) await removeStale(path, holder);
    else if (Date.now() > deadline) throw new Error(`Process ${holder.pid} has held ${path} for too long.`);
    else await pause(POLL_INTERVAL_MS);
  }
}

/** Two processes may find the same dead holder: whoever moved a lock that is not the dead one puts it back. */
async function removeStale(path: string, dead: ServerUser): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readHolder(aside);
  if (moved !== undefined && moved.id !== dead.id) await link(aside, path);
  await rm(aside, { force: true });
}

async function readHolder(path: string): Promise<ServerUser | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as ServerUser);
}

function listPath(dataDir: string): string {
  return join(dataDir, "postgresql-users.json");
}
