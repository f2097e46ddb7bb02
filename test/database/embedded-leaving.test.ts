/** Starts of the embedded server that wait, or do not come to their end: what they tell and what they leave behind. */
import type { ChildProcess } from "node:child_process";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { commandLine } from "../../src/database/embedded-process.js";
import { startEmbeddedServer } from "../../src/database/embedded-server.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { waitFor } from "../support/wait-for.js";
import { launchServerProgram } from "./running-server.js";

vi.setConfig({ testTimeout: 60_000 });

const log = pino({ level: "silent" });

let guarded: GuardedFolder;
let dataDir: string;
const programs: ChildProcess[] = [];

beforeAll(async () => {
  guarded = await createGuardedFolder("data/postgresql/postmaster.pid");
  dataDir = join(guarded.path, "data");
  await (await startEmbeddedServer({ dataDir, databases: [], log })).stop();
});
afterEach(() => {
  for (const program of programs.splice(0)) program.kill("SIGKILL");
});
afterAll(() => guarded.remove());

/** An installation whose server says its process id, and then does this in place of what a server does. */
async function installationThat(does: string): Promise<{ postgres: string; launchedPid: () => Promise<number> }> {
  const postgres = join(guarded.path, "installation");
  const said = join(postgres, "said");
  await mkdir(join(postgres, "bin"), { recursive: true });
  await writeFile(join(postgres, "bin", "postgres"), `#!/bin/sh\necho $$ >"${said}"\n${does}\n`, { mode: 0o755 });
  await writeFile(said, "");
  // The server's account is another one than root's.
  await chmod(said, 0o666);
  const launchedPid = () =>
    waitFor(async () => Number(await readFile(said, "utf8")), {
      what: "the server to be launched",
      deadlineMs: 30_000,
    });
  return { postgres, launchedPid };
}

const PASSING = `echo 'FATAL:  lock file "postmaster.pid" already exists' >&2; exit 1`;

test("a start that waits for PostgreSQL tells so and what for, and ends at the signal", async () => {
  const { postgres } = await installationThat(PASSING);
  let told = "";
  const toTest = pino({ level: "warn" }, { write: (line: string) => void (told += line) });
  const stopping = new AbortController();
  const starting = startEmbeddedServer({ dataDir, databases: [], log: toTest, postgres, signal: stopping.signal });
  const reason = starting.catch((error: unknown) => error);
  await waitFor(() => told.includes("is waited for"), { what: "it to be told" });
  expect(told).toContain(String.raw`lock file \"postmaster.pid\" already exists`);
  stopping.abort("stopped");
  expect(await reason).toBe("stopped");
  expect(await readdir(dataDir)).not.toContain("postgresql.lock");
});

test("a server that does not get ready ends with the start that the signal ends", async () => {
  const { postgres, launchedPid } = await installationThat("exec sleep 60");
  const stopping = new AbortController();
  const starting = startEmbeddedServer({ dataDir, databases: [], log, postgres, signal: stopping.signal });
  const reason = starting.catch((error: unknown) => error);
  const pid = await launchedPid();
  stopping.abort("stopped");
  expect(await reason).toBe("stopped");
  expect(await commandLine(pid)).toBe("");
});

test("a program that leaves before its server has written its pid file ends it too", async () => {
  const { postgres, launchedPid } = await installationThat("exec sleep 60");
  const { program, ended } = launchServerProgram([dataDir, "", "", postgres], (started) => programs.push(started));
  const pid = await launchedPid();
  program.kill("SIGHUP");
  expect(await ended).toBe(3);
  await waitFor(async () => (await commandLine(pid)) === "", { what: "the server to end" });
});
