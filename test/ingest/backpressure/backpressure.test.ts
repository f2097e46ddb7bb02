import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { CampaignIdentities } from "../../../src/campaigns/campaign-identities.js";
import { Pool } from "../../../src/database/pool.js";
import { defineStatement } from "../../../src/database/statement.js";
import { RetentionFloor } from "../../../src/events/retention-floor.js";
import type { EventInput } from "../../../src/events/event.js";
import { type Lane, LANES } from "../../../src/events/outbox.js";
import { Partitions } from "../../../src/events/partitions.js";
import { type DeadLetterId, type TenantId, uuidv7 } from "../../../src/ids.js";
import { Backpressure } from "../../../src/ingest/backpressure/backpressure.js";
import type { HighWaterMarks, Overload } from "../../../src/ingest/backpressure/high-water-marks.js";
import { replayDeadLetters } from "../../../src/ingest/dead-letters/dead-letters.js";
import { importFile } from "../../../src/ingest/import/import-file.js";
import { InboxWriter, type IntakeAnswer } from "../../../src/ingest/inbox-writer.js";
import { Intake } from "../../../src/ingest/intake.js";
import { readWaiting } from "../../../src/ingest/backpressure/read-waiting.js";
import { Worker } from "../../../src/ingest/worker.js";
import { beginAsWorker, writeAsTenant, writeAsWorker } from "../../../src/tenancy/transactions.js";
import { type EpochMicros, formatInstant, instantFromMillis } from "../../../src/time/instant.js";
import { type Pipeline, startPipeline, TEST_RETRIES } from "../../support/pipeline.js";
import { waitFor } from "../../support/wait-for.js";

const log = pino({ level: process.env["TEST_LOG_LEVEL"] ?? "silent" });
const READING = ["inbox.read_waiting_of_tenants", "inbox.read_waiting_of_all"];
const MANY = 1_000_000;
const FAR: HighWaterMarks = { tenant: { events: MANY, seconds: MANY }, all: { events: 2 * MANY, seconds: 2 * MANY } };

let pipeline: Pipeline;
let events: Pool<"events">;
/** Statements on the event log, in the order in which they ended. */
const statements: string[] = [];
let onStatement: (name: string) => void = () => undefined;
/** The clocks of all servers here: they stand still unless a test moves them. */
let elapsedMs = 0;
const now = (): EpochMicros => (instantFromMillis(Date.UTC(2026, 10, 20, 12)) + elapsedMs * 1000) as EpochMicros;

beforeAll(async () => {
  pipeline = await startPipeline({ workers: 0 });
  events = new Pool({
    database: "events",
    url: pipeline.databases.eventsUrl,
    maxConnections: 12,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log,
    onStatement: (name) => {
      statements.push(name);
      onStatement(name);
    },
  });
});
afterAll(async () => {
  await events.stop();
  await pipeline.stop();
});
const clear = defineStatement<"events", [], never>("events", "test.clear_inbox", "delete from inbox");
beforeEach(async () => {
  await writeAsWorker(pipeline.events, (session) => session.run(clear()));
  statements.length = 0;
  onStatement = () => undefined;
});

interface Server {
  readonly intake: Intake;
  readonly overloads: Overload[];
}

/** One server among others on the same event log. */
function startServer(marks: Partial<HighWaterMarks>, clock: () => number = () => elapsedMs): Server {
  const inbox = new InboxWriter(events);
  onTestFinished(() => inbox.stop());
  const overloads: Overload[] = [];
  const intake = new Intake({
    campaigns: new CampaignIdentities(events, now),
    inbox,
    recipientKeys: pipeline.recipientKeys,
    floor: new RetentionFloor(pipeline.events),
    limits: { ...pipeline.intake.limits, maxEventsPerCall: 100 },
    now,
    backpressure: new Backpressure({
      events,
      marks: { ...FAR, ...marks },
      now,
      log,
      patienceMs: 60_000,
      elapsedMs: clock,
    }),
    onOverload: (overload) => overloads.push(overload),
  });
  return { intake, overloads };
}

