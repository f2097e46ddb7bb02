/**
 * The PostgreSQL that comes with the program, for machines where none is configured.
 *
 * - Its data lies under the data folder and survives whatever dies, the program or the server.
 * - It listens on 127.0.0.1 alone, and every connection needs a password: other users of the machine are kept out.
 * - Programs and commands on one data folder share one server (see embedded-users.ts); whoever leaves last stops it.
 * - A server that ends under a program (killed, or out of room) is started again.
 */
import { realpath } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "pg";
import type { Logger } from "pino";
import { PublicError } from "../errors.js";
import { makeDataDir } from "../make-data-dir.js";
import { WorkLoop } from "../work-loop.js";
import { type Cluster, openCluster } from "./embedded-cluster.js";
import { interruptPostmaster, isPostmasterRunning, runPostmaster, stopPostmaster } from "./embedded-postmaster.js";
import {
  hasOtherUsers,
  liveUsers,
  newUser,
  type ServerUser,
  type ServerUserRole,
  withServerLock,
  writeUsers,
} from "./embedded-users.js";

export interface EmbeddedServer {
  /** The URL of a database for the role `mailtally`, which owns it, may create roles and databases, and is no superuser. */
  url(database: string): string;
  readonly port: number;
  /** Leaves the server, and stops it unless another program or command uses it. May be called again. */
  stop(): Promise<void>;
}

export interface EmbeddedServerOptions {
  readonly dataDir: string;
  /** Created where they are missing. */
  readonly databases: readonly string[];
  readonly log: Logger;
  /** Ends a start that waits: for PostgreSQL, or for another process. It then fails with the signal's reason, and leaves nothing running. */
  readonly signal?: AbortSignal;
  /** Called before a new cluster is made, which takes a second or two. */
  readonly onFirstStart?: () => void;
  /** PostgreSQL settings beside and above the usual ones. Without effect on a server that runs already. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The folder of another PostgreSQL installation, with `bin` in it, in place of the packaged one. */
  readonly postgres?: string;
}

const ROLE = "mailtally";
const CONNECT_TIMEOUT_MS = 30_000;
const RETRY_INTERVAL_MS = 50;
const WATCH_INTERVAL_MS = 1_000;

/** For a machine of unknown size that does other things as well; memory is taken only as data fills it. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "256MB",
  effective_cache_size: "1GB",
  work_mem: "16MB",
  maintenance_work_mem: "128MB",
  fsync: "on",
  synchronous_commit: "on",
  wal_compression: "on",
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  random_page_cost: "1.1",
  // Compiling costs more than the short queries of this program ever win back.
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
};

/**
 * Starts the server under `dataDir`, or takes over one that a killed run left behind. Fails while another program uses the
 * data folder; a failed start carries the last lines of PostgreSQL's log.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  return join(options, "program");
}

/** For commands: uses the server of a running program on the same data folder, or starts one for as long as it is needed. */
export async function borrowEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  return join(options, "command");
}

async function join(options: EmbeddedServerOptions, role: ServerUserRole): Promise<EmbeddedServer> {
  try {
    return await joinInTurn(options, role);
  } catch (error) {
    // Ctrl-C in a terminal reaches initdb as well: that it fails then is no news.
    options.signal?.throwIfAborted();
    throw error;
  }
}

async function joinInTurn(options: EmbeddedServerOptions, role: ServerUserRole): Promise<EmbeddedServer> {
  await makeDataDir(options.dataDir);
  const dataDir = await realpath(options.dataDir);
  return withServerLock(dataDir, options, async () => {
    const others = await liveUsers(dataDir);
    const program = others.find((user) => user.role === "program");
    if (role === "program" && program !== undefined) {
      throw new PublicError(
        "CONFLICT",
        `Mailtally is already running on ${dataDir}, pid ${program.pid}. Stop it, or set another DATA_DIR.`,
      );
    }
    const cluster = await openCluster({ ...options, dataDir });
    const user = await newUser(role);
    await writeUsers(dataDir, [...others, user]);
    // Whoever is in a hurry, or waited too long, ends the process while it stops; the server must not run on without anybody.
    const atExit = (): void => {
      if (!hasOtherUsers(dataDir, user.id)) interruptPostmaster(cluster);
    };
    process.on("exit", atExit);
    try {
      const port = await runAndPrepare(cluster, options);
      return membership(cluster, port, user, options, () => process.off("exit", atExit));
    } catch (error) {
      await writeUsers(dataDir, others);
      if (others.length === 0) await stopPostmaster(cluster);
      process.off("exit", atExit);
      throw error;
    }
  });
}

