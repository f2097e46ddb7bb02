import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { LANES } from "../../src/events/outbox.js";
import { Partitions } from "../../src/events/partitions.js";
import { dropExpiredPartitions, findExpiredPartitions, retainedFrom } from "../../src/events/retention.js";
import { RetentionFloor } from "../../src/events/retention-floor.js";
import { hashToUuid, type TenantId } from "../../src/ids.js";
import { forgetEventIds } from "../../src/ingest/forget-event-ids.js";
import { InboxWriter } from "../../src/ingest/inbox-writer.js";
import { Intake } from "../../src/ingest/intake.js";
import { Maintenance } from "../../src/ingest/maintenance.js";
import { openSnapshotPair } from "../../src/rollups/verify/snapshot-pair.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { type EpochMicros, formatInstant, instantFromMillis, MICROS_PER_DAY } from "../../src/time/instant.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";

const log = pino({ level: "silent" });
const NOW = instantFromMillis(Date.now());
const DAYS = 60;
const BEFORE = retainedFrom(DAYS, NOW);
const daysAgo = (days: number): EpochMicros => (NOW - days * MICROS_PER_DAY) as EpochMicros;
const OLD = daysAgo(200);
const TABLES = 10;

let pipeline: Pipeline;
let tenantId: TenantId;
beforeEach(async () => {
  pipeline = await startPipeline();
  tenantId = await pipeline.createTenant();
});
afterEach(() => pipeline.stop());

async function ask<Row>(text: string, ...values: readonly unknown[]): Promise<Row[]> {
  const name = `test.ask_${hashToUuid(text).slice(0, 8)}`;
  return writeAsWorker(pipeline.events, (session) =>
    session.run(defineStatement<"events", readonly unknown[], Row>("events", name, text)(...values)),
  );
}

const count = async (table: "sent" | "event_ids" | "recipients" | "recipient_states"): Promise<number> => {
  const [row] = await ask<{ rows: number }>(`select count(*) as rows from ${table} where tenant_id = $1`, tenantId);
  return row?.rows ?? -1;
};
const expired = () => writeAsWorker(pipeline.events, (session) => findExpiredPartitions(session, BEFORE));
const drop = () => dropExpiredPartitions(pipeline.events, BEFORE, { now: NOW, log });

const sent = (recipient: string, occurredAt: EpochMicros, eventId = recipient) => ({
  type: "SENT",
  eventId,
  campaignExternalId: "spring",
  recipient,
  occurredAt: formatInstant(occurredAt),
});

async function accept(...events: ReturnType<typeof sent>[]) {
  const answer = await pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events });
  await pipeline.settled();
  return answer;
}

async function totals() {
  const text = "select sent, unique_sent from campaign_totals where tenant_id = $1";
  const statement = defineStatement<"metrics", [TenantId], { sent: number; unique_sent: number }>(
    "metrics",
    "test.read_sent",
    text,
  );
  return writeAsWorker(pipeline.metrics, (session) => session.run(statement(tenantId)));
}

test("a dry run names the partitions that would go, and changes nothing", async () => {
  await accept(sent("old", OLD), sent("new", NOW));
  const found = await expired();
  const month = formatInstant(OLD).slice(0, 7).replace("-", "_");
  expect(found.map(({ name }) => name)).toContain(`sent_${month}`);
  expect(found).toHaveLength(TABLES);
  for (const { to, bytes } of found) {
    expect(to).toBeLessThanOrEqual(BEFORE);
    expect(bytes).toBeGreaterThan(0);
  }
  expect(await count("sent")).toBe(2);
  expect(await new RetentionFloor(pipeline.events).read()).toBeNull();
});

test("what lies wholly past retention goes, and what shares a month with a younger event stays", async () => {
  const oldest = new Date(BEFORE / 1000);
  const monthOfBefore = instantFromMillis(Date.UTC(oldest.getUTCFullYear(), oldest.getUTCMonth(), 1));
  await accept(sent("old", OLD), sent("in a month that is half past", monthOfBefore), sent("new", NOW));
  const { dropped, left } = await drop();
  expect([dropped.length, left]).toEqual([TABLES, []]);
  expect(await count("sent")).toBe(2);
  expect(await expired()).toEqual([]);
  // The counts, the states and who it was outlive the events.
  expect(await totals()).toEqual([{ sent: 3, unique_sent: 3 }]);
  expect([await count("recipient_states"), await count("recipients"), await count("event_ids")]).toEqual([3, 3, 3]);
});