/** So long that nothing which was read before is young. */
const LULL_MS = 2_000;

let made = 0;
function sent(count: number, campaignExternalId = "c"): (EventInput & { eventId: string })[] {
  return Array.from({ length: count }, () => ({
    eventId: `event ${made++}`,
    type: "SENT",
    campaignExternalId,
    recipient: "a@example.com",
    occurredAt: "2026-11-01T10:00:00Z",
  }));
}

interface CallOptions {
  readonly lane?: Lane;
  readonly idempotencyKey?: string;
  readonly events?: readonly EventInput[];
}

function call(server: Server, tenantId: TenantId, count: number, options: CallOptions = {}): Promise<IntakeAnswer> {
  return server.intake.accept({ tenantId, lane: LANES.LIVE, events: sent(count), ...options });
}

const refusal = (scope: string, measure: string) =>
  expect.objectContaining({ code: "OVERLOADED", scope, measure, retryAfterSeconds: expect.any(Number) });

const countWaiting = defineStatement<"events", [TenantId, Lane], { waiting: number }>(
  "events",
  "test.count_waiting",
  "select coalesce(sum(event_count), 0)::bigint as waiting from inbox where tenant_id = $1 and lane = $2",
);
async function waiting(tenantId: TenantId, lane: Lane = LANES.LIVE): Promise<number> {
  const [row] = await writeAsWorker(pipeline.events, (session) => session.run(countWaiting(tenantId, lane)));
  return row?.waiting ?? 0;
}

const countCampaigns = defineStatement<"events", [TenantId], { campaigns: number }>(
  "events",
  "test.count_campaigns",
  "select count(*) as campaigns from campaign_identities where tenant_id = $1",
);

const takeKey = defineStatement<"events", [TenantId, key: string, now: string], never>(
  "events",
  "test.take_key",
  `insert into idempotency_keys (tenant_id, key, content_hash, answer, created_at)
   values ($1, $2, gen_random_uuid(), '{}', $3)`,
);

/** Records what waits, until the test ends. */
function startWorker(): void {
  const worker = new Worker({
    events: pipeline.events,
    partitions: new Partitions(pipeline.events),
    concurrency: 2,
    maxEventsPerBatch: 100,
    pollMs: 5,
    maxLinksPerCampaign: 1000,
    retries: TEST_RETRIES,
    now,
    log,
  });
  onTestFinished(() => worker.stop());
}

const readRecorded = defineStatement<"events", [TenantId], { event_id: string }>(
  "events",
  "test.read_recorded",
  "select event_id from sent where tenant_id = $1 order by event_id",
);
async function recorded(tenantId: TenantId): Promise<string[]> {
  const rows = await writeAsWorker(pipeline.events, (session) => session.run(readRecorded(tenantId)));
  return rows.map((row) => row.event_id);
}

