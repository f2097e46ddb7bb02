/**
 * Runs the files of sql/<database>. A file is one transaction that also notes that it has run, or (`….concurrent.sql`) indexes
 * that are built outside of one and noted when they are there. Whatever fails, what is noted stands whole, and the next run
 * goes on behind it.
 *
 * Migrations run beside programs of the release before, and those may start again afterwards: what a database has and this
 * program does not know is of a newer one, and nobody's fault.
 */
import path from "node:path";
import { Client } from "pg";
import type { Logger } from "../observability/logger.js";
import { buildIndex, dropIndex } from "./build-index.js";
import { parseConcurrentStatements } from "./concurrent-statements.js";
import { DATABASE_NAMES, type DatabaseName } from "./database-name.js";
import { LOCK_PATIENCE, type LockPatience, withLockRetries } from "./lock-retries.js";
import { type MigrationFile, migrationFolder, readMigrationFiles } from "./migration-files.js";
import { withMigrationLock } from "./migration-lock.js";

/** The lock of Kysely's Migrator, which ran the migrations of version 0.1 and may still run beside this. */
const FORMER_LOCK = "3853314791062309107";

/** As Kysely's Migrator made it, and as programs of version 0.1 read it. */
const createList = `create table if not exists schema_migrations (
  name varchar(255) not null primary key,
  timestamp varchar(255) not null
)`;

const note =
  "insert into schema_migrations (name, timestamp) values ($1, $2) on conflict (name) do nothing returning name";

interface MigrationOptions {
  readonly folder: string;
  readonly url: string;
  readonly patience?: LockPatience;
}

/** Brings one database to what a folder holds, and says which migrations it ran for that. Safe to run by several at once. */
export async function migrateDatabase({ folder, url, patience = LOCK_PATIENCE }: MigrationOptions): Promise<string[]> {
  const files = await readMigrationFiles(folder);
  return withMigrationLock(url, async (assertHeld) => {
    const ran: string[] = [];
    await withClient({ connectionString: url }, async (client) => {
      if ((await readApplied(client)) === null) await client.query(createList);
      const applied = (await readApplied(client)) ?? new Set();
      for (const file of files.filter(({ name }) => !applied.has(name))) {
        assertHeld();
        try {
          const isNews = file.isConcurrent
            ? await runConcurrently(url, client, file, patience, assertHeld)
            : await runInTransaction(client, file, patience);
          if (isNews) ran.push(file.name);
        } catch (error) {
          throw new Error(`Migration failed at ${path.basename(folder)}/${file.name}; what came before it stands`, {
            cause: error,
          });
        }
      }
    });
    return ran;
  });
}

async function runInTransaction(client: Client, file: MigrationFile, patience: LockPatience): Promise<boolean> {
  const text = await file.readText();
  return withLockRetries(client, patience, async () => {
    await client.query("select pg_advisory_xact_lock($1)", [FORMER_LOCK]);
    // First, and as the login, whose the list is: the files take the owner's role on.
    const { rowCount } = await client.query(note, [file.name, new Date().toISOString()]);
    if (rowCount === 0) return false;
    await client.query(text);
    return true;
  });
}

async function runConcurrently(
  url: string,
  client: Client,
  file: MigrationFile,
  patience: LockPatience,
  assertHeld: () => void,
): Promise<boolean> {
  const statements = parseConcurrentStatements(await file.readText());
  // Settings of the connection, as there is no transaction to set them in: a build takes as long as it takes, and waits for
  // transactions that began before it, which holds nobody else off.
  const options = "-c role=mailtally_owner -c statement_timeout=0 -c lock_timeout=0";
  await withClient({ connectionString: url, options, keepAlive: true }, async (builder) => {
    for (const statement of statements) {
      assertHeld();
      if (statement.action === "build") await buildIndex(builder, statement, patience);
      else await dropIndex(builder, statement.name, patience);
    }
  });
  const { rowCount } = await client.query(note, [file.name, new Date().toISOString()]);
  return rowCount !== 0;
}

/** Brings both databases to the newest schema. Safe to run by several programs at once, and again. */
export async function migrateDatabases(options: {
  eventsUrl: string;
  metricsUrl: string;
  log?: Logger;
}): Promise<void> {
  const urls: Record<DatabaseName, string> = { events: options.eventsUrl, metrics: options.metricsUrl };
  for (const database of DATABASE_NAMES) {
    const applied = await migrateDatabase({ folder: migrationFolder(database), url: urls[database] });
    options.log?.info({ database, applied }, applied.length > 0 ? "database migrated" : "database up to date");
  }
}

/** The migrations that a database still lacks. */
export async function pendingMigrations(database: DatabaseName, url: string): Promise<string[]> {
  const files = await readMigrationFiles(migrationFolder(database));
  const applied = await withClient({ connectionString: url }, readApplied);
  return files.map(({ name }) => name).filter((name) => applied?.has(name) !== true);
}

/** Null where no migration ever ran. */
async function readApplied(client: Client): Promise<ReadonlySet<string> | null> {
  const known = await client.query<{ found: boolean }>("select to_regclass('schema_migrations') is not null as found");
  if (known.rows[0]?.found !== true) return null;
  const { rows } = await client.query<{ name: string }>("select name from schema_migrations");
  return new Set(rows.map((row) => row.name));
}

async function withClient<T>(
  config: { readonly connectionString: string; readonly options?: string; readonly keepAlive?: boolean },
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client(config);
  // What breaks the connection also fails the statement in hand.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
