import * as fc from "fast-check";
import { pino } from "pino";
import { expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import type { AcceptedEvent } from "../../src/events/event.js";
import { EVENT_TABLES } from "../../src/events/event-tables.js";
import { type Lane, LANES } from "../../src/events/outbox.js";
import { Partitions } from "../../src/events/partitions.js";
import { type EventKey, type ReceiptId, type TenantId, uuidv7 } from "../../src/ids.js";
import { appendToInbox } from "../../src/ingest/inbox.js";
import { writePayload } from "../../src/ingest/inbox-payload.js";
import { Worker } from "../../src/ingest/worker.js";
import { Projector } from "../../src/rollups/projector.js";
import { rebuildRollups } from "../../src/rollups/rebuild/rebuild.js";
import { ROLLUP_TABLES, type RollupTable } from "../../src/rollups/rollup-tables.js";
import { verifyRollups } from "../../src/rollups/verify/verify.js";
import { runAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { PROPERTY_RUNS, PROPERTY_TIMEOUT_MS } from "../support/property-runs.js";
import { waitFor } from "../support/wait-for.js";
import { CAMPAIGNS_OF_A_HISTORY, eventOf, type History, historyOf } from "./histories.js";
import {
  addRecord,
  type CountedEvent,
  disagreements,
  occurrencesOf,
  OTHER_LINKS,
  plainRollups,
  type RollupRecord,
  type Sums,
} from "./plain-count.js";
import { createTenant, providePools, type TestTenant } from "./rollup-scene.js";

// Through the real inbox, workers, log, outbox, projectors and tables. Fifty histories go through at a time, each a tenant's
// own: they share batches and messages' transactions as tenants do, and a history costs a fiftieth of the waiting.

const pools = providePools();
const HISTORIES_AT_A_TIME = 50;
const MAX_LINKS = 2;
/** Every so-manieth history's rollups are emptied and rebuilt as well, which takes longer than all else. */
const HISTORIES_PER_REBUILD = 10;
const log = pino({ level: process.env["TEST_LOG_LEVEL"] ?? "silent" });
const now = () => instantFromMillis(Date.now());

/** A history with the tenant it happens to. */
interface Lived extends History, TestTenant {
  readonly calls: readonly (readonly AcceptedEvent[])[];
}

/** Programs of one run, side by side. */
interface Crew {
  /** The most events that each worker takes at a time. */
  readonly workers: readonly number[];
  readonly projectors: number;
  /** Of each call that comes, over and over. */
  readonly lanes: readonly Lane[];
  /** So many calls come while they work; the rest waits for them. */
  readonly callsInTurn: number;
}

/** Starts the programs, does what there is to do, and stops them when nothing waits any more. */
async function whileWorking({ workers, projectors }: Crew, work: () => Promise<void>): Promise<void> {
  const options = { events: pools.events, pollMs: 3, now, log };
  const started = [
    ...workers.map(
      (maxEventsPerBatch) =>
        new Worker({
          ...options,
          partitions: new Partitions(pools.events),
          concurrency: 1,
          maxEventsPerBatch,
          maxLinksPerCampaign: MAX_LINKS,
          retries: { maxAttempts: 1, firstDelayMs: 5, maxDelayMs: 5 },
        }),
    ),
    ...Array.from({ length: projectors }, () => new Projector({ ...options, metrics: pools.metrics })),
  ];
  try {
    await work();
    await settled();
  } finally {
    await Promise.all(started.map((program) => program.stop()));
  }
}

async function deliver({ tenantId }: TestTenant, payload: readonly AcceptedEvent[], lane: Lane): Promise<void> {
  const entry = { receiptId: uuidv7() as ReceiptId, lane, eventCount: payload.length, receivedAt: now() };
  await runAsTenant(pools.events, tenantId, appendToInbox(tenantId, [{ ...entry, payload: writePayload(payload) }]));
}

const countPending = defineStatement<"events", [], { pending: number }>(
  "events",
  "test.count_pending",
  "select (select count(*) from inbox) + (select count(*) from outbox) as pending",
);
const countDead = defineStatement<"events", [], { dead: number }>(
  "events",
  "test.count_dead",
  "select count(*) as dead from dead_letters",
);

async function settled(): Promise<void> {
  await waitFor(
    async () => (await writeAsWorker(pools.events, (session) => session.run(countPending())))[0]?.pending === 0,
    { what: "inbox and outbox to be empty", deadlineMs: 30_000 },
  );
}

type LoggedEvent = CountedEvent & { readonly tenantId: TenantId; readonly key: EventKey };

const readLog = defineStatement<"events", [readonly TenantId[]], LoggedEvent>(
  "events",
  "test.read_log",
  Object.values(EVENT_TABLES)
    .map(({ name, type, details }) => {
      const own = new Set(details.map(({ column }) => column));
      const detail = (column: string, as: string) => `${own.has(column) ? `${column}::text` : "null"} as "${as}"`;
      return `select tenant_id as "tenantId", id as key, '${type}' as type, campaign_id as "campaignId",
        recipient_key as "recipientKey", occurred_at as "occurredAt", ${detail("traffic", "traffic")},
        ${detail("bounce_class", "bounceClass")}, ${detail("url", "url")}, ${detail("amount", "amount")},
        ${detail("currency", "currency")}
      from ${name} where tenant_id = any ($1::uuid[])`;
    })
    .join(" union all "),
);

/** What the log holds of tenants, without the nulls. */
async function loggedEvents(tenantIds: readonly TenantId[]): Promise<Map<TenantId, LoggedEvent[]>> {
  const rows = await writeAsWorker(pools.events, (session) => session.run(readLog(tenantIds)));
  const events = rows.map(
    (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as LoggedEvent & object,
  );
  return Map.groupBy(events, ({ tenantId }) => tenantId);
}

const readLinks = defineStatement<
  "events",
  [readonly TenantId[]],
  { tenant_id: TenantId; campaign_id: string; url: string }
>(
  "events",
  "test.read_links",
  "select tenant_id, campaign_id, url from campaign_links where tenant_id = any ($1::uuid[])",
);

type TenantRecord = RollupRecord & { readonly tenant_id: TenantId };
const readRollup = (Object.keys(ROLLUP_TABLES) as RollupTable[]).map((table) => ({
  table,
  read: defineStatement<"metrics", [readonly TenantId[]], TenantRecord>(
    "metrics",
    `test.read_${table}`,
    `select * from ${table} where tenant_id = any ($1::uuid[])`,
  ),
}));

const emptyRollup = (Object.keys(ROLLUP_TABLES) as RollupTable[]).map((table) =>
  defineStatement<"metrics", [readonly TenantId[]], never>(
    "metrics",
    `test.empty_${table}`,
    `delete from ${table} where tenant_id = any ($1::uuid[])`,
  ),
);

/** Where the live rollups are not what a rebuild makes of nothing but the log. */
async function rebuildFaults(tenantIds: readonly TenantId[], live: ReadonlyMap<TenantId, Sums>): Promise<string[]> {
  await writeAsWorker(pools.metrics, async (session) => {
    for (const empty of emptyRollup) await session.run(empty(tenantIds));
  });
  for (const tenantId of tenantIds) {
    for await (const _ of rebuildRollups(pools, { tenantId }, { now }));
  }
  const rebuilt = await rollupsOf(tenantIds);
  return tenantIds.flatMap((id) =>
    disagreements(live.get(id)!, rebuilt.get(id)!).map((line) => `rebuild of ${id}: ${line}`),
  );
}

async function rollupsOf(tenantIds: readonly TenantId[]): Promise<Map<TenantId, Sums>> {
  const sums = new Map(tenantIds.map((id) => [id, new Map<string, bigint>()]));
  await writeAsWorker(pools.metrics, async (session) => {
    for (const { table, read } of readRollup) {
      for (const record of await session.run(read(tenantIds))) addRecord(sums.get(record.tenant_id)!, table, record);
    }
  });
  return sums;
}

/** What an event says, whoever wrote it down. */
function contentOf(event: CountedEvent): string {
  const { type, campaignId, recipientKey, occurredAt, traffic, bounceClass, url, amount, currency } = event;
  return JSON.stringify([type, campaignId, recipientKey, occurredAt, traffic, bounceClass, url, amount, currency]);
}

/** A few at a time, as the pools have connections. */
async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
    }),
  );
}

