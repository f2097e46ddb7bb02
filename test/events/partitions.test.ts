import { Client } from "pg";
import { afterEach, expect, test } from "vitest";
import { EVENT_TYPES } from "../../src/events/event.js";
import { EVENT_TABLE_NAMES } from "../../src/events/event-tables.js";
import { LANES } from "../../src/events/outbox.js";
import { Partitions } from "../../src/events/partitions.js";
import type { TenantId } from "../../src/ids.js";
import { type EpochMicros, instantFromMillis } from "../../src/time/instant.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";
import { waitFor } from "../support/wait-for.js";

let pipeline: Pipeline;
afterEach(() => pipeline.stop());

async function withClient<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: pipeline.databases.eventsUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** One of each type, at this time. */
async function acceptTen(tenantId: TenantId, occurredAt: string): Promise<void> {
  const carried: Record<string, object> = {
    BOUNCED: { bounceClass: "HARD" },
    CLICKED: { url: "https://example.org/" },
  };
  const events = EVENT_TYPES.map((type) => ({
    type,
    campaignExternalId: "spring",
    recipient: "ann@example.com",
    occurredAt,
    ...carried[type],
  }));
  const answer = await pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events });
  expect(answer).toMatchObject({ acceptedCount: EVENT_TYPES.length, refused: [] });
}

async function countEvents(): Promise<number> {
  const text = EVENT_TABLE_NAMES.map((table) => `select count(*)::int as rows from ${table}`).join(" union all ");
  const { rows } = await withClient(async (client) => {
    await client.query("begin; set local role mailtally_worker");
    return client.query<{ rows: number }>(text);
  });
  return rows.reduce((sum, row) => sum + row.rows, 0);
}

async function countDead(): Promise<number> {
  return withClient(async (client) => {
    await client.query("begin; set local role mailtally_worker");
    return (await client.query("select from dead_letters")).rowCount ?? -1;
  });
}

test("whoever races to make the same partitions, each is made once and nobody fails", async () => {
  pipeline = await startPipeline({ workers: 3 });
  const tenantId = await pipeline.createTenant();
  const months = Array.from({ length: 6 }, (_, month) => (Date.UTC(2025, month, 3) * 1000) as EpochMicros);
  await Promise.all([
    ...Array.from({ length: 6 }, () => new Partitions(pipeline.events).ensureFor(months)),
    ...Array.from({ length: 3 }, () =>
      new Partitions(pipeline.events).ensureAhead(instantFromMillis(Date.UTC(2025, 4, 1))),
    ),
    ...["2025-01-09T00:00:00Z", "2025-03-09T00:00:00Z", "2025-06-09T00:00:00Z"].map((at) => acceptTen(tenantId, at)),
  ]);
  await pipeline.settled();
  const { rows } = await withClient((client) =>
    client.query<{ event_table: string; bounds: string }>(
      "select event_table, string_agg(lower_bound::text, ',' order by lower_bound) as bounds from event_partitions() group by 1",
    ),
  );
  expect(rows).toHaveLength(EVENT_TABLE_NAMES.length);
  expect(new Set(rows.map(({ bounds }) => bounds)).size).toBe(1);
  expect([await countEvents(), await countDead()]).toEqual([30, 0]);
});

/** Somebody drops the partitions by hand, right after the worker has made sure that they are there. */
class DroppedMeanwhile extends Partitions {
  drops = 3;

  override async ensureFor(moments: Iterable<EpochMicros>): Promise<void> {
    await super.ensureFor(moments);
    if (this.drops === 0) return;
    this.drops -= 1;
    const tables = EVENT_TABLE_NAMES.map((table) => `${table}_2025_03, ${table}_2025`).join(", ");
    await withClient((client) => client.query(`drop table if exists ${tables}`));
  }
}

test("a partition that vanishes in the middle of a batch loses nothing, buries nothing and repeats nothing", async () => {
  let partitions: DroppedMeanwhile | undefined;
  pipeline = await startPipeline({ partitions: (events) => (partitions = new DroppedMeanwhile(events)) });
  const tenantId = await pipeline.createTenant();
  await acceptTen(tenantId, "2025-03-09T00:00:00Z");
  await pipeline.settled();
  expect(partitions?.drops).toBe(0);
  expect([await countEvents(), await countDead()]).toEqual([10, 0]);
});

test("events whose partition cannot be made hold nobody else's up, and count once it is there", async () => {
  pipeline = await startPipeline();
  const [archived, other] = [await pipeline.createTenant(), await pipeline.createTenant()];
  await new Partitions(pipeline.events).ensureFor([(Date.UTC(2025, 2, 3) * 1000) as EpochMicros]);
  // Its name is taken by a table that holds none of the log's events any more.
  await withClient((client) => client.query("alter table sent detach partition sent_2025_03"));
  await acceptTen(archived, "2025-03-09T00:00:00Z");
  await acceptTen(other, "2026-10-09T00:00:00Z");
  await waitFor(async () => (await countEvents()) === 19, { what: "all others to count" });
  expect(await countDead()).toBe(0);
  await withClient((client) => client.query("drop table sent_2025_03"));
  await pipeline.settled();
  expect([await countEvents(), await countDead()]).toEqual([20, 0]);
});
