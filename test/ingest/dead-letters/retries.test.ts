import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../../src/database/statement.js";
import { LANES } from "../../../src/events/outbox.js";
import { Partitions } from "../../../src/events/partitions.js";
import type { TenantId } from "../../../src/ids.js";
import { claimFromLane } from "../../../src/ingest/inbox.js";
import { claimDue } from "../../../src/ingest/dead-letters/inbox-retries.js";
import { findReceipt } from "../../../src/ingest/receipts.js";
import { type RetryLimits, retryDelayMs } from "../../../src/ingest/dead-letters/retries.js";
import { Worker } from "../../../src/ingest/worker.js";
import { beginAsWorker, writeAsWorker } from "../../../src/tenancy/transactions.js";
import { type EpochMicros, instantFromMillis } from "../../../src/time/instant.js";
import { type Pipeline, startPipeline } from "../../support/pipeline.js";
import { waitFor } from "../../support/wait-for.js";
import { accepted, closeGate, openGate, poisoned, slipIn } from "./poison.js";

const START = instantFromMillis(Date.UTC(2026, 10, 1));
const LIMITS: RetryLimits = { maxAttempts: 4, firstDelayMs: 1_000, maxDelayMs: 3_000 };

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 0 });
});
afterAll(() => pipeline.stop());

interface Waiting {
  readonly lane: number;
  readonly event_count: number;
  readonly attempts: number;
  readonly not_before: EpochMicros | null;
  readonly first_failed_at: EpochMicros | null;
}
const readInbox = defineStatement<"events", [TenantId], Waiting>(
  "events",
  "test.read_waiting",
  "select lane, event_count, attempts, not_before, first_failed_at from inbox where tenant_id = $1 order by id",
);
const inboxOf = (tenantId: TenantId) => writeAsWorker(pipeline.events, (session) => session.run(readInbox(tenantId)));
const receiptOf = (...of: readonly [TenantId, Parameters<typeof findReceipt>[2]]) =>
  writeAsWorker(pipeline.events, (session) => findReceipt(session, ...of));

/** A worker with a clock that stands still, and jitter in the middle. */
function startWorker(of = pipeline): { readonly worker: Worker; advance(ms: number): void } {
  let now = START;
  const worker = new Worker({
    events: of.events,
    partitions: new Partitions(of.events),
    concurrency: 1,
    maxEventsPerBatch: 1000,
    pollMs: 5,
    maxLinksPerCampaign: 1000,
    retries: LIMITS,
    now: () => now,
    random: () => 0.5,
    log: pino({ level: "silent" }),
  });
  return { worker, advance: (ms) => (now = (now + ms * 1_000) as EpochMicros) };
}

