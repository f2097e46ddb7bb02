import { copyFile } from "node:fs/promises";
import path from "node:path";
import { Client } from "pg";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { readConfig } from "../../src/config.js";
import { migrateDatabase, migrateDatabases, pendingMigrations } from "../../src/database/migrate.js";
import { migrationFolder, readMigrationFiles } from "../../src/database/migration-files.js";
import { hashToUuid, type TenantId } from "../../src/ids.js";
import { Telemetry } from "../../src/observability/telemetry.js";
import { openPools } from "../../src/open-pools.js";
import { rebuildRollups } from "../../src/rollups/rebuild/rebuild.js";
import { verifyRollups } from "../../src/rollups/verify/verify.js";
import { type Runtime, secretKeyOf, systemClock } from "../../src/runtime.js";
import { work } from "../../src/work.js";
import { cleanUpAfterEach, migrationsOf } from "../database/migration-scene.js";
import { createEmptyDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";

cleanUpAfterEach();
let databases: TestDatabases | undefined;
afterEach(async () => {
  await databases?.drop();
  databases = undefined;
});

const ZONE = "Europe/Berlin";
const idOf = (what: string): string => hashToUuid(what);
const TENANT = idOf("tenant") as TenantId;

const files = {
  events: await readMigrationFiles(migrationFolder("events")),
  metrics: await readMigrationFiles(migrationFolder("metrics")),
};
/** Both databases at their first n migrations, or all that there are. */
const prefixes = Array.from(
  { length: Math.max(files.events.length, files.metrics.length) - 1 },
  (_, index) => index + 1,
);

async function migrateTo(database: "events" | "metrics", url: string, count: number): Promise<void> {
  const folder = await migrationsOf({});
  for (const { name } of files[database].slice(0, count)) {
    await copyFile(path.join(migrationFolder(database), `${name}.sql`), path.join(folder, `${name}.sql`));
  }
  await migrateDatabase({ folder, url });
}

/** What a program of that time may have left, as far as there were tables for it. */
async function fill(url: string, rows: Readonly<Record<string, string>>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("begin; set local timezone = 'UTC'");
    for (const [table, statement] of Object.entries(rows)) {
      const { rows: found } = await client.query<{ is_there: boolean }>(
        "select has_table_privilege('mailtally_worker', to_regclass($1), 'insert') as is_there",
        [table],
      );
      if (found[0]?.is_there !== true) continue;
      await client.query(`set local role mailtally_worker; ${statement}; set local role none`);
    }
    await client.query("commit");
  } finally {
    await client.end();
  }
}

const inLog = `'${TENANT}', '${idOf("event")}', 'in the log', '${idOf("campaign")}', '${idOf("ann")}', null,
  '2026-11-01 10:00', '2026-11-01 10:00', '${idOf("receipt")}', null`;

const inInbox = ["SENT", "CLICKED", "CLICKED"].map((type, n) => ({
  key: idOf(`event ${n}`),
  eventId: `waiting ${n}`,
  type,
  campaignId: idOf("campaign"),
  recipientKey: idOf(n === 1 ? "ann" : "bob"),
  address: n === 1 ? "ann@example.org" : "bob@example.org",
  occurredAt: Date.UTC(2026, 10, 2, 9, n) * 1000,
  ...(type === "CLICKED" && { url: "https://example.org/", traffic: "HUMAN" }),
}));