test("a long reader holds up no writer: the drop gives up at once, and comes through when the reader has ended", async () => {
  await accept(sent("old", OLD), sent("new", NOW));
  const reader = await openSnapshotPair(pipeline);
  const waits: number[] = [];
  const writing = new AbortController();
  const writer = (async () => {
    // The table that is tried first.
    const text = `insert into bounced (tenant_id, id, event_id, campaign_id, recipient_key, occurred_at, received_at,
        receipt_id, bounce_class)
      values ($1, gen_random_uuid(), 'e', gen_random_uuid(), gen_random_uuid(), $2, $2, gen_random_uuid(), 'HARD')`;
    while (!writing.signal.aborted) {
      const started = performance.now();
      await ask(text, tenantId, formatInstant(NOW));
      waits.push(performance.now() - started);
    }
  })();
  try {
    const started = performance.now();
    const { dropped, left } = await drop();
    const tookMs = performance.now() - started;
    expect([dropped, left.length]).toEqual([[], TABLES]);
    // Three tables were tried, for a fifth of a second each; a writer waited for one of them.
    expect(tookMs).toBeLessThan(2_000);
    expect(waits.length).toBeGreaterThan(5);
    expect(Math.max(...waits)).toBeGreaterThan(100);
    expect(Math.max(...waits)).toBeLessThan(1_000);
    process.stdout.write(
      `a drop that a reader holds up gave up after ${tookMs.toFixed(0)} ms; ` +
        `of ${waits.length} writers meanwhile the slowest took ${Math.max(...waits).toFixed(0)} ms\n`,
    );
  } finally {
    writing.abort();
    await writer;
    await reader.end();
  }
  expect((await drop()).left).toEqual([]);
  expect(await expired()).toEqual([]);
});

test("maintenance of several workers at once, while events come in, neither fails nor loses nor repeats anything", async () => {
  const months = [100, 130, 160, 190, 220];
  await accept(...months.map((days) => sent(`old ${days}`, daysAgo(days))));
  const lines: string[] = [];
  const collecting = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const workers = Array.from({ length: 3 }, () => {
    const { events, metrics } = pipeline;
    const partitions = new Partitions(events);
    const eventRetentionDays = DAYS;
    return new Maintenance({ events, metrics, partitions, eventRetentionDays, now: () => NOW, log: collecting });
  });
  const round = async (recipient: number): Promise<void> => {
    await Promise.all([
      ...workers.map((worker) => worker.run()),
      pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events: [sent(`new ${recipient}`, NOW)] }),
    ]);
  };
  let rounds = 0;
  // Whoever finds another one at it leaves the rest to the next round.
  do await round(++rounds);
  while (rounds < 20 && (await expired()).length > 0);
  await pipeline.settled();
  expect(await expired()).toEqual([]);
  const dropped = lines.flatMap((line) => (JSON.parse(line) as { partition?: string }).partition ?? []);
  expect(new Set(dropped).size).toBe(months.length * TABLES);
  expect(dropped).toHaveLength(months.length * TABLES);
  expect(await count("sent")).toBe(rounds);
  expect(await totals()).toMatchObject([{ sent: months.length + rounds }]);
});

test("an event of a dropped month that had waited is recorded once, and its partition goes again", async () => {
  await accept(sent("old", OLD), sent("new", NOW));
  await drop();
  // This intake asked before the drop, and believes its answer for a minute: it accepts what servers accepted before.
  expect(await accept(sent("old", OLD), sent("late", OLD))).toMatchObject({ acceptedCount: 2 });
  expect([await count("sent"), await totals()]).toEqual([2, [{ sent: 3, unique_sent: 3 }]]);
  expect((await drop()).dropped).toHaveLength(TABLES);
  await accept(sent("old", OLD), sent("late", OLD));
  expect([await count("sent"), await totals()]).toEqual([1, [{ sent: 3, unique_sent: 3 }]]);
});

test("intake that learns of the drop refuses what lies before it, whatever it is told to retain", async () => {
  await accept(sent("old", OLD), sent("new", NOW));
  await drop();
  let clock = 0;
  const { events, campaigns, recipientKeys } = pipeline;
  const floor = new RetentionFloor(events, () => clock);
  const { limits } = pipeline.intake;
  const inbox = new InboxWriter(events);
  const intake = new Intake({ campaigns, inbox, recipientKeys, floor, limits, now: () => NOW });
  const offer = () => intake.accept({ tenantId, lane: LANES.LIVE, events: [sent("x", OLD), sent("y", NOW)] });
  expect(limits.eventRetentionDays).toBeNull();
  expect(await offer()).toMatchObject({ acceptedCount: 1, refused: [{ index: 0, code: "TOO_OLD" }] });
  const known = await floor.read();

  await pipeline.settled();
  await new Partitions(events).ensureFor([daysAgo(70)]);
  await dropExpiredPartitions(events, retainedFrom(10, NOW), { now: NOW, log });
  expect(await floor.read()).toBe(known);
  clock += 60_001;
  expect(await floor.read()).toBeGreaterThan(known ?? 0);
  await inbox.stop();
});