describe("a tenant at its own mark", () => {
  test("by count is refused by every server, while another tenant is served", async () => {
    const marks = { tenant: { events: 10, seconds: MANY } };
    const [one, other] = [startServer(marks), startServer(marks)];
    const [flood, quiet] = [await pipeline.createTenant(), await pipeline.createTenant()];
    await call(one, flood, 6);
    await call(one, flood, 6);
    for (const server of [one, other]) {
      await expect(call(server, flood, 1)).rejects.toEqual(refusal("tenant", "count"));
      expect((await call(server, quiet, 1)).acceptedCount).toBe(1);
    }
    expect(await waiting(flood)).toBe(12);
    expect(one.overloads).toEqual([refusal("tenant", "count")]);
  });

  test("by age is refused, with a pause that grows with the age, while another tenant is served", async () => {
    const server = startServer({ tenant: { events: MANY, seconds: 60 } });
    const [flood, quiet] = [await pipeline.createTenant(), await pipeline.createTenant()];
    await call(server, flood, 1);
    elapsedMs += 59_000;
    await call(server, flood, 1);
    elapsedMs += 2_000;
    await expect(call(server, flood, 1)).rejects.toMatchObject({ measure: "age", retryAfterSeconds: 7 });
    expect((await call(server, quiet, 1)).acceptedCount).toBe(1);
    elapsedMs += 3_600_000;
    await expect(call(server, flood, 1)).rejects.toMatchObject({ measure: "age", retryAfterSeconds: 60 });
  });

  test("in bulk still has its live calls taken, and the other way round", async () => {
    const server = startServer({ tenant: { events: 10, seconds: MANY } });
    for (const [full, free] of [
      [LANES.BULK, LANES.LIVE],
      [LANES.LIVE, LANES.BULK],
    ] as const) {
      const tenantId = await pipeline.createTenant();
      await call(server, tenantId, 10, { lane: full });
      await expect(call(server, tenantId, 1, { lane: full })).rejects.toEqual(refusal("tenant", "count"));
      expect((await call(server, tenantId, 1, { lane: free })).acceptedCount).toBe(1);
    }
  });
});

const bury = defineStatement<"events", [TenantId, id: string, receivedAt: string], never>(
  "events",
  "test.bury",
  `insert into dead_letters (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error)
   values ($1, $2, $2, 1, 1, '[{}]', $3, $3, 'a fault of its time')`,
);

test("what only a newer program can record refuses nobody's calls for its age", async () => {
  const insertNewer = defineStatement<"events", [TenantId, receiptId: string, receivedAt: string], never>(
    "events",
    "test.insert_newer",
    `insert into inbox (tenant_id, lane, receipt_id, format, event_count, payload, received_at)
     values ($1, 0, $2, 99, 1, '[]', $3)`,
  );
  const [mine, other] = [await pipeline.createTenant(), await pipeline.createTenant()];
  const longAgo = formatInstant((now() - 40 * 86_400_000_000) as EpochMicros);
  await writeAsWorker(pipeline.events, (session) => session.run(insertNewer(mine, uuidv7(), longAgo)));
  const server = startServer({ tenant: { events: MANY, seconds: 60 }, all: { events: 2 * MANY, seconds: 120 } });
  await expect(call(server, mine, 1)).resolves.toMatchObject({ acceptedCount: 1 });
  await expect(call(server, other, 1)).resolves.toMatchObject({ acceptedCount: 1 });
});

test("a letter of last month that is replayed refuses nobody's calls for its age", async () => {
  const server = startServer({ tenant: { events: MANY, seconds: 60 }, all: { events: MANY, seconds: 120 } });
  const tenantId = await pipeline.createTenant();
  const id = uuidv7() as DeadLetterId;
  await writeAsWorker(events, (session) => session.run(bury(tenantId, id, "2026-10-20T12:00:00Z")));
  expect(await writeAsTenant(events, tenantId, (session) => replayDeadLetters(session, tenantId, [id]))).toBe(1);
  expect(await waiting(tenantId)).toBe(1);
  elapsedMs += LULL_MS;
  expect((await call(server, tenantId, 1)).acceptedCount).toBe(1);
  expect((await call(server, await pipeline.createTenant(), 1)).acceptedCount).toBe(1);
});

