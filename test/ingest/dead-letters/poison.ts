import { defineStatement } from "../../../src/database/statement.js";
import { type Lane, LANES } from "../../../src/events/outbox.js";
import type { Pool } from "../../../src/database/pool.js";
import { type ReceiptId, type TenantId, uuidv7 } from "../../../src/ids.js";
import { appendToInbox } from "../../../src/ingest/inbox.js";
import { type InboxEvent, writePayload } from "../../../src/ingest/inbox-payload.js";
import { runAsTenant, writeAsWorker } from "../../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../../src/time/instant.js";

/** An event as intake accepts it. */
export const accepted = (eventId: string, more: Readonly<Record<string, unknown>> = {}) => ({
  key: uuidv7(),
  eventId,
  type: "SENT",
  campaignId: uuidv7(),
  recipientKey: uuidv7(),
  address: `${eventId}@example.com`,
  occurredAt: Date.UTC(2026, 9, 1) * 1000,
  ...more,
});

/** Only a fault of the program lets one in: its campaign is no id. */
export const poisoned = (eventId: string, more: Readonly<Record<string, unknown>> = {}) =>
  accepted(eventId, { ...more, campaignId: "no id" });

/** Puts what intake would never have accepted into the inbox, as one call. Returns its receipt. */
export async function slipIn(
  events: Pool<"events">,
  tenantId: TenantId,
  payload: readonly object[],
  lane: Lane = LANES.LIVE,
): Promise<ReceiptId> {
  const receiptId = uuidv7() as ReceiptId;
  const receivedAt = instantFromMillis(Date.now());
  const entry = {
    receiptId,
    lane,
    eventCount: payload.length,
    receivedAt,
    payload: writePayload(payload as InboxEvent[]),
  };
  await runAsTenant(events, tenantId, appendToInbox(tenantId, [entry]));
  return receiptId;
}

const insertRow = defineStatement<"events", [TenantId, ReceiptId, format: number, payload: string], never>(
  "events",
  "test.insert_row",
  `insert into inbox (tenant_id, lane, receipt_id, format, event_count, payload, received_at)
   values ($1, 0, $2, $3, 1, $4::json, now())`,
);

/** Puts any JSON at all into the inbox. */
export async function slipInJson(
  events: Pool<"events">,
  tenantId: TenantId,
  payload: string,
  format = 1,
): Promise<ReceiptId> {
  const receiptId = uuidv7() as ReceiptId;
  await writeAsWorker(events, (session) => session.run(insertRow(tenantId, receiptId, format, payload)));
  return receiptId;
}

/** A fault that is not of the data: while it is there the log takes no event whose message is "gated". */
export const closeGate = defineStatement<"events", [], never>(
  "events",
  "test.close_gate",
  "alter table sent add constraint sent_gate check (message_id is distinct from 'gated') not valid",
);
export const openGate = defineStatement<"events", [], never>(
  "events",
  "test.open_gate",
  "alter table sent drop constraint sent_gate",
);
