import { Client } from "pg";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { Pool } from "../../src/database/pool.js";
import { Partitions } from "../../src/events/partitions.js";
import { Maintenance } from "../../src/ingest/maintenance.js";
import { systemClock } from "../../src/runtime.js";
import { createTestDatabases } from "../support/test-databases.js";

/** So many of each, two of them expired for a day and one for an hour. */
const EXPIRED = {
  receipts: `insert into receipts
    select gen_random_uuid(), gen_random_uuid(), 'APPLIED', now(), now() - interval '7 days' - age, 1, 0`,
  dead_letters: `insert into dead_letters
      (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error, discarded_at)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 1, 'null', now(), now(), '', now() - interval '7 days' - age`,
  idempotency_keys: `insert into idempotency_keys
    select gen_random_uuid(), 'key', gen_random_uuid(), 'null', now() - interval '24 hours' - age`,
  applied_messages: `insert into applied_messages
    select gen_random_uuid(), gen_random_uuid(), now() - interval '24 hours' - age`,
} as const;
const AGES = "from unnest(array['1 day', '1 day', '1 hour']::interval[]) as age";
const NEWEST = {
  receipts: "applied_at",
  dead_letters: "discarded_at",
  idempotency_keys: "created_at",
  applied_messages: "applied_at",
} as const;
const TABLES = Object.keys(EXPIRED) as (keyof typeof EXPIRED)[];

test("what the upkeep has deleted stays deleted, though it cannot delete all", async () => {
  const databases = await createTestDatabases();
  const log = pino({ level: "silent" });
  // Whoever waits fails, as one does whose answer takes too long.
  const impatient = (url: string) => `${url}?options=${encodeURIComponent("-c lock_timeout=50ms")}`;
  const shared = { maxConnections: 2, waitTimeoutMs: 10_000, preparedStatements: true, log };
  const events = new Pool({ database: "events", url: impatient(databases.eventsUrl), ...shared });
  const metrics = new Pool({ database: "metrics", url: impatient(databases.metricsUrl), ...shared });
  const clients = {
    events: new Client({ connectionString: databases.eventsUrl }),
    metrics: new Client({ connectionString: databases.metricsUrl }),
  };
  onTestFinished(async () => {
    await Promise.all([events.stop(), metrics.stop(), clients.events.end(), clients.metrics.end()]);
    await databases.drop();
  });
  const clientOf = (table: keyof typeof EXPIRED) => (table === "applied_messages" ? clients.metrics : clients.events);
  for (const client of Object.values(clients)) {
    await client.connect();
    await client.query("set role mailtally_worker");
  }
  for (const table of TABLES) await clientOf(table).query(`${EXPIRED[table]} ${AGES}`);
  for (const client of Object.values(clients)) await client.query("begin");
  for (const table of TABLES) {
    await clientOf(table).query(`select from ${table} order by ${NEWEST[table]} desc limit 1 for update`);
  }
  const partitions = new Partitions(events);
  const options = { events, metrics, partitions, eventRetentionDays: null, now: systemClock, log, rowsAtATime: 1 };
  const left = async () => {
    const counts: number[] = [];
    for (const table of TABLES) {
      const { rows } = await clientOf(table).query<{ count: number }>(`select count(*)::int as count from ${table}`);
      counts.push(rows[0]?.count ?? -1);
    }
    return counts;
  };

  await expect(new Maintenance(options).run()).rejects.toThrow(`${TABLES.length} steps of the maintenance failed`);
  expect(await left()).toEqual([1, 1, 1, 1]);
  for (const client of Object.values(clients)) await client.query("rollback");
  await new Maintenance(options).run();
  expect(await left()).toEqual([0, 0, 0, 0]);
});
