/**
 * The event log: one table per type of event, by month, and a ledger of ids that makes an event count once per tenant,
 * also when it comes again with another time or content. What the log holds is what counted.
 */
import { instantArray, textArray, uuidArray } from "../database/binary-arrays.js";
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { EventKey, ReceiptId, TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";
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

const remember = defineStatement<
  "events",
  [tenantIds: Buffer, ids: Buffer, occurredAt: Buffer],
  { fresh: number; tenant_ids: readonly TenantId[] | null; ids: readonly EventKey[] | null }
>(
  "events",
  "event_log.remember_ids",
  // In order, so that workers with the same ids wait for each other and never in a circle. Which ids are new is told where some
  // are not: most batches bring none twice.
  `with fresh as (
     insert into event_ids (tenant_id, id, occurred_at)
     select ($1::uuid[])[n], ($2::uuid[])[n], ($3::timestamptz[])[n]
     from generate_series(1, cardinality($1::uuid[])) as n
     order by 1, 2
     on conflict (tenant_id, id) do nothing
     returning tenant_id, id
   )
   select count(*)::integer as fresh,
     case when count(*) < cardinality($1::uuid[]) then array_agg(tenant_id) end as tenant_ids,
     case when count(*) < cardinality($1::uuid[]) then array_agg(id) end as ids
   from fresh`,
);

/** Keeps the events whose ids the log has not met, the first of each, and remembers them. The rest are duplicates. */
export async function withoutDuplicates(
  session: Session<"events">,
  received: readonly ReceivedEvent[],
): Promise<readonly ReceivedEvent[]> {
  const met = new IdSet();
  const first = received.filter(({ tenantId, event }) => met.add(tenantId, event.key));
  const [answer] = await session.run(
    remember(
      uuidArray(first, (item) => item.tenantId),
      uuidArray(first, (item) => item.event.key),
      instantArray(first, (item) => item.event.occurredAt),
    ),
  );
  if (answer?.fresh === first.length) return first;
  const kept = new IdSet();
  answer?.tenant_ids?.forEach((tenantId, position) => kept.add(tenantId, answer.ids?.[position]));
  return first.filter(({ tenantId, event }) => kept.has(tenantId, event.key));
}

/** Ids of events by tenant: one text of both for each takes longer. */
class IdSet {
  readonly #tenants = new Map<TenantId, Set<EventKey | undefined>>();

  /** False where it was there. */
  add(tenantId: TenantId, id: EventKey | undefined): boolean {
    let ids = this.#tenants.get(tenantId);
    if (ids === undefined) this.#tenants.set(tenantId, (ids = new Set()));
    const before = ids.size;
    return ids.add(id).size > before;
  }

  has(tenantId: TenantId, id: EventKey): boolean {
    return this.#tenants.get(tenantId)?.has(id) ?? false;
  }
}

/** What a type's table holds beside what all have: what readers see, and the link that a click counts as. */
const OWN_COLUMNS = recordOf(EVENT_TYPES, (type) => [
  ...EVENT_TABLES[type].details,
  ...(type === "CLICKED" ? [{ field: "linkKey", column: "link_key", sqlType: "uuid" } as const] : []),
]);

const appends = recordOf(EVENT_TYPES, (type) => {
  const { name } = EVENT_TABLES[type];
  const details = OWN_COLUMNS[type];
  const columns = details.map(({ column }) => column);
  return defineStatement<"events", readonly Buffer[], never>(
    "events",
    `event_log.append_${name}`,
    `insert into ${name} (tenant_id, id, campaign_id, recipient_key, receipt_id, occurred_at, received_at,
       ${["event_id", "message_id", "metadata", ...columns].join(", ")})
     select ($1::uuid[])[n], ($2::uuid[])[n], ($3::uuid[])[n], ($4::uuid[])[n], ($5::uuid[])[n],
       ($6::timestamptz[])[n], ($7::timestamptz[])[n],
       ${["event_id", "message_id", "metadata::jsonb", ...details.map((detail) => `${detail.column}::${detail.sqlType}`)].join(", ")}
     from rows from (generate_series(1, cardinality($1::uuid[])),
       unnest(${["event_id", "message_id", "metadata", ...columns].map((_, at) => `$${at + 8}::text[]`).join(", ")}))
       as event (n, ${["event_id", "message_id", "metadata", ...columns].join(", ")})`,
  );
});

/** Writes events that are known to be new. Their partitions must exist. */
export async function appendToLog(session: Session<"events">, events: readonly ReceivedEvent[]): Promise<void> {
  const byType = Map.groupBy(events, ({ event }) => event.type);
  // Async: where the values of one type cannot be written, those of others are on their way, and may fail as well.
  const appended = Array.from(byType, async ([type, ofType]) =>
    session.run(
      appends[type](
        uuidArray(ofType, (item) => item.tenantId),
        uuidArray(ofType, (item) => item.event.key),
        uuidArray(ofType, (item) => item.event.campaignId),
        uuidArray(ofType, (item) => item.event.recipientKey),
        uuidArray(ofType, (item) => item.receiptId),
        instantArray(ofType, (item) => item.event.occurredAt),
        instantArray(ofType, (item) => item.receivedAt),
        textArray(ofType, (item) => item.event.eventId),
        textArray(ofType, (item) => item.event.messageId),
        textArray(
          ofType.map(({ event: { metadata } }) => (metadata === undefined ? undefined : JSON.stringify(metadata))),
          (metadata) => metadata,
        ),
        ...OWN_COLUMNS[type].map(({ field }) => textArray(ofType, (item) => item.event[field])),
      ),
    ),
  );
  await Promise.all(appended);
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

/**
 * Keeps the addresses of recipients who were not met before, of those events that have one. Whoever was erased has a row already,
 * and stays without an address.
 */
export async function rememberAddresses(session: Session<"events">, events: readonly ReceivedEvent[]): Promise<void> {
  const recipients = new Map<string, unknown>();
  for (const { tenantId, event } of events) {
    if (event.address === undefined) continue;
    const row = { tenant_id: tenantId, recipient_key: event.recipientKey, address: event.address };
    recipients.set(`${tenantId}${event.recipientKey}`, row);
  }
  if (recipients.size > 0) await session.run(rememberRecipients(JSON.stringify([...recipients.values()])));
}
