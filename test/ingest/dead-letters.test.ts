import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { LANES } from "../../src/events/outbox.js";
import type { ReceiptId, TenantId } from "../../src/ids.js";
import { appendToInbox } from "../../src/ingest/inbox.js";
import { findReceipt } from "../../src/ingest/receipts.js";
import { uuidv7 } from "../../src/ids.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 2 });
});
afterAll(() => pipeline.stop());

const readPayloads = defineStatement<"events", [TenantId], { payload: object[] }>(
  "events",
  "test.read_payloads",
  "select payload from inbox where tenant_id = $1",
);
const readDeadLetters = defineStatement<"events", [TenantId], { payload: { eventId: string }[]; error: string }>(
  "events",
  "test.read_dead_letters",
  "select payload, error from dead_letters where tenant_id = $1",
);
const countSent = defineStatement<"events", [TenantId], { sent: number }>(
  "events",
  "test.count_sent",
  "select count(*) as sent from sent where tenant_id = $1",
);
const dropPartition = defineStatement<"events", [], never>("events", "test.drop_partition", "drop table sent_2026_10");

const sentTo = (recipient: string, occurredAt = "2026-10-01T10:00:00Z") => ({
  type: "SENT",
  campaignExternalId: "spring",
  recipient,
  occurredAt,
});

test("an event that cannot be recorded stands alone among the dead letters, and all that came with it count", async () => {
  const tenantId = await pipeline.createTenant();
  const names = Array.from({ length: 9 }, (_, index) => `p${index}@example.com`);
  const receiptId = uuidv7() as ReceiptId;
  // As intake would have accepted them, but for one whose campaign is no id: only a fault of the program makes such a one.
  const good = names.map((name, index) => ({
    key: uuidv7(),
    eventId: `e${index}`,
    type: "SENT",
    campaignId: uuidv7(),
    recipientKey: uuidv7(),
    address: name,
    occurredAt: Date.UTC(2026, 9, 1) * 1000,
  }));
  const events = good.map((event, index) => (index === 4 ? { ...event, campaignId: "no id" } : event));
  const entry = {
    receiptId,
    lane: LANES.LIVE,
    eventCount: events.length,
    receivedAt: instantFromMillis(Date.now()),
    payload: JSON.stringify(events),
  };
  await writeAsTenant(pipeline.events, tenantId, (session) => appendToInbox(session, tenantId, [entry]));
  await pipeline.settled();

  const [dead, receipt, [log]] = await writeAsWorker(pipeline.events, async (session) => [
    await session.run(readDeadLetters(tenantId)),
    await findReceipt(session, tenantId, receiptId),
    await session.run(countSent(tenantId)),
  ]);
  expect(dead).toEqual([
    { payload: [expect.objectContaining({ eventId: "e4" })], error: expect.stringContaining("uuid") },
  ]);
  expect(receipt).toMatchObject({ status: "DEAD", recordedCount: 8, duplicateCount: 0 });
  expect(log).toEqual({ sent: 8 });
});

test("events whose partition was dropped meanwhile are recorded all the same", async () => {
  const tenantId = await pipeline.createTenant();
  const accept = (name: string) =>
    pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events: [sentTo(`${name}@example.com`)] });
  await accept("before");
  await pipeline.settled();
  await pipeline.asOwner(dropPartition());
  await accept("after");
  await pipeline.settled();
  const [log, waiting, dead] = await writeAsWorker(pipeline.events, async (session) => [
    await session.run(countSent(tenantId)),
    await session.run(readPayloads(tenantId)),
    await session.run(readDeadLetters(tenantId)),
  ]);
  expect({ log, waiting, dead }).toEqual({ log: [{ sent: 1 }], waiting: [], dead: [] });
});
