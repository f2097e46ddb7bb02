/**
 * The server process of a cluster: found, started, stopped.
 *
 * - It runs in a session of its own: Ctrl-C in the terminal reaches the whole process group, and the server must not go
 *   before the program has written what it holds.
 * - It outlives a program that is killed with -9, and is then taken over as it runs.
 * - `postmaster.pid` is never deleted here. PostgreSQL reads in it whether orphaned back ends of a killed server still write
 *   to the files; starting a second server beside them would destroy the data.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { chown, open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigError } from "../config.js";
import type { Cluster } from "./embedded-cluster.js";
import { faultOfFolder } from "./embedded-faults.js";
import { freePort, isFreePort } from "./embedded-port.js";
import { commandLine, commandLineNow, pidExists } from "./embedded-process.js";
import { writeRecord } from "./embedded-record.js";
import { tellIfLong, type Waiting } from "./waiting.js";

/** Recovery after a crash reads up to `max_wal_size` of log. */
const START_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 120_000;
const POLL_INTERVAL_MS = 10;
const RETRY_INTERVAL_MS = 100;
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;
const LOG_LINES_IN_ERROR = 15;
/** Larger than any system's highest process id, so that PostgreSQL finds nobody there. */
const NOBODYS_PID = 2_147_483_647;

/** Right after a crash the old back ends may not be gone yet, and a free port may be taken before we bind it. */
const PASSING_FAULTS =
  /shared memory block|lock file "postmaster\.pid" already exists|could not bind|Address already in use/;
/** An empty one is that of a server that begins at this moment, or what a crash of the machine left. */
const EMPTY_PID_FILE = /lock file "postmaster\.pid" is empty/;
const EMPTY_PID_FILE_MS = 3_000;
const PID_FILE_FAULT =
  /lock file "postmaster\.pid" is empty|(bogus data in|could not (open|read)) lock file "postmaster\.pid"/;
/** Servers just launched, by the folder of their cluster: until they have written their id down nobody finds them otherwise. */
const launched = new Map<string, ChildProcess>();

interface PidFile {
  readonly pid: number;
  readonly port: number;
  readonly status: string;
}

/**
 * The port of the cluster's server, which runs already or is started, and accepts connections. Waits at most for `START_TIMEOUT_MS`, or
 * until `signal` is given: then it throws its reason, and what it has launched has ended.
 */
export async function runPostmaster(
  cluster: Cluster,
  settings: Readonly<Record<string, string>>,
  { log, signal }: Waiting,
): Promise<number> {
  const began = Date.now();
  const deadline = began + START_TIMEOUT_MS;
  let lastFault: Error | undefined;
  const untold = tellIfLong(() =>
    log.warn(
      { err: lastFault, logFile: cluster.logFile },
      "PostgreSQL does not accept connections yet, and is waited for",
    ),
  );
  try {
    for (;;) {
      signal?.throwIfAborted();
      const running = await readPidFile(cluster);
      if (running !== undefined && (await isServerOf(cluster, running.pid))) {
        if (running.status === "ready") return running.port;
        if (Date.now() > deadline) throw await failure(cluster, `did not become ready (${running.status})`, 0);
        await pause(POLL_INTERVAL_MS);
        continue;
      }
      if (running !== undefined && pidExists(running.pid)) await disownPid(cluster, running.pid);
      const logStart = await prepareLog(cluster);
      const port = await choosePort(cluster);
      const fault = await launch(cluster, port, settings, deadline, signal);
      if (fault === undefined) return port;
      signal?.throwIfAborted();
      lastFault = await failure(cluster, fault, logStart);
      const { message } = lastFault;
      const isPassing =
        PASSING_FAULTS.test(message) || (EMPTY_PID_FILE.test(message) && Date.now() < began + EMPTY_PID_FILE_MS);
      if (!isPassing) throw (await faultOfFolder(message, cluster)) ?? pidFileFault(cluster, message) ?? lastFault;
      if (Date.now() > deadline) throw lastFault;
      await pause(RETRY_INTERVAL_MS);
    }
  } finally {
    untold();
  }
}

/** Whether the cluster's server runs, or starts. */
export async function isPostmasterRunning(cluster: Cluster): Promise<boolean> {
  const running = await readPidFile(cluster);
  return running !== undefined && (await isServerOf(cluster, running.pid));
}

