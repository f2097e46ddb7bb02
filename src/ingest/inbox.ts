/**
 * Accepted events wait here, durable before the call is answered, until a worker's transaction records them and deletes
 * them in one: exactly once, without leases. Live calls come before bulk ones, and every tenant that waits gets its share
 * of a batch, so that one tenant's flood is not another's wait. What failed waits apart: see inbox-retries.ts.
 */
import type { Session } from "../database/pool.js";
import { defineStatement, type Statement } from "../database/statement.js";
import type { Lane } from "../events/outbox.js";
import type { ReceiptId, TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { INBOX_FORMAT } from "./inbox-payload.js";

export interface InboxEntry {
  readonly receiptId: ReceiptId;
  readonly lane: Lane;
  readonly eventCount: number;
  readonly receivedAt: EpochMicros;
  /** Of writePayload. */
  readonly payload: string;
}

export interface InboxRow {
  readonly id: number;
  /** The lane that its call came by, also while it waits for another try. */
  readonly lane: Lane;
  readonly is_retry: boolean;
  readonly tenant_id: TenantId;
  readonly receipt_id: ReceiptId;
  readonly format: number;
  readonly event_count: number;
  readonly received_at: EpochMicros;
  /** Tries that failed. */
  readonly attempts: number;
  readonly first_failed_at: EpochMicros | null;
  /** JSON, parsed by readPayload: the driver would fail the whole batch for one row that it cannot parse. */
  readonly payload: string;
}

/** An InboxRow of the table `inbox`. A row that failed lies two lanes below its own. */
export const INBOX_ROW_COLUMNS = `inbox.id, inbox.lane % 2 as lane, inbox.lane >= 2 as is_retry, inbox.tenant_id,
  inbox.receipt_id, inbox.format, inbox.event_count, inbox.received_at, inbox.attempts, inbox.first_failed_at,
  inbox.payload::text as payload`;

/** Where a row lies in the table's primary key. */
export function laneInTable(row: Pick<InboxRow, "lane" | "is_retry">): number {
  return row.lane + (row.is_retry ? 2 : 0);
}

/** Between payloads. JSON has no control characters but in escaped form, so none holds it. */
const SEPARATOR = "\u001E";

const append = defineStatement<
  "events",
  [
    TenantId,
    lanes: readonly Lane[],
    receiptIds: readonly ReceiptId[],
    eventCounts: readonly number[],
    receivedAt: readonly string[],
    payloads: string,
  ],
  never
>(
  "events",
  "inbox.append",
  // The payloads in one text: in a list of rows as JSON they would be parsed twice, in an array of texts every quote escaped.
  `insert into inbox (tenant_id, lane, receipt_id, format, event_count, received_at, payload)
   select $1, lane, receipt_id, ${INBOX_FORMAT}, event_count, received_at, payload::json
   from unnest($2::smallint[], $3::uuid[], $4::integer[], $5::timestamptz[], string_to_array($6, e'\\x1e'))
     as entry (lane, receipt_id, event_count, received_at, payload)`,
);

export function appendToInbox(tenantId: TenantId, entries: readonly InboxEntry[]): Statement<"events", never> {
  return append(
    tenantId,
    entries.map((entry) => entry.lane),
    entries.map((entry) => entry.receiptId),
    entries.map((entry) => entry.eventCount),
    entries.map((entry) => formatInstant(entry.receivedAt)),
    entries.map((entry) => entry.payload).join(SEPARATOR),
  );
}

/** The tenants that wait in a lane, found by skipping from one to the next in the primary key. */
const findWaiting = defineStatement<"events", [Lane], { tenant_id: TenantId }>(
  "events",
  "inbox.find_waiting",
  `with recursive waiting as (
     (select tenant_id from inbox where lane = $1 order by tenant_id limit 1)
     union all
     select (select tenant_id from inbox where lane = $1 and tenant_id > waiting.tenant_id order by tenant_id limit 1)
     from waiting where waiting.tenant_id is not null
   )
   select tenant_id from waiting where tenant_id is not null`,
);

/**
 * Claims the oldest rows of each tenant, as many as make up its share of events, and at least one. What another worker has
 * locked is left out. How many rows to lock is guessed from the first one; where larger calls stand behind it, those past the
 * share are let go with the transaction, and their payloads are never read: memory must not follow from a guess.
 */
const lockShares = defineStatement<"events", [Lane, readonly TenantId[], share: number, formats: number], InboxRow>(
  "events",
  "inbox.lock_shares",
  `select ${INBOX_ROW_COLUMNS}
   from unnest($2::uuid[]) as tenant (id)
   cross join lateral (
     select event_count from inbox where lane = $1 and tenant_id = tenant.id order by inbox.id limit 1
   ) as oldest
   cross join lateral (
     select locked.*, sum(locked.event_count) over (order by locked.id) as through
     from (
       select * from inbox
       where lane = $1 and tenant_id = tenant.id and format <= $4
       order by inbox.id
       limit greatest(1, $3 / oldest.event_count)
       for update skip locked
     ) as locked
   ) as inbox
   where inbox.through <= $3 or inbox.through = inbox.event_count`,
);

/** Every tenant gets at least one row, of up to a whole call's events: so a batch has an end. */
const MAX_TENANTS_PER_BATCH = 50;

/** The next batch of a lane, in the order of arrival. `turn` says whose share comes first where there are many tenants. */
export async function claimFromLane(
  session: Session<"events">,
  lane: Lane,
  maxEvents: number,
  turn: number,
): Promise<InboxRow[]> {
  const waiting = (await session.run(findWaiting(lane))).map((row) => row.tenant_id);
  if (waiting.length === 0) return [];
  const start = turn % waiting.length;
  const inTurn = [...waiting.slice(start), ...waiting.slice(0, start)].slice(0, MAX_TENANTS_PER_BATCH);
  const share = Math.max(1, Math.floor(maxEvents / inTurn.length));
  const rows = await session.run(lockShares(lane, inTurn, share, INBOX_FORMAT));
  return rows.toSorted((a, b) => a.id - b.id);
}

const remove = defineStatement<"events", [readonly number[], readonly TenantId[], readonly number[]], { id: number }>(
  "events",
  "inbox.remove",
  `delete from inbox using unnest($1::smallint[], $2::uuid[], $3::bigint[]) as done (lane, tenant_id, id)
   where inbox.lane = done.lane and inbox.tenant_id = done.tenant_id and inbox.id = done.id
   returning inbox.id`,
);

/** Returns how many of the rows were still there. */
export async function removeFromInbox(session: Session<"events">, rows: readonly InboxRow[]): Promise<number> {
  const removed = await session.run(
    remove(
      rows.map((row) => laneInTable(row)),
      rows.map((row) => row.tenant_id),
      rows.map((row) => row.id),
    ),
  );
  return removed.length;
}
