import type { Pool } from "../../database/pool.js";
import type { CampaignId } from "../../ids.js";
import type { EpochMicros } from "../../time/instant.js";
import { compareRollups, findRollupZone, type VerifyScope } from "./compare-rollups.js";
import type { Difference } from "./difference.js";
import { findDroppedBefore } from "./retention-horizon.js";
import { openSnapshotPair } from "./snapshot-pair.js";

export interface VerifySummary {
  readonly campaigns: number;
  readonly events: number;
  /** Campaigns that reach past retention: compared with their own quarter-hours only. */
  readonly unrecountable: readonly CampaignId[];
  /** Events before this were dropped: nothing there can be recounted. Null where none were. */
  readonly droppedBefore: EpochMicros | null;
}

/**
 * Holds the live rollups against the event log, exactly and while events come in. Yields every difference and returns what
 * was looked at. Holds a snapshot of both databases until it ends, and needs two connections to the metrics database to
 * begin. `progress` counts events.
 */
export async function* verifyRollups(
  pools: { readonly events: Pool<"events">; readonly metrics: Pool<"metrics"> },
  scope: VerifyScope,
  progress?: (done: number, total: number) => void,
): AsyncGenerator<Difference, VerifySummary, undefined> {
  const snapshots = await openSnapshotPair(pools);
  const summary = { campaigns: 0, events: 0, unrecountable: [] as CampaignId[] };
  try {
    const droppedBefore = await findDroppedBefore(snapshots.log);
    const zone = await findRollupZone(snapshots.rollups, scope.tenantId);
    for await (const portion of compareRollups(snapshots, { scope, zone, ...(progress && { progress }) })) {
      summary.campaigns += portion.campaignIds.length;
      summary.events += portion.events;
      summary.unrecountable.push(...portion.unrecountable);
      yield* portion.differences;
    }
    return { ...summary, droppedBefore };
  } finally {
    await snapshots.end();
  }
}
