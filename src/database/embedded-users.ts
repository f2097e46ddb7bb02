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
import { readFileSync } from "node:fs";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { isAlive, pidExists, startTime } from "./embedded-process.js";
import { writePrivateFile } from "./embedded-record.js";
import { tellIfLong, type Waiting } from "./waiting.js";

const userSchema = z.object({
  id: z.string(),
  pid: z.int().positive(),
  started: z.string(),
  role: z.enum(["program", "command"]),
});

export type ServerUser = Readonly<z.infer<typeof userSchema>>;
export type ServerUserRole = ServerUser["role"];

/** What a power failure left empty or cut short: whoever wrote it has died with the machine. */
const DAMAGED = "damaged";
type Holder = ServerUser | typeof DAMAGED;

const LOCK_TIMEOUT_MS = 300_000;
const POLL_INTERVAL_MS = 20;

/** The users whose processes live. Call it under `withServerLock`. */
export async function liveUsers(dataDir: string): Promise<readonly ServerUser[]> {
  const users = await readWritten(listPath(dataDir), z.array(userSchema));
  if (users === undefined || users === DAMAGED) return [];
  const alive: ServerUser[] = [];
  for (const user of users) if (await isAlive(user)) alive.push(user);
  return alive;
}

/**
 * Whether anybody else uses the server, as far as can be told at once and without the lock: for a process that is about to end. Of a
 * process id that is somebody else's by now it is taken for used.
 */
export function hasOtherUsers(dataDir: string, id: string): boolean {
  try {
    const users = z.array(userSchema).parse(JSON.parse(readFileSync(listPath(dataDir), "utf8")));
    return users.some((user) => user.id !== id && pidExists(user.pid));
  } catch {
    return false;
  }
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
export async function withServerLock<T>(dataDir: string, waiting: Waiting, work: () => Promise<T>): Promise<T> {
  const path = join(dataDir, "postgresql.lock");
  const mine = await newUser("command");
  const prepared = `${path}.${mine.id}`;
  // A link to a finished file, since one made with O_EXCL could be read before its holder is written into it.
  await writeFile(prepared, JSON.stringify(mine), { mode: 0o600 });
  try {
    await acquire(path, prepared, waiting);
  } finally {
    await rm(prepared, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function acquire(path: string, prepared: string, { log, signal }: Waiting): Promise<void> {
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  let holder: Holder | undefined;
  const untold = tellIfLong(() => {
    const pid = holder === undefined || holder === DAMAGED ? undefined : holder.pid;
    log.warn({ pid, lock: path }, "another process starts or stops PostgreSQL, and is waited for");
  });
  try {
    while (!(await linked(prepared, path))) {
      signal?.throwIfAborted();
      holder = await readWritten(path, userSchema);
      if (holder === undefined) continue;
      if (holder === DAMAGED || !(await isAlive(holder))) await removeStale(path, holder, prepared);
      else if (Date.now() > deadline) throw new Error(`Process ${holder.pid} has held ${path} for too long.`);
      else await pause(POLL_INTERVAL_MS);
    }
  } finally {
    untold();
  }
}

/**
 * Whoever has the claim on what a dead holder left is the only one to remove it, so that nobody takes the lock from under the next
 * holder. Such a claim is a lock like the first one, and its holder may be dead as well.
 */
async function removeStale(path: string, dead: Holder, prepared: string): Promise<void> {
  const claim = `${path}.${idOf(dead)}`;
  if (await linked(prepared, claim)) {
    const found = await readWritten(path, userSchema);
    if (found !== undefined && idOf(found) === idOf(dead)) await rm(path, { force: true });
    await rm(claim, { force: true });
    return;
  }
  const claimer = await readWritten(claim, userSchema);
  if (claimer === undefined) return;
  if (claimer === DAMAGED || !(await isAlive(claimer))) await removeStale(claim, claimer, prepared);
  else await pause(POLL_INTERVAL_MS);
}

/** Whether the file has that name as well now: false where the name was taken. */
async function linked(file: string, name: string): Promise<boolean> {
  try {
    await link(file, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

function idOf(holder: Holder): string {
  return holder === DAMAGED ? DAMAGED : holder.id;
}

/** Undefined where there is no such file. A live user's is never cut short: files come to their names whole. */
async function readWritten<T>(path: string, schema: z.ZodType<T>): Promise<T | typeof DAMAGED | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return DAMAGED;
  }
}

function listPath(dataDir: string): string {
  return join(dataDir, "postgresql-users.json");
}