describe("the mark for all", () => {
  test("by count refuses whoever calls, though none is at its own", async () => {
    const server = startServer({ all: { events: 20, seconds: 2 * MANY } });
    for (let tenant = 0; tenant < 2; tenant++) await call(server, await pipeline.createTenant(), 10);
    await expect(call(server, await pipeline.createTenant(), 1)).rejects.toEqual(refusal("all", "count"));
    await expect(
      call(startServer({ all: { events: 20, seconds: MANY } }), await pipeline.createTenant(), 1),
    ).rejects.toEqual(refusal("all", "count"));
  });

  test("by age refuses whoever calls", async () => {
    const server = startServer({ all: { events: MANY, seconds: 120 } });
    await call(server, await pipeline.createTenant(), 1);
    elapsedMs += 121_000;
    await expect(call(server, await pipeline.createTenant(), 1)).rejects.toEqual(refusal("all", "age"));
  });

  test("is not reached by the flood of one tenant, which its own mark ends before", async () => {
    const server = startServer({ tenant: { events: 20, seconds: MANY }, all: { events: 40, seconds: MANY } });
    const flood = await pipeline.createTenant();
    const calls = await Promise.allSettled(Array.from({ length: 20 }, () => call(server, flood, 5)));
    expect(calls.filter(({ status }) => status === "fulfilled")).toHaveLength(4);
    expect((await call(server, await pipeline.createTenant(), 1)).acceptedCount).toBe(1);
  });
});

describe("a call that is refused", () => {
  test("runs no statement, and none of its events is looked at", async () => {
    const server = startServer({ tenant: { events: 1, seconds: MANY } });
    const tenantId = await pipeline.createTenant();
    await call(server, tenantId, 1);
    statements.length = 0;
    const untouchable = new Proxy({} as EventInput, {
      get: () => expect.unreachable("a refused call's event was judged"),
    });
    await expect(call(server, tenantId, 1, { events: [untouchable] })).rejects.toEqual(refusal("tenant", "count"));
    expect(statements).toEqual([]);
  });

  test("leaves nothing behind: no event, no campaign, no idempotency key", async () => {
    const server = startServer({ tenant: { events: 1, seconds: MANY } });
    const tenantId = await pipeline.createTenant();
    await call(server, tenantId, 1);
    const again = { events: sent(1, "never made"), idempotencyKey: "later" };
    await expect(call(server, tenantId, 1, again)).rejects.toEqual(refusal("tenant", "count"));
    expect(await waiting(tenantId)).toBe(1);
    const [identities] = await writeAsWorker(pipeline.events, (session) => session.run(countCampaigns(tenantId)));
    expect(identities?.campaigns).toBe(1);
    await writeAsWorker(pipeline.events, (session) => session.run(clear()));
    elapsedMs += LULL_MS;
    // The same call, now that there is room: it is the first under its key.
    expect((await call(server, tenantId, 1, again)).acceptedCount).toBe(1);
  });

  test("under an idempotency key that was accepted before gets its first answer", async () => {
    const server = startServer({ tenant: { events: 1, seconds: MANY } });
    const tenantId = await pipeline.createTenant();
    const batch = { events: sent(1), idempotencyKey: "batch 1" };
    const first = await call(server, tenantId, 1, batch);
    expect(await call(server, tenantId, 1, batch)).toEqual(first);
    await expect(call(server, tenantId, 1, { idempotencyKey: "batch 1" })).rejects.toMatchObject({
      code: "IDEMPOTENCY_KEY_REUSED",
    });
    expect(server.overloads).toEqual([]);
    await expect(call(server, tenantId, 1, { idempotencyKey: "batch 2" })).rejects.toEqual(refusal("tenant", "count"));
    elapsedMs += 25 * 3_600_000;
    // Forgotten by then, and no more than that: it was not recorded again.
    await expect(call(server, tenantId, 1, batch)).rejects.toEqual(refusal("tenant", "count"));
    expect(await waiting(tenantId)).toBe(1);
  });
});