const EVENT_ROWS = {
  campaign_identities: `insert into campaign_identities (tenant_id, campaign_id, external_id, created_at)
    values ('${TENANT}', '${idOf("campaign")}', 'spring', '2026-11-01 09:00')`,
  sent: `select ensure_event_partitions('2026-11-01 10:00'); insert into sent values (${inLog})`,
  clicked: `insert into clicked values (${inLog}, 'https://example.org/', 'HUMAN')`,
  recipient_states: `insert into recipient_states values ('${TENANT}', '${idOf("campaign")}', '${idOf("ann")}', '2026-11-01 10:00',
      '2026-11-01 10:00', null, null, null, null, null, null, '2026-11-01 10:00', '2026-11-01 10:00', null, null, null, null,
      1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0)`,
  campaign_links: `insert into campaign_links select '${TENANT}', '${idOf("campaign")}',
      left(encode(sha256(convert_to('https://example.org/', 'UTF8')), 'hex'), 32)::uuid, 'https://example.org/'`,
  link_recipients: `insert into link_recipients (tenant_id, campaign_id, link_key, recipient_key, human)
      select tenant_id, campaign_id, link_key, '${idOf("ann")}', true from campaign_links`,
  inbox: `insert into inbox (tenant_id, lane, receipt_id, format, event_count, payload, received_at)
      values ('${TENANT}', 0, '${idOf("waiting receipt")}', 1, ${inInbox.length}, '${JSON.stringify(inInbox)}', '2026-11-02 10:00')`,
};

const METRICS_ROWS = {
  tenants: `insert into tenants (id, slug, name, time_zone, rollup_time_zone, created_at)
    values ('${TENANT}', 'acme', 'Acme', '${ZONE}', '${ZONE}', '2026-11-01') on conflict (id) do nothing`,
  tenant_versions: `insert into tenant_versions values ('${TENANT}', 1) on conflict (tenant_id) do nothing`,
  campaigns: `insert into campaigns (tenant_id, id, external_id, name, created_at, updated_at, identity_revision)
    values ('${TENANT}', '${idOf("campaign")}', 'spring', 'Spring', '2026-11-01 09:00', '2026-11-01 09:00', 1)
    on conflict (tenant_id, id) do nothing`,
};

async function drain<T>(steps: AsyncGenerator<unknown, T, undefined>): Promise<{ found: unknown[]; summary: T }> {
  const found: unknown[] = [];
  for (;;) {
    const step = await steps.next();
    if (step.done === true) return { found, summary: step.value };
    found.push(step.value);
  }
}

test.each(prefixes)(
  "from the first %i migrations, with rows, to the newest: what waits is recorded, and verify is clean",
  async (n) => {
    databases = await createEmptyDatabases();
    const { eventsUrl, metricsUrl } = databases;
    await migrateTo("events", eventsUrl, n);
    await migrateTo("metrics", metricsUrl, n);
    await fill(eventsUrl, EVENT_ROWS);
    await fill(metricsUrl, METRICS_ROWS);

    await migrateDatabases({ eventsUrl, metricsUrl });
    expect([await pendingMigrations("events", eventsUrl), await pendingMigrations("metrics", metricsUrl)]).toEqual([
      [],
      [],
    ]);
    await fill(metricsUrl, METRICS_ROWS);

    const config = readConfig({
      EVENTS_DATABASE_URL: eventsUrl,
      METRICS_DATABASE_URL: metricsUrl,
      WORKER_POLL_MS: "5",
    });
    const log = pino({ level: process.env["TEST_LOG_LEVEL"] ?? "silent" });
    const urls = { events: eventsUrl, metrics: metricsUrl };
    const runtime: Runtime = { config, urls, log, secret: secretKeyOf("a secret"), telemetry: new Telemetry() };
    const working = work(runtime);
    const pools = openPools(urls, config, "test", { log, telemetry: new Telemetry() });
    const client = new Client({ connectionString: eventsUrl });
    try {
      await client.connect();
      await waitFor(
        async () => {
          await client.query("begin; set local role mailtally_worker");
          const { rows } = await client.query<{ waiting: boolean }>(
            "select exists (select from inbox) or exists (select from outbox) as waiting",
          );
          await client.query("commit");
          return rows[0]?.waiting === false;
        },
        { what: "inbox and outbox to be empty" },
      );
      await drain(rebuildRollups(pools, { tenantId: TENANT }, { now: systemClock }));
      const { found, summary } = await drain(verifyRollups(pools, { tenantId: TENANT }));
      expect(found).toEqual([]);
      const hadInbox = files.events.slice(0, n).some(({ name }) => name.endsWith("_policies"));
      expect(summary.events).toBe(hadInbox ? 2 + inInbox.length : 0);
    } finally {
      await client.end();
      await working.stop();
      await pools.stop();
    }
  },
);
