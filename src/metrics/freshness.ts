import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";

export interface FreshnessOfRollups {
  /** Whatever the tenant had accepted before this is in the rollups. */
  readonly rolledUpThrough: EpochMicros;
  /** Accepted events that are not. */
  readonly pendingEvents: number;
}

/** The lanes, those of what failed among them, are named so that the inbox is found by its primary key. */
const findPending = defineStatement<"events", [TenantId], { pending: number; oldest: EpochMicros | null }>(
  "events",
  "freshness.find_pending",
  `select coalesce(sum(event_count), 0)::bigint as pending, min(received_at) filter (where event_count > 0) as oldest
   from (
     select event_count, received_at from inbox where tenant_id = $1 and lane in (0, 1, 2, 3)
     union all
     select event_count, received_at from outbox where tenant_id = $1
   ) as waiting`,
);

/**
 * How far the rollups are, at the least: to be read before the numbers that it stands beside, so that `pendingEvents` 0
 * means that they hold everything.
 */
export async function readFreshness(
  session: Session<"events">,
  tenantId: TenantId,
  now: EpochMicros,
): Promise<FreshnessOfRollups> {
  const [found] = await session.run(findPending(tenantId));
  const oldest = found?.oldest ?? now;
  return { rolledUpThrough: oldest < now ? oldest : now, pendingEvents: found?.pending ?? 0 };
}
