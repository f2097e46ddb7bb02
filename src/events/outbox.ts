/**
 * The outbox carries what the metrics database has to learn. A message is written in the same transaction as what it tells
 * of, and removed after the metrics database has committed it; a message that is delivered twice is told by its id there.
 * Messages are not ordered: each says a difference, or a state with its revision.
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";

/** Live events and what people do come before what was handed over in bulk. */
export const LANES = { LIVE: 0, BULK: 1 } as const;
export type Lane = (typeof LANES)[keyof typeof LANES];

/** The newest that this program writes and reads: 2 tells of links by time. It reads all before. */
export const OUTBOX_FORMAT = 2;

export interface OutboxMessage {
  readonly id: string;
  readonly tenantId: TenantId;
  readonly lane: Lane;
  readonly eventCount: number;
  /** When the oldest of its events was accepted. */
  readonly receivedAt: EpochMicros;
  readonly payload: unknown;
}

const append = defineStatement<"events", [string], never>(
  "events",
  "outbox.append",
  `insert into outbox (id, tenant_id, lane, format, event_count, received_at, payload)
   select id, tenant_id, lane, ${OUTBOX_FORMAT}, event_count, received_at, payload
   from json_to_recordset($1) as message
     (id uuid, tenant_id uuid, lane smallint, event_count integer, received_at timestamptz, payload json)`,
);

export async function appendToOutbox(session: Session<"events">, messages: readonly OutboxMessage[]): Promise<void> {
  if (messages.length === 0) return;
  const rows = messages.map((message) => ({
    id: message.id,
    tenant_id: message.tenantId,
    lane: message.lane,
    event_count: message.eventCount,
    received_at: formatInstant(message.receivedAt),
    payload: message.payload,
  }));
  await session.run(append(JSON.stringify(rows)));
}

export interface StoredMessage {
  readonly id: string;
  readonly tenant_id: TenantId;
  readonly lane: Lane;
  readonly format: number;
  readonly event_count: number;
  readonly received_at: EpochMicros;
  readonly payload: unknown;
}

const STORED = "outbox.id, tenant_id, outbox.lane, format, event_count, received_at, payload";

/**
 * Locks the next messages, live ones first. What another projector has locked is left out, as are messages, and those of tenants, that
 * were set aside, and what a newer program wrote is left to one that knows its format.
 */
export const claimMessages = defineStatement<
  "events",
  [limit: number, setAsideTenants: readonly TenantId[], setAside: readonly string[]],
  StoredMessage
>(
  "events",
  "outbox.claim",
  `select ${STORED} from outbox
   where format <= ${OUTBOX_FORMAT} and tenant_id <> all ($2::uuid[]) and id <> all ($3::uuid[])
   order by lane, id limit $1 for update skip locked`,
);

/** Locks those of these messages that nobody has taken meanwhile. */
export const claimAgain = defineStatement<"events", [lanes: readonly number[], ids: readonly string[]], StoredMessage>(
  "events",
  "outbox.claim_again",
  `select ${STORED} from outbox
   join unnest($1::smallint[], $2::uuid[]) as failed (lane, id) on outbox.lane = failed.lane and outbox.id = failed.id
   for update of outbox skip locked`,
);

export const removeMessages = defineStatement<"events", [lanes: readonly number[], ids: readonly string[]], never>(
  "events",
  "outbox.remove",
  `delete from outbox using unnest($1::smallint[], $2::uuid[]) as done (lane, id)
   where outbox.lane = done.lane and outbox.id = done.id`,
);
