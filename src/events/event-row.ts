/** Events as they are read: one form of row for all ten types, what a type does not carry being null or not there. */
import type { CampaignId, EventKey, RecipientKey } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";
import { COUNTED_DETAILS, type EventDetails, type EventType } from "./event.js";
import { EVENT_TABLES, type EventTable } from "./event-tables.js";

type DetailFields = { readonly [Field in keyof EventDetails]?: NonNullable<EventDetails[Field]> | null };

export interface EventRow extends DetailFields {
  readonly type: EventType;
  /** Tells the event within its tenant, over all types. */
  readonly key: EventKey;
  readonly eventId: string;
  readonly campaignId: CampaignId;
  readonly recipientKey: RecipientKey;
  /** The address; ERASED_RECIPIENT; or the key as text, where no address is kept. */
  readonly recipient: string;
  readonly messageId: string | null;
  readonly occurredAt: EpochMicros;
  readonly receivedAt: EpochMicros;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Stands for the address of a person who was erased. */
export const ERASED_RECIPIENT = "(erased)";

/** What events of these types carry. */
function detailsOf(types: readonly EventType[]): EventTable["details"] {
  const details = types.flatMap((type) => EVENT_TABLES[type].details);
  return [...new Map(details.map((detail) => [detail.column, detail])).values()];
}

/** What the branch of one type's table, which it calls `event`, selects in a union over these types. */
export function branchColumns(table: EventTable, types: readonly EventType[]): string {
  const own = new Set(table.details.map(({ column }) => column));
  return [
    `'${table.type}' as type`,
    "event.id, event.event_id, event.campaign_id, event.recipient_key, event.message_id",
    "event.occurred_at, event.received_at, event.metadata",
    ...detailsOf(types).map(({ column, sqlType }) =>
      own.has(column) ? `event.${column}` : `null::${sqlType} as ${column}`,
    ),
  ].join(", ");
}

/** Of a row of the table of recipients that may not be there: it is, and says that the person was erased. */
const IS_ERASED = "(recipients.recipient_key is not null and recipients.address is null)";

/** What does not count is hidden from the moment of the erasure on: a worker needs its time to empty the rows. */
const unlessErased = (column: string): string => `case when ${IS_ERASED} then null else ${column} end`;

/** An EventRow, from a union over these types called `event` and the table of recipients beside it. */
export function eventRowColumns(types: readonly EventType[]): string {
  return [
    `event.type, event.id as key, event.campaign_id as "campaignId", event.recipient_key as "recipientKey"`,
    `case when ${IS_ERASED} then event.id::text else event.event_id end as "eventId"`,
    `case when recipients.recipient_key is null then 'key:' || event.recipient_key
     else coalesce(recipients.address, '${ERASED_RECIPIENT}') end as recipient`,
    `${unlessErased("event.message_id")} as "messageId"`,
    `event.occurred_at as "occurredAt", event.received_at as "receivedAt"`,
    `coalesce(${unlessErased("event.metadata")}, '{}') as metadata`,
    ...detailsOf(types).map(
      ({ field, column }) =>
        `${COUNTED_DETAILS.has(field) ? `event.${column}` : unlessErased(`event.${column}`)} as "${field}"`,
    ),
  ].join(", ");
}
