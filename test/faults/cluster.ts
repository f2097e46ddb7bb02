/**
 * A PostgreSQL server that the harness kills and starts again on the same files.
 *
 * What a commit wrote is with the operating system when it is answered, and the system outlives every kill -9 here: so fsync
 * may be off. Pages are still written whole after a checkpoint, since a kill may strike in the middle of one.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type QueryResultRow } from "pg";
import { pino } from "pino";
import { borrowEmbeddedServer, type EmbeddedServer } from "../../src/database/embedded-server.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { waitFor } from "../support/wait-for.js";

const SETTINGS = { fsync: "off", max_connections: "200", shared_buffers: "64MB", max_wal_size: "512MB" };
const ENOUGH_MEMORY_BYTES = 2 * 1024 ** 3;

export class Cluster {
  readonly #folder: GuardedFolder;
  readonly #database: string;
  readonly #postgres: string | undefined;
  /** One for each start: the last one that leaves stops the server. */
  readonly #memberships: EmbeddedServer[] = [];
  #isUp = false;

  private constructor(folder: GuardedFolder, database: string, postgres: string | undefined) {
    this.#folder = folder;
    this.#database = database;
    this.#postgres = postgres;
  }

  /** `postgres`: an installation to use in place of the packaged one. */
  static async start(database: string, postgres?: string): Promise<Cluster> {
    const memory = await statfs("/dev/shm").catch(() => undefined);
    const isRoomy = memory !== undefined && memory.bavail * memory.bsize >= ENOUGH_MEMORY_BYTES;
    const folder = await createGuardedFolder("data/postgresql/postmaster.pid", isRoomy ? "/dev/shm" : tmpdir());
    const cluster = new Cluster(folder, database, postgres);
    try {
      await cluster.start();
    } catch (error) {
      await folder.remove();
      throw error;
    }
    return cluster;
  }

  get port(): number {
    return this.#server().port;
  }

  /** The direct way, for the harness itself. */
  get url(): string {
    return this.#server().url(this.#database);
  }

  get logFile(): string {
    return join(this.#folder.path, "data", "postgresql.log");
  }

  /** Starts it where it does not run, and recovers what a kill left. */
  async start(): Promise<void> {
    if (this.#isUp) return;
    const server = await borrowEmbeddedServer({
      dataDir: join(this.#folder.path, "data"),
      databases: [this.#database],
      log: pino({ level: "silent" }),
      settings: SETTINGS,
      ...(this.#postgres !== undefined && { postgres: this.#postgres }),
    });
    this.#memberships.push(server);
    this.#isUp = true;
  }

  /** kill -9 of the postmaster and of every process that it started, which have groups of their own. */
  async kill(): Promise<void> {
    if (!this.#isUp) return;
    this.#isUp = false;
    const postmaster = await this.#postmaster();
    const victims = [postmaster, ...childrenOf(postmaster)];
    for (const pid of victims) killIfAlive(pid);
    await waitFor(() => victims.every((pid) => !isRunning(pid)), { what: "the killed PostgreSQL to be gone" });
  }

  /** kill -9 of one back end, upon which PostgreSQL ends all others and recovers by itself. */
  async killBackend(choose: (pids: readonly number[]) => number | undefined): Promise<void> {
    const rows = await this.#askAsLogin<{ pid: number }>(
      "select pid from pg_stat_activity where application_name = 'mailtally' order by pid",
    );
    const victim = choose(rows.map((row) => row.pid));
    if (victim !== undefined) killIfAlive(victim);
  }

  /** Ends the sessions that came from these ports, as idle_in_transaction_session_timeout would. */
  async endSessions(clientPorts: readonly number[]): Promise<void> {
    await this.#askAsLogin(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where client_port = any ($1) and state like 'idle in transaction%'`,
      [clientPorts],
    );
  }

  /** Rows as the worker's role sees them: all tenants'. */
  ask<Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.#ask<Row>("set role mailtally_worker", sql, values);
  }

  /** As the login itself, which may see and end its own sessions. */
  #askAsLogin<Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return this.#ask<Row>("reset role", sql, values);
  }

  async #ask<Row extends QueryResultRow>(setRole: string, sql: string, values: unknown[]): Promise<Row[]> {
    const client = new Client({ connectionString: this.url, application_name: "fault harness" });
    client.on("error", () => undefined);
    await client.connect();
    try {
      await client.query(setRole);
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    for (const membership of this.#memberships) await membership.stop();
    await this.#folder.remove();
  }

  #server(): EmbeddedServer {
    const server = this.#memberships.at(-1);
    if (server === undefined) throw new Error(`The cluster of ${this.#database} was never started`);
    return server;
  }

  async #postmaster(): Promise<number> {
    const text = await readFile(join(this.#folder.path, "data", "postgresql", "postmaster.pid"), "utf8");
    return Number(text.split("\n", 1)[0]);
  }
}

function childrenOf(pid: number): number[] {
  const listed = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  return listed.split("\n").flatMap((line) => {
    const [child, parent] = line.trim().split(/\s+/).map(Number);
    return child !== undefined && parent === pid ? [child] : [];
  });
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A zombie that nobody has reaped yet holds nothing any more. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^\d+ \(.*\) [ZX]/.test(stat);
  } catch {
    return false;
  }
}