/** Everything that is wrong with how these histories were recorded and counted, as lines. */
async function faultsOf(histories: readonly History[], crew: Crew): Promise<string[]> {
  const lived: Lived[] = [];
  await forEach(histories, async (history) => {
    const tenant = await createTenant(pools, history.zone, CAMPAIGNS_OF_A_HISTORY);
    const calls = history.batches.map((batch) => batch.map((plan) => eventOf(plan, tenant.campaignIds)));
    lived.push({ ...history, ...tenant, calls });
  });
  const tenantIds = lived.map(({ tenantId }) => tenantId);

  const deliverCalls = async (first: number, after: number) => {
    for (let turn = first; turn < after; turn++) {
      const some = lived.filter(({ calls }) => turn < calls.length);
      await forEach(some, (one) =>
        deliver(one, one.calls[turn] ?? [], crew.lanes[turn % crew.lanes.length] ?? LANES.LIVE),
      );
    }
  };
  // One call of each is recorded by itself, so that it is known what came first.
  await whileWorking(crew, () => deliverCalls(0, 1));
  const early = await loggedEvents(tenantIds);
  await whileWorking(crew, () => deliverCalls(1, crew.callsInTurn));
  // What waits before they begin is taken up by all of them at once: they meet in the states that are there by now.
  await deliverCalls(crew.callsInTurn, Math.max(...lived.map(({ calls }) => calls.length)));
  await whileWorking(crew, () => Promise.resolve());

  const logged = await loggedEvents(tenantIds);
  const found = await rollupsOf(tenantIds);
  const links = await writeAsWorker(pools.events, (session) => session.run(readLinks(tenantIds)));
  const faults: string[] = [];
  await forEach(lived, async (one) => {
    const own = logged.get(one.tenantId) ?? [];
    const verified: string[] = [];
    for await (const difference of verifyRollups(pools, { tenantId: one.tenantId })) {
      verified.push(`verify: ${JSON.stringify(difference)}`);
    }
    const ownLinks = links.filter(({ tenant_id: id }) => id === one.tenantId);
    const lines = [
      ...logFaults(one, own, early.get(one.tenantId) ?? []),
      ...linkFaults(own, ownLinks),
      ...disagreements(expectedOf(one, own, ownLinks), found.get(one.tenantId)!),
      ...verified,
    ];
    if (lines.length > 0) faults.push(`history ${lived.indexOf(one)}: ${fc.stringify(one.batches)}`, ...lines);
  });
  const rebuilt = tenantIds.filter((_, index) => index % HISTORIES_PER_REBUILD === 0);
  return [...faults, ...(await rebuildFaults(rebuilt, found))];
}

