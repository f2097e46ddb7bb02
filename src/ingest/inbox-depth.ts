import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { runAsWorker } from "../tenancy/transactions.js";
import type { EpochMicros } from "../time/instant.js";

const readDepth = defineStatement<"events", [], { waiting: number; oldest: EpochMicros | null }>(
  "events",
  "inbox.read_depth",
  "select coalesce(sum(event_count), 0)::bigint as waiting, min(received_at) as oldest from inbox",
);

/** How many accepted events wait for a worker, over all tenants, and since when. */
export async function readInboxDepth(
  events: Pool<"events">,
): Promise<{ readonly waitingEvents: number; readonly oldestAt: EpochMicros | null }> {
  const [row] = await runAsWorker(events, readDepth());
  return { waitingEvents: row?.waiting ?? 0, oldestAt: row?.oldest ?? null };
}