test("pauses double up to the longest, and jitter spreads each from a half to one and a half times", () => {
  const limits = { maxAttempts: 9, firstDelayMs: 100, maxDelayMs: 1_000 };
  expect([1, 2, 3, 4, 5, 60].map((attempts) => retryDelayMs(attempts, limits, 0.5))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
  expect([0, 0.25, 0.999].map((random) => retryDelayMs(2, limits, random))).toEqual([100, 150, expect.closeTo(299.8)]);
});

test("a row that failed waits apart until it is due, whatever comes meanwhile counts, and once the fault is gone it counts too", async () => {
  const [mine, other] = [await pipeline.createTenant(), await pipeline.createTenant()];
  await pipeline.asOwner(closeGate());
  const gated = await slipIn(pipeline.events, mine, [accepted("gated", { messageId: "gated" }), accepted("beside")]);
  const { worker, advance } = startWorker();
  await waitFor(async () => (await inboxOf(mine))[0]?.attempts === 1, { what: "a first failure" });
  const waiting: Waiting = {
    lane: 2,
    event_count: 2,
    attempts: 1,
    not_before: (START + 1_000_000) as EpochMicros,
    first_failed_at: START,
  };
  const later = [
    await slipIn(pipeline.events, mine, [accepted("a")]),
    await slipIn(pipeline.events, other, [accepted("b")]),
  ];
  await waitFor(async () => (await receiptOf(mine, later[0]!))?.status === "APPLIED", { what: "my next call" });
  await waitFor(async () => (await receiptOf(other, later[1]!))?.status === "APPLIED", { what: "the other's call" });
  expect(await inboxOf(mine)).toEqual([waiting]);
  expect(await receiptOf(mine, gated)).toMatchObject({ status: "QUEUED", recordedCount: 0 });
  await writeAsWorker(pipeline.events, async (session) => {
    expect(await claimFromLane(session, LANES.LIVE, 10, 0)).toEqual([]);
    expect(await claimFromLane(session, LANES.BULK, 10, 0)).toEqual([]);
    expect(await claimDue(session, (START + 999_999) as EpochMicros, 0)).toEqual([]);
  });
  await pipeline.asOwner(openGate());
  advance(1_000);
  await waitFor(async () => (await inboxOf(mine)).length === 0, { what: "the second try" });
  await worker.stop();
  expect(await receiptOf(mine, gated)).toMatchObject({ status: "APPLIED", recordedCount: 2, reason: null });
});

test("what fails again is split at once, and the event at fault waits longer each time until it is a dead letter", async () => {
  const tenantId = await pipeline.createTenant();
  const events = Array.from({ length: 8 }, (_, index) => (index === 5 ? poisoned("bad") : accepted(`e${index}`)));
  const receiptId = await slipIn(pipeline.events, tenantId, events, LANES.BULK);
  const { worker, advance } = startWorker();
  const expectWaiting = (eventCount: number, attempts: number, atMs: number) =>
    waitFor(
      async () => {
        const [only, ...others] = await inboxOf(tenantId);
        return (
          others.length === 0 &&
          only?.lane === 3 &&
          only.event_count === eventCount &&
          only.attempts === attempts &&
          only.not_before === START + atMs * 1_000 &&
          only.first_failed_at === START
        );
      },
      { what: `${eventCount} events after ${attempts} tries to wait until ${atMs}` },
    );
  await expectWaiting(8, 1, 1_000);
  advance(1_000);
  await expectWaiting(1, 2, 3_000);
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({ status: "QUEUED", recordedCount: 7 });
  advance(2_000);
  await expectWaiting(1, 3, 6_000);
  advance(3_000);
  await waitFor(async () => (await inboxOf(tenantId)).length === 0, { what: "the burial" });
  await worker.stop();
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({
    status: "DEAD",
    recordedCount: 7,
    reason: "INVALID_VALUE",
  });
});

test("a row at fault takes none of those down that were claimed with it", async () => {
  const tenants = await Promise.all(Array.from({ length: 3 }, () => pipeline.createTenant()));
  const good = [];
  for (const tenantId of tenants) {
    for (let row = 0; row < 10; row++) {
      good.push([tenantId, await slipIn(pipeline.events, tenantId, [accepted(`e${row}`)])] as const);
    }
    await slipIn(pipeline.events, tenantId, [poisoned("bad")]);
  }
  const { worker } = startWorker();
  const left = async () => (await Promise.all(tenants.map((tenantId) => inboxOf(tenantId)))).flat();
  await waitFor(async () => (await left()).every((row) => row.lane === 2), { what: "the good rows to be recorded" });
  await worker.stop();
  expect((await left()).map((row) => row.attempts)).toEqual([1, 1, 1]);
  const receipts = await Promise.all(good.map(([tenantId, id]) => receiptOf(tenantId, id)));
  expect(new Set(receipts.map((receipt) => receipt?.status))).toEqual(new Set(["APPLIED"]));
});

test("where everything fails a batch ends after twenty faults, the rest waits without losing a try, and all come to their end", async () => {
  const [broken, sound] = [await pipeline.createTenant(), await pipeline.createTenant()];
  const receipts = [];
  for (let row = 0; row < 60; row++) {
    receipts.push(await slipIn(pipeline.events, broken, [accepted(`e${row}`, { messageId: "gated" })]));
  }
  await pipeline.asOwner(closeGate());
  const { worker, advance } = startWorker();
  await waitFor(async () => (await inboxOf(broken)).every((row) => row.lane === 2), { what: "all to wait" });
  expect((await inboxOf(broken)).filter((row) => row.attempts === 1)).toHaveLength(20);
  expect((await inboxOf(broken)).filter((row) => row.attempts === 0)).toHaveLength(40);
  const meanwhile = await slipIn(pipeline.events, sound, [accepted("sound")]);
  await waitFor(async () => (await receiptOf(sound, meanwhile))?.status === "APPLIED", { what: "the other tenant" });
  await pipeline.asOwner(openGate());
  advance(1_000);
  await waitFor(async () => (await inboxOf(broken)).length === 0, { what: "all to be recorded" });
  await worker.stop();
  const found = await Promise.all(receipts.map((id) => receiptOf(broken, id)));
  expect(new Set(found.map((receipt) => receipt?.status))).toEqual(new Set(["APPLIED"]));
});

test("where everything of one tenant fails, nothing that came beside it from another has to wait", async () => {
  const [bad, good] = [await pipeline.createTenant(), await pipeline.createTenant()];
  for (let row = 0; row < 40; row++) {
    await slipIn(pipeline.events, bad, [poisoned(`bad ${row}`)]);
    await slipIn(pipeline.events, good, [accepted(`good ${row}`)]);
  }
  const { worker } = startWorker();
  const isFresh = ({ lane }: Waiting): boolean => lane < 2;
  await waitFor(async () => !(await inboxOf(bad)).some(isFresh), { what: "all bad rows to be set aside" });
  await waitFor(async () => !(await inboxOf(good)).some(isFresh), { what: "all good rows to be seen to" });
  await worker.stop();
  expect(await inboxOf(good)).toEqual([]);
  expect(await inboxOf(bad)).toHaveLength(40);
});

test("rows that are due are tried one at a time, tenant by tenant, each by one worker", async () => {
  const due = (START + 3_600_000_000) as EpochMicros;
  const own = await startPipeline({ workers: 0 });
  for (let tenant = 0; tenant < 3; tenant++) {
    await slipIn(own.events, await own.createTenant(), [poisoned("bad")]);
  }
  const { worker } = startWorker(own);
  const claimAt = (turn: number) => writeAsWorker(own.events, (session) => claimDue(session, due, turn));
  await waitFor(
    async () => new Set([await claimAt(0), await claimAt(1), await claimAt(2)].flat().map(({ id }) => id)).size === 3,
    {
      what: "three rows to wait",
    },
  );
  await worker.stop();
  const first = await beginAsWorker(own.events);
  const second = await beginAsWorker(own.events);
  const claims = [await claimDue(first, due, 0), await claimDue(second, due, 0), await claimDue(second, due, 0)];
  const again = await claimDue(first, due, 0);
  await first.rollback();
  await second.rollback();
  expect(claims.map((rows) => rows.length)).toEqual([1, 1, 1]);
  expect(again).toEqual(claims[0]);
  expect(claims[1]?.[0]?.tenant_id).not.toBe(claims[0]?.[0]?.tenant_id);
  const turns = [await claimAt(0), await claimAt(1), await claimAt(2), await claimAt(3)];
  const order = turns.map((rows) => rows[0]?.tenant_id);
  expect(new Set(order.slice(0, 3)).size).toBe(3);
  expect(order[3]).toBe(order[0]);
  await own.stop();
});
