/** What a benchmark works on: a folder of its own, an empty PostgreSQL with durability on, processes that end with it. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { Client } from "pg";
import { pino } from "pino";
import { type EmbeddedServer, startEmbeddedServer } from "../../src/database/embedded-server.js";
import { createGuardedFolder, type GuardedFolder } from "../../test/support/guarded-folder.js";
import { parentOf } from "../measure/cpu-time.js";
import { type BenchProcess, startProcess } from "./processes.js";

export interface SceneOptions {
  /** The large sizes of the issue in place of the quick ones. */
  readonly full: boolean;
  /** The folder of another PostgreSQL, with `bin` in it, in place of the packaged one. */
  readonly postgres?: string | undefined;
  /** A line for whoever waits; goes to stderr. */
  readonly say: (line: string) => void;
}

export interface DatabasePair {
  readonly eventsUrl: string;
  readonly metricsUrl: string;
}

const ROOT = path.join(import.meta.dirname, "../..");
export const SECRET = "a secret of the benchmarks, long enough for it";

export class Scene {
  readonly full: boolean;
  readonly say: (line: string) => void;
  readonly folder: string;
  readonly #guarded: GuardedFolder;
  readonly #server: EmbeddedServer;
  readonly #processes: BenchProcess[] = [];

  private constructor(options: SceneOptions, folder: GuardedFolder, server: EmbeddedServer) {
    this.full = options.full;
    this.say = options.say;
    this.folder = folder.path;
    this.#guarded = folder;
    this.#server = server;
  }

  static async open(options: SceneOptions): Promise<Scene> {
    const folder = await createGuardedFolder("postgresql/postmaster.pid");
    const server = await startEmbeddedServer({
      dataDir: folder.path,
      databases: [],
      log: pino({ level: "warn" }, pino.destination(2)),
      // As the program's own, but for room: a benchmark's tables lie in memory, as a tuned server's would.
      ...(options.postgres !== undefined && { postgres: options.postgres }),
      settings: { max_connections: "300", shared_buffers: sharedBuffers(), max_wal_size: "8GB" },
    });
    return new Scene(options, folder, server);
  }

  /** As PostgreSQL tells it: "18.4". */
  async postgresVersion(): Promise<string> {
    return this.#asAdministrator(async (client) => {
      const { rows } = await client.query<{ server_version: string }>("show server_version");
      return rows[0]?.server_version ?? "unknown";
    });
  }

  /** The postmaster: its children are the server's whole work. */
  async postgresPid(): Promise<number> {
    return this.#asAdministrator(async (client) => {
      const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
      // While the connection is open: its process goes with it.
      return parentOf(rows[0]?.pid ?? 0);
    });
  }

  /** Waits, for half a minute at most, for what autovacuum has to do after whoever had his turn before. */
  async whenNobodyVacuums(): Promise<void> {
    const until = performance.now() + 30_000;
    await this.#asAdministrator(async (client) => {
      // Processes of the server's own in a database; what kind they are is shown to superusers alone.
      const count = "select 1 from pg_stat_activity where datname is not null and usename is null";
      while ((await client.query(count)).rows.length > 0 && performance.now() < until) await setTimeout(200);
    });
  }

  /** Two new databases, migrated. The name is a plain word. */
  async createDatabases(name: string): Promise<DatabasePair> {
    for (const database of [`${name}_events`, `${name}_metrics`]) await this.createDatabase(database);
    const urls = this.urlsOf(name);
    await this.command(urls, ["migrate"]);
    return urls;
  }

  urlsOf(name: string): DatabasePair {
    return { eventsUrl: this.#server.url(`${name}_events`), metricsUrl: this.#server.url(`${name}_metrics`) };
  }

  /** An empty database, and its URL. */
  async createDatabase(name: string): Promise<string> {
    if (!/^[a-z_0-9]+$/.test(name)) throw new Error("A database's name is a plain word");
    await this.#asAdministrator((client) => client.query(`create database ${name}`));
    return this.#server.url(name);
  }

  async #asAdministrator<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ connectionString: this.#server.url("postgres") });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  /** Runs one of the program's commands to its end and gives what it printed; throws where it fails. */
  async command(databases: DatabasePair, args: readonly string[]): Promise<string> {
    return this.program(databases, args).finished();
  }

  /** Starts `serve`, `work` or another command of the compiled program. */
  program(databases: DatabasePair, args: readonly string[], env: Readonly<Record<string, string>> = {}): BenchProcess {
    return this.start([...programFlags(), path.join(ROOT, "dist/cli.js"), ...args], {
      EVENTS_DATABASE_URL: databases.eventsUrl,
      METRICS_DATABASE_URL: databases.metricsUrl,
      MAILTALLY_SECRET: SECRET,
      DATA_DIR: this.folder,
      LOG_LEVEL: "warn",
      ...env,
    });
  }

  /** Starts a program of Node's. It ends with the scene at the latest. */
  start(args: readonly string[], env: Readonly<Record<string, string>>): BenchProcess {
    const started = startProcess(args, env);
    this.#processes.push(started);
    return started;
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((started) => started.stop()));
    await this.#server.stop();
    await this.#guarded.remove();
  }
}

/** A quarter of the memory, as PostgreSQL's manual has it, and not more than the largest benchmark fills. */
function sharedBuffers(): string {
  return `${Math.min(4_096, Math.floor(totalmem() / 4 / 2 ** 20))}MB`;
}

/** What Node is given when operators start the program. */
function programFlags(): string[] {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
    readonly scripts: { readonly mailtally: string };
  };
  return scripts.mailtally.split(" ").filter((word) => word.startsWith("--"));
}