describe("racing calls", () => {
  test("of one server pass the mark by less than one call", async () => {
    const server = startServer({ tenant: { events: 100, seconds: MANY } });
    const tenantId = await pipeline.createTenant();
    await Promise.allSettled(Array.from({ length: 40 }, () => call(server, tenantId, 7)));
    expect(await waiting(tenantId)).toBe(105);
  });

  test("count while they are on their way, though no reading finds them", async () => {
    const server = startServer({ tenant: { events: 10, seconds: MANY } });
    const tenantId = await pipeline.createTenant();
    const blocker = await beginAsWorker(pipeline.events);
    await blocker.run(takeKey(tenantId, "slow", formatInstant(now())));
    const slow = call(server, tenantId, 10, { idempotencyKey: "slow" });
    try {
      await waitFor(() => statements.includes("idempotency.forget_expired"), { what: "the call to meet the key" });
      elapsedMs += LULL_MS;
      statements.length = 0;
      await expect(call(server, tenantId, 1)).rejects.toEqual(refusal("tenant", "count"));
      expect(statements).toEqual(READING);
    } finally {
      await blocker.rollback();
    }
    expect((await slow).acceptedCount).toBe(10);
    await expect(call(server, tenantId, 1)).rejects.toEqual(refusal("tenant", "count"));
  });

  test("of four servers pass it by the room of three and a call each at the most, and by nothing once it is read", async () => {
    const servers = Array.from({ length: 4 }, () => startServer({ tenant: { events: 100, seconds: MANY } }));
    const tenantId = await pipeline.createTenant();
    const race = () =>
      Promise.allSettled(Array.from({ length: 40 }).flatMap(() => servers.map((server) => call(server, tenantId, 7))));
    await race();
    const reached = await waiting(tenantId);
    expect(reached).toBeGreaterThanOrEqual(100);
    expect(reached).toBeLessThanOrEqual(4 * 105);
    elapsedMs += LULL_MS;
    await race();
    expect(await waiting(tenantId)).toBe(reached);
  });

  test("lose nothing that was acknowledged while it drains, and record nothing that was refused", async () => {
    const servers = Array.from({ length: 3 }, () => startServer({ tenant: { events: 50, seconds: MANY } }));
    const tenantId = await pipeline.createTenant();
    const acknowledged: string[] = [];
    let refused = 0;
    const hand = async (server: Server): Promise<void> => {
      const batch = sent(10);
      await call(server, tenantId, 10, { events: batch }).then(
        () => acknowledged.push(...batch.map((event) => event.eventId)),
        () => (refused += 1),
      );
    };
    await Promise.all(servers.flatMap((server) => Array.from({ length: 20 }, () => hand(server))));
    expect(refused).toBeGreaterThan(0);
    const before = acknowledged.length;
    startWorker();
    await waitFor(
      async () => {
        elapsedMs += LULL_MS;
        for (const server of servers) await hand(server);
        return acknowledged.length > before + 100;
      },
      { what: "servers to take calls again" },
    );
    await pipeline.settled();
    expect(await recorded(tenantId)).toEqual(acknowledged.toSorted());
  });
});