test("ids are forgotten a day after the drop, once nothing older waits, and those of kept events never", async () => {
  await accept(sent("old", OLD), sent("new", NOW));
  const forget = (now: EpochMicros) => forgetEventIds(pipeline.events, { now, blocksAtATime: 1 });
  const tomorrow = (NOW + MICROS_PER_DAY + 1) as EpochMicros;
  expect(await forget(tomorrow)).toBe(false);
  await drop();
  expect(await forget(NOW)).toBe(false);

  const addLetter = `insert into dead_letters
      (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error)
    values ($1, gen_random_uuid(), gen_random_uuid(), 1, 1, '[]', $2, $2, 'broken')`;
  await ask(addLetter, tenantId, formatInstant(NOW));
  expect(await forget(tomorrow)).toBe(false);
  await ask("delete from dead_letters where tenant_id = $1", tenantId);

  // Of a format that no worker here claims: it waits.
  const addCall = `insert into inbox (tenant_id, lane, receipt_id, format, event_count, received_at, payload)
    values ($1, 0, gen_random_uuid(), 32000, 1, $2, '[]')`;
  await ask(addCall, tenantId, formatInstant(NOW));
  expect(await forget(tomorrow)).toBe(false);
  await ask("delete from inbox where tenant_id = $1", tenantId);

  await new Partitions(pipeline.events).ensureFor([OLD]);
  expect(await forget(tomorrow)).toBe(false);
  await drop();

  expect(await count("event_ids")).toBe(2);
  expect(await forget(tomorrow)).toBe(true);
  expect(await ask("select occurred_at as at from event_ids where tenant_id = $1", tenantId)).toEqual([{ at: NOW }]);
  expect(await forget(tomorrow)).toBe(false);
});

test.each([1, 3_650])("a worker whose clock is %i days ahead drops nothing", async (days) => {
  await accept(sent("old", OLD), sent("new", NOW));
  const ahead = (NOW + days * MICROS_PER_DAY) as EpochMicros;
  const dropping = dropExpiredPartitions(pipeline.events, retainedFrom(DAYS, ahead), { now: ahead, log });
  await expect(dropping).rejects.toThrow(/is ahead of the database's/);
  expect(await count("sent")).toBe(2);
});

test("a retention of no time is refused by the database, whatever asks for it", async () => {
  await accept(sent("new", NOW));
  const dropping = dropExpiredPartitions(pipeline.events, daysAgo(-40), { now: NOW, log });
  await expect(dropping).rejects.toThrow(/events may be dropped that are over/);
  expect(await count("sent")).toBe(1);
});

test("a step of the maintenance that fails does not keep the others from their work", async () => {
  await accept(sent("old", OLD), sent("new", NOW));
  const { events, metrics } = pipeline;
  const revoke = defineStatement<"events", [], never>(
    "events",
    "test.revoke",
    "revoke execute on function ensure_event_partitions(timestamptz) from mailtally_worker",
  );
  await pipeline.asOwner(revoke());
  const partitions = new Partitions(events);
  const options = { events, metrics, partitions, eventRetentionDays: DAYS, now: () => NOW, log };
  await expect(new Maintenance(options).run()).rejects.toThrow(/permission denied/);
  expect(await expired()).toEqual([]);
  expect(await count("sent")).toBe(1);
});

test("nobody but the worker's role may drop, and only what was declared", async () => {
  await accept(sent("old", OLD), sent("new", NOW));
  const [partition] = await expired();
  const one = `select drop_event_partition('${partition?.name}') as outcome`;
  expect(await ask(one)).toEqual([{ outcome: "GONE" }]);
  expect(await expired()).toHaveLength(TABLES);
  for (const call of [one, "select declare_events_dropped(now() - interval '60 days', now())"]) {
    const statement = defineStatement<"events", [], never>("events", `test.${hashToUuid(call).slice(0, 8)}`, call);
    const asApi = writeAsTenant(pipeline.events, tenantId, (session) => session.run(statement()));
    await expect(asApi).rejects.toThrow(/permission denied/);
  }
});
