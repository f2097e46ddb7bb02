/**
 * The event log: one table per type of event, by month, and a ledger of ids that makes an event count once per tenant,
 * also when it comes again with another time or content. What the log holds is what counted.
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { EventKey, ReceiptId, TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { recordOf } from "../record-of.js";
import { type AcceptedEvent, EVENT_TYPES } from "./event.js";
import { EVENT_TABLES } from "./event-tables.js";

/** An event on its way into the log, with the call that brought it. */
export interface ReceivedEvent {
  readonly tenantId: TenantId;
  readonly receiptId: ReceiptId;
  readonly receivedAt: EpochMicros;
  readonly event: AcceptedEvent;
}

const remember = defineStatement<"events", [events: string], { tenant_id: TenantId; id: EventKey }>(
  "events",
  "event_log.remember_ids",
  // In order, so that workers with the same ids wait for each other and never in a circle.
  `insert into event_ids (tenant_id, id, occurred_at)
   select tenant_id, id, occurred_at
   from json_to_recordset($1) as event (tenant_id uuid, id uuid, occurred_at timestamptz)
   order by tenant_id, id
   on conflict (tenant_id, id) do nothing
   returning tenant_id, id`,
);

/** Keeps the events whose ids the log has not met, the first of each, and remembers them. The rest are duplicates. */
export async function withoutDuplicates(
  session: Session<"events">,
  received: readonly ReceivedEvent[],
): Promise<ReceivedEvent[]> {
  const first = new Map<string, ReceivedEvent>();
  for (const item of received) {
    const id = `${item.tenantId}${item.event.key}`;
    if (!first.has(id)) first.set(id, item);
  }
  const timeOf = instantTexts();
  const rows = Array.from(
    first.values(),
    ({ tenantId, event: { key, occurredAt } }) =>
      `{"tenant_id":"${tenantId}","id":"${key}","occurred_at":"${timeOf(occurredAt)}"}`,
  );
  const fresh = await session.run(remember(`[${rows.join(",")}]`));
  if (fresh.length === first.size) return [...first.values()];
  const kept = new Set(fresh.map((row) => `${row.tenant_id}${row.id}`));
  return [...first].flatMap(([id, item]) => (kept.has(id) ? [item] : []));
}

const appends = recordOf(EVENT_TYPES, (type) => {
  const { name, details } = EVENT_TABLES[type];
  const columns = [
    "tenant_id uuid",
    "id uuid",
    "event_id text",
    "campaign_id uuid",
    "recipient_key uuid",
    "message_id text",
    "occurred_at timestamptz",
    "received_at timestamptz",
    "receipt_id uuid",
    "metadata jsonb",
    ...details.map(({ column, sqlType }) => `${column} ${sqlType}`),
  ];
  const names = columns.map((column) => column.split(" ", 1)[0]).join(", ");
  return defineStatement<"events", [events: string], never>(
    "events",
    `event_log.append_${name}`,
    `insert into ${name} (${names}) select ${names} from json_to_recordset($1) as event (${columns.join(", ")})`,
  );
});

/** Writes events that are known to be new. Their partitions must exist. */
export async function appendToLog(session: Session<"events">, events: readonly ReceivedEvent[]): Promise<void> {
  const byType = Map.groupBy(events, ({ event }) => event.type);
  const timeOf = instantTexts();
  for (const [type, ofType] of byType) {
    await session.run(appends[type](`[${ofType.map((item) => rowOf(item, timeOf)).join(",")}]`));
  }
}

/** JSON, put together from what needs no escaping and texts: an object of all columns for each event takes twice as long. */
function rowOf({ tenantId, receiptId, receivedAt, event }: ReceivedEvent, timeOf: (instant: EpochMicros) => string) {
  let row =
    `{"tenant_id":"${tenantId}","id":"${event.key}","event_id":${JSON.stringify(event.eventId)},` +
    `"campaign_id":"${event.campaignId}","recipient_key":"${event.recipientKey}",` +
    `"occurred_at":"${timeOf(event.occurredAt)}","received_at":"${timeOf(receivedAt)}","receipt_id":"${receiptId}"`;
  if (event.messageId !== undefined) row += `,"message_id":${JSON.stringify(event.messageId)}`;
  if (event.metadata !== undefined) row += `,"metadata":${JSON.stringify(event.metadata)}`;
  for (const { field, column } of EVENT_TABLES[event.type].details) {
    const value = event[field];
    if (value !== undefined) row += `,"${column}":${JSON.stringify(value)}`;
  }
  return `${row}}`;
}

/** Writes out each instant once: those of a call were received together, and many of them occurred so. */
function instantTexts(): (instant: EpochMicros) => string {
  const texts = new Map<EpochMicros, string>();
  return (instant) => {
    let text = texts.get(instant);
    if (text === undefined) texts.set(instant, (text = formatInstant(instant)));
    return text;
  };
}

const rememberRecipients = defineStatement<"events", [recipients: string], never>(
  "events",
  "event_log.remember_recipients",
  `insert into recipients (tenant_id, recipient_key, address)
   select tenant_id, recipient_key, address
   from json_to_recordset($1) as recipient (tenant_id uuid, recipient_key uuid, address text)
   order by tenant_id, recipient_key
   on conflict (tenant_id, recipient_key) do nothing`,
);

/** Keeps the addresses of recipients who were not met before. */
export async function rememberAddresses(session: Session<"events">, events: readonly ReceivedEvent[]): Promise<void> {
  if (events.length === 0) return;
  const recipients = new Map<string, unknown>();
  for (const { tenantId, event } of events) {
    const row = { tenant_id: tenantId, recipient_key: event.recipientKey, address: event.address };
    recipients.set(`${tenantId}${event.recipientKey}`, row);
  }
  await session.run(rememberRecipients(JSON.stringify([...recipients.values()])));
}
