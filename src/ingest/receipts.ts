/** What became of a recordEvents call: in the inbox until its events are applied, then a row of its own for 7 days. */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { ReceiptId, TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { ReceiptReason } from "./dead-letters/dead-reason.js";

export type ReceiptStatus = "QUEUED" | "APPLIED" | "DEAD";

export interface Receipt {
  readonly id: ReceiptId;
  readonly status: ReceiptStatus;
  readonly acceptedAt: EpochMicros;
  /** When the last of its events so far was recorded. */
  readonly appliedAt: EpochMicros | null;
  readonly recordedCount: number;
  readonly duplicateCount: number;
  /** Why it is DEAD; null where it is not. */
  readonly reason: ReceiptReason | null;
}

/** What a batch adds to a receipt. */
export interface ReceiptProgress {
  readonly tenantId: TenantId;
  readonly id: ReceiptId;
  readonly status: "APPLIED" | "DEAD";
  readonly acceptedAt: EpochMicros;
  recordedCount: number;
  duplicateCount: number;
}

const write = defineStatement<"events", [progress: string, appliedAt: string], never>(
  "events",
  "receipts.write",
  // The status is for programs that read it here alone; see findReceipt.
  `insert into receipts (tenant_id, id, status, accepted_at, applied_at, recorded_count, duplicate_count)
   select tenant_id, id, status, accepted_at, $2::timestamptz, recorded_count, duplicate_count
   from json_to_recordset($1) as progress
     (tenant_id uuid, id uuid, status receipt_status, accepted_at timestamptz, recorded_count bigint, duplicate_count bigint)
   order by tenant_id, id
   on conflict (tenant_id, id) do update set
     status = greatest(receipts.status, excluded.status),
     applied_at = excluded.applied_at,
     recorded_count = receipts.recorded_count + excluded.recorded_count,
     duplicate_count = receipts.duplicate_count + excluded.duplicate_count`,
);

export async function writeReceipts(
  session: Session<"events">,
  progress: readonly ReceiptProgress[],
  appliedAt: EpochMicros,
): Promise<void> {
  const rows = progress.map((receipt) => ({
    tenant_id: receipt.tenantId,
    id: receipt.id,
    status: receipt.status,
    accepted_at: formatInstant(receipt.acceptedAt),
    recorded_count: receipt.recordedCount,
    duplicate_count: receipt.duplicateCount,
  }));
  await session.run(write(JSON.stringify(rows), formatInstant(appliedAt)));
}

interface ReceiptRow {
  readonly id: ReceiptId;
  readonly status: ReceiptStatus;
  readonly accepted_at: EpochMicros;
  readonly applied_at: EpochMicros | null;
  readonly recorded_count: number;
  readonly duplicate_count: number;
  readonly reason: ReceiptReason | null;
}

const find = defineStatement<"events", [TenantId, ReceiptId], ReceiptRow>(
  "events",
  "receipts.find",
  // A call is QUEUED as long as a part of it waits, and DEAD as long as a letter of it is left, or was given up; one that is
  // left says why before one that was given up, and the first that died before the others.
  `select $2::uuid as id,
     case when waiting.accepted_at is not null then 'QUEUED' when letter.reason is not null then 'DEAD' else 'APPLIED' end
       as status,
     case when waiting.accepted_at is null then letter.reason end as reason,
     coalesce(waiting.accepted_at, receipts.accepted_at) as accepted_at,
     case when waiting.accepted_at is null then receipts.applied_at end as applied_at,
     coalesce(receipts.recorded_count, 0) as recorded_count,
     coalesce(receipts.duplicate_count, 0) as duplicate_count
   from (select min(received_at) as accepted_at from inbox where tenant_id = $1 and receipt_id = $2) as waiting
   left join receipts on receipts.tenant_id = $1 and receipts.id = $2
   left join lateral (
     select case when discarded_at is null then reason::text else 'DISCARDED' end as reason
     from dead_letters where tenant_id = $1 and receipt_id = $2
     order by discarded_at is not null, id
     limit 1
   ) as letter on true
   where coalesce(waiting.accepted_at, receipts.accepted_at) is not null`,
);

/** The receipt, or null where the tenant has none of this id (any more). */
export async function findReceipt(
  session: Session<"events">,
  tenantId: TenantId,
  id: ReceiptId,
): Promise<Receipt | null> {
  const [row] = await session.run(find(tenantId, id));
  if (row === undefined) return null;
  return {
    id: row.id,
    status: row.status,
    acceptedAt: row.accepted_at,
    appliedAt: row.applied_at,
    recordedCount: row.recorded_count,
    duplicateCount: row.duplicate_count,
    reason: row.reason,
  };
}