function membership(
  cluster: Cluster,
  port: number,
  user: ServerUser,
  options: EmbeddedServerOptions,
  onLeft: () => void,
): EmbeddedServer {
  let stopped: Promise<void> | undefined;
  const watch = user.role === "program" ? restartWhenEnded(cluster, options) : undefined;
  const stop = async (): Promise<void> => {
    await watch?.stop();
    await leave(cluster, user, options.log);
    onLeft();
  };
  return {
    port,
    url: (database) =>
      `postgres://${ROLE}:${cluster.record.password}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    stop: () => (stopped ??= stop()),
  };
}

/** On the port it had, as long as nobody else has taken it: connections are made anew to where they were. */
function restartWhenEnded(cluster: Cluster, options: EmbeddedServerOptions): WorkLoop {
  const { log } = options;
  const step = async (): Promise<boolean> => {
    if (await isPostmasterRunning(cluster)) return false;
    log.error("PostgreSQL has ended and is started again; why is told in its log");
    // Without the signal: whoever stops finishes with the server what is in hand.
    const settings = { ...SETTINGS, ...options.settings };
    await withServerLock(cluster.dataDir, { log }, () => runPostmaster(cluster, settings, { log }));
    return false;
  };
  return new WorkLoop({ name: "embedded PostgreSQL", step, idleMs: WATCH_INTERVAL_MS, log });
}

async function leave(cluster: Cluster, user: ServerUser, log: Logger): Promise<void> {
  await withServerLock(cluster.dataDir, { log }, async () => {
    const others = (await liveUsers(cluster.dataDir)).filter((other) => other.id !== user.id);
    await writeUsers(cluster.dataDir, others);
    if (others.length === 0) await stopPostmaster(cluster);
    else if (user.role === "program") {
      log.info({ pids: others.map((other) => other.pid) }, "PostgreSQL goes on for commands that still use it");
    }
  });
}

/** A server found running may be on its way out, or die at this moment: then the next one is ours. */
async function runAndPrepare(cluster: Cluster, options: EmbeddedServerOptions): Promise<number> {
  const deadline = Date.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    const port = await runPostmaster(cluster, { ...SETTINGS, ...options.settings }, options);
    try {
      await prepare(cluster, port, options.databases);
      return port;
    } catch (error) {
      if (!isGoingAway(error) || Date.now() > deadline) throw error;
      await pause(RETRY_INTERVAL_MS);
    }
  }
}

/** Makes the role and the databases that are missing. */
async function prepare(cluster: Cluster, port: number, databases: readonly string[]): Promise<void> {
  const { password, superuserPassword } = cluster.record;
  const client = new Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password: superuserPassword,
    database: "postgres",
  });
  // A connection that breaks reports it by its queries as well; without a listener it would end the process.
  client.on("error", () => undefined);
  await client.connect();
  try {
    const served = await client.query<{ data_directory: string }>("show data_directory");
    if (served.rows[0]?.data_directory !== cluster.directory) {
      throw new Error(`The server on port ${port} serves ${served.rows[0]?.data_directory}, not ${cluster.directory}.`);
    }
    const roles = await client.query("select 1 from pg_roles where rolname = $1", [ROLE]);
    if (roles.rowCount === 0) {
      await client.query(`create role ${ROLE} login createrole createdb password ${client.escapeLiteral(password)}`);
    }
    const found = await client.query<{ datname: string }>("select datname from pg_database");
    const present = new Set(found.rows.map((row) => row.datname));
    for (const database of databases.filter((name) => !present.has(name))) {
      await client.query(`create database ${client.escapeIdentifier(database)} owner ${ROLE}`);
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}

const GOING_AWAY: ReadonlySet<string> = new Set(["ECONNREFUSED", "ECONNRESET", "57P01", "57P02", "57P03"]);

function isGoingAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return (code !== undefined && GOING_AWAY.has(code)) || error.message === "Connection terminated unexpectedly";
}
