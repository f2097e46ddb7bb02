/** Finds the databases and the secret that a process works with: those of the configuration, else the embedded ones. */
import { type Config, ConfigError } from "./config.js";
import { findDatabaseMixUp } from "./database/database-mix-up.js";
import { DATABASE_NAMES } from "./database/database-name.js";
import { borrowEmbeddedServer, startEmbeddedServer } from "./database/embedded-server.js";
import { migrateDatabases, pendingMigrations } from "./database/migrate.js";
import { whyUnreachable } from "./database/reachability.js";
import { inDataDir } from "./in-data-dir.js";
import { assertSameSecret, wasSecretUsed } from "./installation.js";
import { loadSecret } from "./load-secret.js";
import type { Logger } from "./observability/logger.js";
import { Telemetry } from "./observability/telemetry.js";
import { type DatabaseUrls, openPools } from "./open-pools.js";
import { type Running, type Runtime, secretKeyOf } from "./runtime.js";

export interface OpenOptions {
  readonly config: Config;
  readonly log: Logger;
  /** "program": owns the embedded server, where that is used. "command": shares it with a program that runs. */
  readonly as: "program" | "command";
  /** Brings configured databases to the newest schema too; without it they must be there already. */
  readonly migrate: boolean;
  readonly onFirstStart?: () => void;
  /** Ends the wait for the embedded server: opening then fails with the signal's reason. */
  readonly signal?: AbortSignal;
}

export type Installation = Runtime & Running;

/** Throws ConfigError where the configured databases are out of reach, lack migrations, or another secret was used for them, and where the data folder cannot be used. */
export async function openInstallation(options: OpenOptions): Promise<Installation> {
  const { config, log } = options;
  const configured = config.databases.urls;
  const embedded = configured === null ? await inDataDir(config.dataDir, () => openEmbedded(options)) : null;
  try {
    const urls = configured ?? embedded?.urls;
    if (urls === undefined) throw new Error("Neither databases are configured nor an embedded server runs");
    if (configured !== null) await assertReachable(configured);
    // The embedded databases are the program's own: nobody else migrates them.
    if (options.migrate || embedded !== null) {
      if (configured !== null) await assertNotMixedUp(configured);
      const migrate = () => migrateDatabases({ eventsUrl: urls.events, metricsUrl: urls.metrics, log });
      await (embedded === null ? migrate() : inDataDir(config.dataDir, migrate));
    } else await assertMigrated(urls);
    const secret = secretKeyOf(await settleSecret(urls, config, log));
    return { config, urls, log, telemetry: new Telemetry(), secret, stop: async () => embedded?.stop() };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

async function openEmbedded(options: OpenOptions): Promise<Running & { urls: DatabaseUrls }> {
  const { config, log, as, onFirstStart, signal } = options;
  const open = as === "program" ? startEmbeddedServer : borrowEmbeddedServer;
  const server = await open({
    dataDir: config.dataDir,
    databases: DATABASE_NAMES,
    log,
    ...(onFirstStart !== undefined && { onFirstStart }),
    ...(signal !== undefined && { signal }),
  });
  return { urls: { events: server.url("events"), metrics: server.url("metrics") }, stop: () => server.stop() };
}

async function assertReachable(urls: DatabaseUrls): Promise<void> {
  const faults: string[] = [];
  for (const database of DATABASE_NAMES) {
    const reason = await whyUnreachable(urls[database]);
    if (reason !== null) faults.push(`${database.toUpperCase()}_DATABASE_URL cannot be used: ${reason}`);
  }
  if (faults.length > 0) throw new ConfigError(faults);
}

/** Migrations that ran in the other's database would have to be taken out by hand. */
async function assertNotMixedUp(urls: DatabaseUrls): Promise<void> {
  const mixUp = await findDatabaseMixUp(urls);
  if (mixUp === null) return;
  if (mixUp === "same") {
    throw new ConfigError(["EVENTS_DATABASE_URL and METRICS_DATABASE_URL name one database, and must be two"]);
  }
  const meant = { events: "metrics", metrics: "the event log" };
  throw new ConfigError(
    mixUp.map(
      (database) =>
        `${database.toUpperCase()}_DATABASE_URL names a database that holds ${meant[database]}: are the two swapped?`,
    ),
  );
}

async function assertMigrated(urls: DatabaseUrls): Promise<void> {
  for (const database of DATABASE_NAMES) {
    const pending = await pendingMigrations(database, urls[database]);
    if (pending.length === 0) continue;
    await assertNotMixedUp(urls);
    throw new ConfigError([
      `${database.toUpperCase()}_DATABASE_URL names a database that lacks ${pending.length} migration(s). ` +
        "Run: npm run -s mailtally -- migrate",
    ]);
  }
}

/**
 * The secret, once it is certain that it is this event log's. A new one is on the disk before the event log has its fingerprint: whatever
 * ends the process between the two, the data never belongs to a secret that nobody has.
 */
async function settleSecret(urls: DatabaseUrls, config: Config, log: Logger): Promise<string> {
  const pools = openPools(urls, config, "start", { log, telemetry: new Telemetry() });
  try {
    const secret = await inDataDir(config.dataDir, () => loadSecret(config, () => wasSecretUsed(pools.events)));
    await assertSameSecret(pools.events, secret);
    // Several servers may share databases of one's own, and then must share the secret too.
    if (secret.file !== null && config.databases.urls !== null) {
      log.warn(
        `MAILTALLY_SECRET is not set, so the one kept in ${secret.file} is used. Keep that file as long as the data, and set its ` +
          "content as MAILTALLY_SECRET for every other server and worker",
      );
    }
    return secret.text;
  } finally {
    await pools.stop();
  }
}
