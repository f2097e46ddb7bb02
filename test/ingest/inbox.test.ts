import { Client } from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Lane, LANES } from "../../src/events/outbox.js";
import { Partitions } from "../../src/events/partitions.js";
import { type ReceiptId, type TenantId, uuidv7 } from "../../src/ids.js";
import { Pool } from "../../src/database/pool.js";
import { InboxWriter } from "../../src/ingest/inbox-writer.js";
import { claimFromLane } from "../../src/ingest/inbox.js";
import { Worker } from "../../src/ingest/worker.js";
import { beginAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { type Pipeline, startPipeline, TEST_RETRIES } from "../support/pipeline.js";
import { waitFor } from "../support/wait-for.js";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 0 });
});
afterAll(() => pipeline.stop());

let made = 0;
function accept(tenantId: TenantId, lane: Lane, count = 1): Promise<unknown> {
  const events = Array.from({ length: count }, () => ({
    eventId: `event ${made++}`,
    type: "SENT",
    campaignExternalId: "c",
    recipient: "a@example.com",
    occurredAt: "2026-11-01T10:00:00Z",
  }));
  return pipeline.intake.accept({ tenantId, lane, events });
}

/** Works until the inbox is empty and tells whose batches came in which order. */
async function lanesInOrder(maxEventsPerBatch: number): Promise<Lane[]> {
  const lanes: Lane[] = [];
  const worker = new Worker({
    events: pipeline.events,
    partitions: new Partitions(pipeline.events),
    concurrency: 1,
    maxEventsPerBatch,
    pollMs: 5,
    maxLinksPerCampaign: 1000,
    retries: TEST_RETRIES,
    now: () => instantFromMillis(Date.now()),
    log: pino({ level: "silent" }),
    onBatch: ({ lane }) => lanes.push(lane),
  });
  await pipeline.settled();
  await worker.stop();
  return lanes;
}

test("each tenant that waits gets a share of a batch, however many rows another one has", async () => {
  const [flood, quiet] = [await pipeline.createTenant(), await pipeline.createTenant()];
  for (let row = 0; row < 30; row++) await accept(flood, LANES.LIVE);
  await accept(quiet, LANES.LIVE);
  const transaction = await beginAsWorker(pipeline.events);
  const claimed = await claimFromLane(transaction, LANES.LIVE, 10, 0);
  const other = await beginAsWorker(pipeline.events);
  const next = await claimFromLane(other, LANES.LIVE, 10, 1);
  await transaction.rollback();
  await other.rollback();
  expect(
    Object.entries(Object.groupBy(claimed, (row) => row.tenant_id)).map(([id, rows]) => [id, rows?.length]),
  ).toEqual(
    expect.arrayContaining([
      [flood, 5],
      [quiet, 1],
    ]),
  );
  expect(claimed.map((row) => row.id)).toEqual(claimed.map((row) => row.id).toSorted((a, b) => a - b));
  // What one worker has claimed, another one leaves alone.
  expect(next.filter((row) => claimed.some(({ id }) => id === row.id))).toEqual([]);
  expect(next.map((row) => row.tenant_id)).toEqual(Array.from({ length: 5 }, () => flood));
  await lanesInOrder(100);
});

test("a small call before large ones does not have them all claimed at once", async () => {
  const tenantId = await pipeline.createTenant();
  await accept(tenantId, LANES.LIVE, 1);
  for (let row = 0; row < 4; row++) await accept(tenantId, LANES.LIVE, 100);
  const transaction = await beginAsWorker(pipeline.events);
  const claimed = await claimFromLane(transaction, LANES.LIVE, 250, 0);
  await transaction.rollback();
  expect(claimed.map((row) => row.event_count)).toEqual([1, 100, 100]);
  await lanesInOrder(1000);
});

/** Writes calls of one event, whatever their payload. */
function writingTo(writer: InboxWriter, tenantId: TenantId) {
  const acceptedAt = instantFromMillis(Date.now());
  return (payload: string) => {
    const receiptId = uuidv7() as ReceiptId;
    const entry = { receiptId, lane: LANES.LIVE, eventCount: 1, receivedAt: acceptedAt, payload };
    return writer.write(tenantId, { receiptId, acceptedAt, acceptedCount: 1, refused: [] }, entry, null);
  };
}

