import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { RecipientKey, TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";

/** A person who was erased, and how far that has come. */
export interface Erasure {
  readonly recipientKey: RecipientKey;
  /** When it was asked for first. From then on no address was shown. */
  readonly requestedAt: EpochMicros;
  /** Events that were emptied so far. */
  readonly erasedEvents: number;
  /** When nothing but what counts was left; null while a worker is at it. */
  readonly completedAt: EpochMicros | null;
}

export const ERASURE_COLUMNS = `recipient_key as "recipientKey", requested_at as "requestedAt",
  erased_events as "erasedEvents", completed_at as "completedAt"`;

const find = defineStatement<"events", [TenantId, RecipientKey], Erasure>(
  "events",
  "erasures.find_one",
  `select ${ERASURE_COLUMNS} from erasures where tenant_id = $1 and recipient_key = $2`,
);

/** Null where the tenant has erased nobody of this key. */
export async function findErasure(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
): Promise<Erasure | null> {
  const [erasure] = await session.run(find(tenantId, recipientKey));
  return erasure ?? null;
}