describe("the reading", () => {
  test("is one for all calls of an interval, and is not waited for where an earlier one is young", async () => {
    const server = startServer({});
    const tenants = await Promise.all(Array.from({ length: 5 }, () => pipeline.createTenant()));
    const readings = () => statements.filter((name) => READING.includes(name));
    await Promise.all(tenants.flatMap((tenantId) => Array.from({ length: 20 }, () => call(server, tenantId, 1))));
    // The first call of all, and those that came while it was read for.
    expect(readings().length).toBeLessThanOrEqual(3);
    statements.length = 0;
    elapsedMs += 200;
    for (const tenantId of tenants) await call(server, tenantId, 1);
    expect(readings()).toEqual([]);
    elapsedMs += 100;
    for (const tenantId of tenants) await call(server, tenantId, 1);
    await waitFor(() => readings().length > 0, { what: "a reading that is due" });
  });

  test("that takes a second is not made again for twenty", async () => {
    onStatement = (name) => {
      if (name === "inbox.read_waiting_of_tenants") elapsedMs += 1_000;
    };
    const server = startServer({});
    const tenantId = await pipeline.createTenant();
    await call(server, tenantId, 1);
    statements.length = 0;
    elapsedMs += 18_000;
    await call(server, tenantId, 1);
    expect(statements.filter((name) => READING.includes(name))).toEqual([]);
    elapsedMs += 2_000;
    await call(server, tenantId, 1);
    await waitFor(() => READING.every((name) => statements.includes(name)), { what: "a reading that is due" });
  });

  test("counts no further than to the mark", async () => {
    const tenantId = await pipeline.createTenant();
    const server = startServer({});
    for (let row = 0; row < 30; row++) await call(server, tenantId, 1);
    const question = { lane: LANES.LIVE, tenants: [tenantId], ofAll: true, onBegin: () => undefined };
    const found = await readWaiting(events, { ...question, maxTenantRows: 10, maxRows: 20 });
    expect(found.tenants.get(tenantId)?.events).toBe(10);
    expect(found.all?.events).toBe(20);
    const oldestAt = found.all?.oldestAt ?? (0 as EpochMicros);
    expect(formatInstant(oldestAt)).toBe(formatInstant(now()));
  });

  test("that fails refuses nobody for what it would have found", async () => {
    const [grant, revoke] = [
      "grant select on inbox to mailtally_worker",
      "revoke select on inbox from mailtally_worker",
    ];
    const asOwner = (text: string) =>
      pipeline.asOwner({ database: "events", name: text, text, values: [], isPrepared: false });
    const marks = { tenant: { events: 5, seconds: MANY } };
    const tenantId = await pipeline.createTenant();
    await call(startServer(marks), tenantId, 5);
    const server = startServer(marks);
    await asOwner(revoke);
    try {
      for (let count = 0; count < 3; count++) expect((await call(server, tenantId, 1)).acceptedCount).toBe(1);
    } finally {
      await asOwner(grant);
    }
    elapsedMs += LULL_MS;
    await expect(call(server, tenantId, 1)).rejects.toEqual(refusal("tenant", "count"));
  });
});

/** An import of these events that waits, as the inbox is full. */
async function importUntilFull(
  { intake }: ReturnType<typeof startServer>,
  tenantId: TenantId,
  lines: ReturnType<typeof sent>,
): Promise<{ readonly ended: ReturnType<typeof importFile>; interrupt(): void }> {
  const folder = await mkdtemp(join(tmpdir(), "backpressure-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "history.ndjson");
  await writeFile(path, lines.map((event) => JSON.stringify(event)).join("\n"));
  const interruption = new AbortController();
  let isFull = false;
  const ended = importFile({
    path,
    tenantId,
    intake,
    signal: interruption.signal,
    // The mark is no fault: what is waited for here has no end.
    retryForMs: 0,
    progress: {
      update: ({ isInboxFull }) => (isFull ||= isInboxFull),
      refused: () => expect.unreachable("a line was refused"),
      done: () => undefined,
    },
  });
  await waitFor(() => isFull, { what: "the import to wait" });
  return { ended, interrupt: () => interruption.abort() };
}

test("an import waits at the mark, says so, and records the whole file when workers come", async () => {
  const server = startServer({ tenant: { events: 200, seconds: MANY } }, () => performance.now());
  const tenantId = await pipeline.createTenant();
  const lines = sent(1_000);
  const importing = await importUntilFull(server, tenantId, lines);
  expect(await waiting(tenantId, LANES.BULK)).toBeLessThan(200 + 100);
  startWorker();
  expect(await importing.ended).toMatchObject({ accepted: 1_000, refused: 0, interrupted: false });
  await pipeline.settled();
  expect(await recorded(tenantId)).toEqual(lines.map((event) => event.eventId).toSorted());
});

test("an import that waits at the mark ends on a signal, and says how far it came", async () => {
  const server = startServer({ tenant: { events: 200, seconds: MANY } }, () => performance.now());
  const tenantId = await pipeline.createTenant();
  const importing = await importUntilFull(server, tenantId, sent(1_000));
  importing.interrupt();
  const { accepted, interrupted, durableThroughLine } = await importing.ended;
  expect(interrupted).toBe(true);
  expect(accepted).toBe(await waiting(tenantId, LANES.BULK));
  expect(durableThroughLine).toBeLessThanOrEqual(accepted);
  startWorker();
  await pipeline.settled();
});