test("calls that gather go in together as far as their size allows", async () => {
  const inserts: string[] = [];
  const pool = new Pool({
    database: "events",
    url: pipeline.databases.eventsUrl,
    maxConnections: 2,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log: pino({ level: "silent" }),
    onStatement: (name) => name === "inbox.append" && inserts.push(name),
  });
  const writer = new InboxWriter(pool);
  const tenantId = await pipeline.createTenant();
  const write = writingTo(writer, tenantId);
  const large = JSON.stringify(["x".repeat(3_000_000)]);
  await Promise.all(["[]", large, large, large, "[]"].map((payload) => write(payload)));
  await writer.stop();
  await pool.stop();
  // The first goes at once; then two of the large ones; then what is left.
  expect(inserts).toHaveLength(3);
  await lanesInOrder(1000);
});

test("behind an insert that hangs a call waits for so long at most, and no more wait than there is room for", async () => {
  const writer = new InboxWriter(pipeline.events, { waitTimeoutMs: 0, maxWaitingChars: 100 });
  const tenantId = await pipeline.createTenant();
  const write = writingTo(writer, tenantId);
  const admin = new Client({ connectionString: pipeline.databases.eventsUrl });
  await admin.connect();
  await admin.query("begin; lock table inbox in access exclusive mode");
  const inFlight = write("[]");
  const waiting = Promise.allSettled([write(`["${"x".repeat(90)}"]`)]);
  await expect(write("[1, 2, 3, 4, 5]")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await admin.query("commit");
  expect(await inFlight).toMatchObject({ acceptedCount: 1 });
  expect(await waiting).toMatchObject([{ status: "rejected", reason: { code: "UNAVAILABLE" } }]);
  // There is room again.
  expect(await write("[1, 2, 3, 4, 5]")).toMatchObject({ acceptedCount: 1 });
  const { rows } = await admin.query("select payload::text from inbox where tenant_id = $1 order by id", [tenantId]);
  expect(rows).toEqual([{ payload: "[]" }, { payload: "[1, 2, 3, 4, 5]" }]);
  await admin.end();
  await writer.stop();
  await lanesInOrder(1000);
});

test("a call that is larger than the room for those that wait is taken where none waits before it", async () => {
  const writer = new InboxWriter(pipeline.events, { maxWaitingChars: 10 });
  const write = writingTo(writer, await pipeline.createTenant());
  const [first, second, third] = ["[]", `["${"x".repeat(90)}"]`, "[1]"].map((payload) => write(payload));
  await expect(third).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(await Promise.all([first, second])).toMatchObject([{ acceptedCount: 1 }, { acceptedCount: 1 }]);
  await writer.stop();
  await lanesInOrder(1000);
});

test("what is live is recorded before what was handed over in bulk, though it came later", async () => {
  const [importing, clicking] = [await pipeline.createTenant(), await pipeline.createTenant()];
  for (let row = 0; row < 5; row++) await accept(importing, LANES.BULK, 10);
  await accept(clicking, LANES.LIVE);
  expect((await lanesInOrder(10)).slice(0, 2)).toEqual([LANES.LIVE, LANES.BULK]);
});

test("a flood of live events leaves bulk ones a batch now and then", async () => {
  const [importing, clicking] = [await pipeline.createTenant(), await pipeline.createTenant()];
  for (let row = 0; row < 20; row++) await accept(clicking, LANES.LIVE, 10);
  await accept(importing, LANES.BULK);
  const lanes = await lanesInOrder(10);
  expect(lanes.indexOf(LANES.BULK)).toBeLessThan(10);
  expect(lanes.lastIndexOf(LANES.LIVE)).toBeGreaterThan(lanes.indexOf(LANES.BULK));
});

test("a worker that is asked to stop finishes the batch in hand", async () => {
  const tenantId = await pipeline.createTenant();
  for (let row = 0; row < 10; row++) await accept(tenantId, LANES.LIVE, 100);
  const batches: number[] = [];
  const worker = new Worker({
    events: pipeline.events,
    partitions: new Partitions(pipeline.events),
    concurrency: 1,
    maxEventsPerBatch: 100,
    pollMs: 5,
    maxLinksPerCampaign: 1000,
    retries: TEST_RETRIES,
    now: () => instantFromMillis(Date.now()),
    log: pino({ level: "silent" }),
    onBatch: ({ recorded }) => batches.push(recorded),
  });
  await waitFor(() => batches.length > 0, { what: "a first batch" });
  await worker.stop();
  expect(batches.every((recorded) => recorded === 100)).toBe(true);
  await lanesInOrder(1000);
});
