import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { Kysely, PostgresDialect, sql } from "kysely";
import { type Migration, type MigrationProvider, Migrator } from "kysely/migration";
import { Client, Pool } from "pg";
import type { Logger } from "../observability/logger.js";
import { DATABASE_NAMES, type DatabaseName } from "./database-name.js";

const LOCK_TIMEOUT = "10s";
const sqlFolder = path.join(import.meta.dirname, "../../sql");

/** The numbered files of sql/<database>, in order. Each runs as it stands; append-only once released. */
class SqlFileMigrations implements MigrationProvider {
  readonly #folder: string;

  constructor(database: DatabaseName) {
    this.#folder = path.join(sqlFolder, database);
  }

  async getMigrations(): Promise<Record<string, Migration>> {
    const files = (await readdir(this.#folder)).filter((file) => file.endsWith(".sql"));
    return Object.fromEntries(files.map((file) => [path.basename(file, ".sql"), this.#migration(file)]));
  }

  #migration(file: string): Migration {
    return {
      up: async (db) => {
        const text = await readFile(path.join(this.#folder, file), "utf8");
        // A migration that cannot get its lock gives up rather than queue every reader behind itself.
        await sql.raw(`set local lock_timeout = '${LOCK_TIMEOUT}'`).execute(db);
        await sql.raw(text).execute(db);
        // The files take the owner's role on; the list of what has run belongs to the login.
        await sql.raw("set local role none").execute(db);
      },
    };
  }
}

/** Brings one database to the newest schema; racing runners wait for each other and find the work done. Returns what ran. */
async function migrateDatabase(database: DatabaseName, url: string): Promise<string[]> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString: url, max: 1 }) }),
  });
  try {
    const migrator = new Migrator({
      db,
      provider: new SqlFileMigrations(database),
      migrationTableName: "schema_migrations",
      migrationLockTableName: "schema_migrations_lock",
    });
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined) {
      const failed = results.find((result) => result.status === "Error")?.migrationName ?? "the list of migrations";
      throw new Error(`Migration of the ${database} database failed at ${failed}`, { cause: error });
    }
    return results.map((result) => result.migrationName);
  } finally {
    await db.destroy();
  }
}

/** Brings both databases to the newest schema. Safe to run by several programs at once, and again. */
export async function migrateDatabases(options: {
  eventsUrl: string;
  metricsUrl: string;
  log?: Logger;
}): Promise<void> {
  const urls: Record<DatabaseName, string> = { events: options.eventsUrl, metrics: options.metricsUrl };
  for (const database of DATABASE_NAMES) {
    const applied = await migrateDatabase(database, urls[database]);
    options.log?.info({ database, applied }, applied.length > 0 ? "database migrated" : "database up to date");
  }
}

/** The migrations that a database still lacks. */
export async function pendingMigrations(database: DatabaseName, url: string): Promise<string[]> {
  const files = await new SqlFileMigrations(database).getMigrations();
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const known = await client.query<{ found: boolean }>(
      "select to_regclass('schema_migrations') is not null as found",
    );
    if (known.rows[0]?.found !== true) return Object.keys(files);
    const applied = await client.query<{ name: string }>("select name from schema_migrations");
    const names = new Set(applied.rows.map((row) => row.name));
    return Object.keys(files).filter((name) => !names.has(name));
  } finally {
    await client.end();
  }
}
