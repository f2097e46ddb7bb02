import { expect, test } from "vitest";
import { appendToOutbox, LANES } from "../../src/events/outbox.js";
import { type ReceiptId, type TenantId, uuidv7 } from "../../src/ids.js";
import { appendToInbox } from "../../src/ingest/inbox.js";
import { readFreshness } from "../../src/metrics/freshness.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { at } from "../time/times.js";
import { metricsUnderTest, newTenant } from "./metrics-under-test.js";

const subject = metricsUnderTest();
const now = at("2026-05-01T12:00:00Z");

async function freshnessOf(tenantId: TenantId, namedTenant = tenantId) {
  const { result, statements } = await subject.read(subject.events, tenantId, (session) =>
    readFreshness(session, namedTenant, now),
  );
  expect(statements).toEqual(["freshness.find_pending"]);
  return result;
}

const wait = (tenantId: TenantId, place: "INBOX" | "OUTBOX", eventCount: number, receivedAt: typeof now) =>
  writeAsWorker<"events", unknown>(subject.events, (session) =>
    place === "INBOX"
      ? session.run(
          appendToInbox(tenantId, [
            { receiptId: uuidv7() as ReceiptId, lane: LANES.BULK, eventCount, receivedAt, payload: "[]" },
          ]),
        )
      : appendToOutbox(session, [{ id: uuidv7(), tenantId, lane: LANES.LIVE, eventCount, receivedAt, payload: {} }]),
  );

test("where nothing waits the rollups reach until now", async () => {
  expect(await freshnessOf(newTenant())).toEqual({ rolledUpThrough: now, pendingEvents: 0 });
});

test("what waits in inbox and outbox is pending, and the oldest of it bounds the rollups", async () => {
  const tenantId = newTenant();
  await wait(tenantId, "INBOX", 3, at("2026-05-01T11:59:00.000001Z"));
  await wait(tenantId, "INBOX", 2, at("2026-05-01T11:59:30Z"));
  expect(await freshnessOf(tenantId)).toEqual({ rolledUpThrough: at("2026-05-01T11:59:00.000001Z"), pendingEvents: 5 });
  await wait(tenantId, "OUTBOX", 7, at("2026-05-01T11:58:00Z"));
  expect(await freshnessOf(tenantId)).toEqual({ rolledUpThrough: at("2026-05-01T11:58:00Z"), pendingEvents: 12 });
});

test("a message about campaigns alone holds nothing back", async () => {
  const tenantId = newTenant();
  await wait(tenantId, "OUTBOX", 0, at("2026-05-01T11:00:00Z"));
  expect(await freshnessOf(tenantId)).toEqual({ rolledUpThrough: now, pendingEvents: 0 });
});

test("a server whose clock is ahead does not put the rollups past now", async () => {
  const tenantId = newTenant();
  await wait(tenantId, "INBOX", 1, at("2026-05-01T12:00:05Z"));
  expect(await freshnessOf(tenantId)).toEqual({ rolledUpThrough: now, pendingEvents: 1 });
});

test("another tenant's waiting events are not seen, by whichever name they are asked for", async () => {
  const [mine, other] = [newTenant(), newTenant()];
  await wait(other, "INBOX", 9, at("2026-05-01T10:00:00Z"));
  await wait(other, "OUTBOX", 9, at("2026-05-01T10:00:00Z"));
  const nothing = { rolledUpThrough: now, pendingEvents: 0 };
  expect(await freshnessOf(mine)).toEqual(nothing);
  expect(await freshnessOf(mine, other)).toEqual(nothing);
  expect(await freshnessOf(other, mine)).toEqual(nothing);
});