type Link = { readonly campaign_id: string; readonly url: string };

function expectedOf({ zone }: Lived, events: readonly LoggedEvent[], links: readonly Link[]): Sums {
  const byCampaign = Map.groupBy(events, ({ campaignId }) => campaignId);
  const occurrences = Array.from(byCampaign, ([campaignId, own]) => {
    const kept = new Set(links.filter((link) => link.campaign_id === campaignId).map(({ url }) => url));
    return occurrencesOf(own, (url) => (kept.has(url) ? url : OTHER_LINKS));
  }).flat();
  return plainRollups(occurrences, zone);
}

/** Every id is in the log once, with one of the contents that were sent under it, and the first one recorded stays. */
function logFaults({ calls }: Lived, events: readonly LoggedEvent[], early: readonly LoggedEvent[]): string[] {
  const sent = Map.groupBy(calls.flat(), ({ key }) => key);
  const logged = new Map(events.map((event) => [event.key, contentOf(event)]));
  const firstOfAll = new Map((calls[0] ?? []).toReversed().map((event) => [event.key, contentOf(event)]));
  const recordedEarly = new Map(early.map((event) => [event.key, contentOf(event)]));
  return [
    ...(events.length === sent.size ? [] : [`the log holds ${events.length} events of ${sent.size} ids`]),
    ...Array.from(sent, ([key, contents]) =>
      contents.some((event) => contentOf(event) === logged.get(key)) ? [] : [`${key} is not in the log as it was sent`],
    ).flat(),
    ...Array.from(firstOfAll, ([key, content]) =>
      recordedEarly.get(key) === content && logged.get(key) === content
        ? []
        : [`${key} is not as it was first recorded`],
    ).flat(),
  ];
}

/** Links are kept up to the limit, whoever comes first, and none is kept back while there is room. */
function linkFaults(events: readonly LoggedEvent[], links: readonly Link[]): string[] {
  const clicked = Map.groupBy(
    events.flatMap(({ campaignId, url }) => (url === undefined ? [] : [{ campaignId, url }])),
    ({ campaignId }) => campaignId,
  );
  return Array.from(clicked, ([campaignId, own]) => {
    const expected = Math.min(MAX_LINKS, new Set(own.map(({ url }) => url)).size);
    const kept = links.filter((link) => link.campaign_id === campaignId).length;
    return kept === expected ? [] : [`campaign ${campaignId} keeps ${kept} links, not ${expected}`];
  }).flat();
}

const crews: fc.Arbitrary<Crew> = fc.record({
  workers: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 }),
  projectors: fc.integer({ min: 1, max: 3 }),
  lanes: fc.array(fc.constantFrom<Lane>(LANES.LIVE, LANES.BULK), { minLength: 1, maxLength: 4 }),
  callsInTurn: fc.integer({ min: 1, max: 6 }),
});
const histories = fc.array(historyOf({ maxEvents: 18 }), {
  minLength: HISTORIES_AT_A_TIME,
  maxLength: HISTORIES_AT_A_TIME,
});

test(
  "whatever comes in whatever order to however many workers, the tables hold what a count of the log says, a recount and a rebuild",
  { timeout: PROPERTY_TIMEOUT_MS * 5 },
  async () => {
    await fc.assert(
      fc.asyncProperty(histories, crews, async (given, crew) => {
        expect(await faultsOf(given, crew)).toEqual([]);
      }),
      // Fifty histories at a time are not worth shrinking: the fault names its own.
      { numRuns: Math.ceil(PROPERTY_RUNS / HISTORIES_AT_A_TIME), endOnFailure: true },
    );
    expect(await writeAsWorker(pools.events, (session) => session.run(countDead()))).toEqual([{ dead: 0 }]);
  },
);