/** Disconnects all clients, rolls back what they had open, and waits until the server is gone. */
export async function stopPostmaster(cluster: Cluster): Promise<void> {
  const running = await readPidFile(cluster);
  if (running === undefined || !(await isServerOf(cluster, running.pid))) return;
  if (process.platform === "win32") {
    // Windows has no SIGINT for another process; pg_ctl speaks to the server through a pipe.
    spawn(join(cluster.bin, "pg_ctl"), ["stop", "--mode=fast", "--no-wait", "-D", cluster.directory], {
      stdio: "ignore",
    });
  } else {
    try {
      process.kill(running.pid, "SIGINT");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (await isServerOf(cluster, running.pid)) {
    if (Date.now() > deadline) throw await failure(cluster, "did not stop", 0);
    await pause(POLL_INTERVAL_MS);
  }
}

/** Does what stopping begins with, and waits for nothing: for a process that is about to end. The server then ends by itself. */
export function interruptPostmaster(cluster: Cluster): void {
  if (process.platform === "win32") return;
  if (launched.get(cluster.directory)?.kill("SIGINT")) return;
  try {
    const pid = Number(readFileSync(pidPath(cluster), "utf8").split("\n")[0]);
    if (servesCluster(cluster, commandLineNow(pid))) process.kill(pid, "SIGINT");
  } catch {
    // It is gone.
  }
}

/** Starts the server; answers undefined once it accepts connections, else what went wrong. Ends it again at the signal. */
async function launch(
  cluster: Cluster,
  port: number,
  settings: Readonly<Record<string, string>>,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = await open(cluster.logFile, "a");
  let ended: string | undefined;
  try {
    const child = spawn(join(cluster.bin, "postgres"), ["-D", cluster.directory, "-p", String(port), ...flags], {
      ...cluster.account,
      cwd: cluster.directory,
      env: { LC_ALL: "C" },
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    child.once("error", (error) => (ended ??= `cannot be run: ${error.message}`));
    child.once("exit", (code, killedBy) => (ended ??= `ended with ${killedBy ?? `exit code ${code}`}`));
    child.unref();
    launched.set(cluster.directory, child);
    let isInterrupted = false;
    for (;;) {
      if (ended !== undefined) return ended;
      // Also amid the recovery after a crash, which the next start begins anew.
      if (signal?.aborted && !isInterrupted) isInterrupted = child.kill("SIGINT");
      const written = await readPidFile(cluster);
      if (written?.pid === child.pid && written?.status === "ready") return undefined;
      if (Date.now() > deadline) return "did not become ready";
      await pause(POLL_INTERVAL_MS);
    }
  } finally {
    launched.delete(cluster.directory);
    await log.close();
  }
}

/** The remembered port, or a new one where somebody else listens there by now. */
async function choosePort(cluster: Cluster): Promise<number> {
  const { dataDir } = cluster;
  if (await isFreePort(cluster.record.port)) return cluster.record.port;
  const port = await freePort();
  await writeRecord(dataDir, { ...cluster.record, port });
  return port;
}

async function readPidFile(cluster: Cluster): Promise<PidFile | undefined> {
  const text = await readFile(pidPath(cluster), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const [pid, , , port, , , , status] = text.split("\n");
  return { pid: Number(pid), port: Number(port), status: status?.trim() ?? "starting" };
}

/** Whether the process serves this cluster: after a crash or a reboot its id may belong to anybody. */
async function isServerOf(cluster: Cluster, pid: number): Promise<boolean> {
  if (!pidExists(pid)) return false;
  return process.platform === "win32" || servesCluster(cluster, await commandLine(pid));
}

function servesCluster({ directory }: Cluster, commandLineOfIt: string): boolean {
  return commandLineOfIt.includes(`-D ${directory} `);
}

/**
 * PostgreSQL refuses to start while the process in its pid file lives, whatever it is. The id is replaced by one that cannot
 * live, and the rest of the file stays: it is what PostgreSQL checks for orphaned back ends.
 */
async function disownPid(cluster: Cluster, pid: number): Promise<void> {
  const text = await readFile(pidPath(cluster), "utf8").catch(() => undefined);
  if (text?.split("\n")[0] !== String(pid)) return;
  await writeFile(pidPath(cluster), text.replace(/^\d+/, String(NOBODYS_PID)));
}

/** Moves a log away that has grown long; answers where this start's lines will begin. */
async function prepareLog(cluster: Cluster): Promise<number> {
  const size = await stat(cluster.logFile).then(
    (found) => found.size,
    () => undefined,
  );
  if (size !== undefined && size <= LOG_LIMIT_BYTES) return size;
  if (size !== undefined) await rename(cluster.logFile, `${cluster.logFile}.1`);
  await writeFile(cluster.logFile, "", { mode: 0o600 });
  if (process.getuid?.() === 0) {
    const folder = await stat(cluster.dataDir);
    await chown(cluster.logFile, folder.uid, folder.gid);
  }
  return 0;
}

/** It is never deleted here: whether back ends of a killed server still write to the files nobody can tell without what stood in it. */
function pidFileFault(cluster: Cluster, said: string): ConfigError | undefined {
  if (!PID_FILE_FAULT.test(said)) return undefined;
  const path = pidPath(cluster);
  return new ConfigError([
    `DATA_DIR: ${path} is damaged or cannot be read, as a crash of the machine may leave it. If no PostgreSQL of this folder runs any ` +
      `more (ps aux | grep ${cluster.directory}), delete the file and start again`,
  ]);
}

async function failure(cluster: Cluster, what: string, logStart: number): Promise<Error> {
  const written = await readFile(cluster.logFile).catch(() => Buffer.alloc(0));
  const lines = written.subarray(logStart).toString().trimEnd().split("\n").slice(-LOG_LINES_IN_ERROR);
  return new Error(`The embedded PostgreSQL ${what}. The end of ${cluster.logFile}:\n${lines.join("\n")}`);
}

function pidPath(cluster: Cluster): string {
  return join(cluster.directory, "postmaster.pid");
}
