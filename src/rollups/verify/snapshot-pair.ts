import type { Pool, Transaction } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { EVENT_TABLE_NAMES } from "../../events/event-tables.js";
import { beginSnapshot } from "../../tenancy/transactions.js";
import { lockProjectorsOut } from "../projector-lock.js";

/**
 * Both databases at one moment: what the log has recorded is in the rollups, or in a message of the log's outbox whose id
 * is not among the rollups' applied_messages, never in both and never in neither.
 */
export interface SnapshotPair {
  readonly log: Transaction<"events">;
  readonly rollups: Transaction<"metrics">;
  /** Never throws. */
  end(): Promise<void>;
}

/**
 * Before the snapshot: a partition that retention drops between the snapshot and the first look at it would be missing
 * without a trace. Whoever drops one has to wait, and must not wait long, since writers queue up behind.
 */
const keepPartitions = defineStatement<"events", [], never>(
  "events",
  "snapshot.keep_partitions",
  `lock table ${EVENT_TABLE_NAMES.join(", ")} in access share mode`,
);

// A snapshot is taken by the first query, not by BEGIN and not by LOCK. This one also settles how the recount is planned:
// after an import there may be no statistics yet, and a nested loop over millions of rows would never end.
const fixLog = defineStatement<"events", [], unknown>(
  "events",
  "snapshot.fix_log",
  `select set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true),
     set_config('work_mem', '64MB', true)`,
);
const fixRollups = defineStatement<"metrics", [], unknown>("metrics", "snapshot.fix_rollups", "select 1");

/** Takes two connections to the metrics database and one to the event log; the caller ends the pair. */
export async function openSnapshotPair(pools: {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
}): Promise<SnapshotPair> {
  const log = await beginSnapshot(pools.events);
  let rollups: Transaction<"metrics"> | undefined;
  try {
    await log.run(keepPartitions());
    rollups = await lockProjectorsOut(pools.metrics, async () => {
      rollups = await beginSnapshot(pools.metrics);
      await rollups.run(fixRollups());
      await log.run(fixLog());
      return rollups;
    });
  } catch (error) {
    await rollups?.rollback();
    await log.rollback();
    throw error;
  }
  const fixed = rollups;
  return {
    log,
    rollups: fixed,
    end: async () => {
      await fixed.rollback();
      await log.rollback();
    },
  };
}
