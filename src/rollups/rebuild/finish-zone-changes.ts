import type { Pool } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { TenantId } from "../../ids.js";
import type { PortionOptions } from "../../tenancy/delete-in-portions.js";
import { writeAsWorker } from "../../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import { rebuildDays, removeFormerDays } from "./rebuild-days.js";
import { RebuildLease } from "./rebuild-lease.js";

/** For so long the days of a tenant's former zone stay, for whoever still reads them. */
const FORMER_ZONE_MINUTES = 60;

const findUnfinished = defineStatement<"metrics", [], { id: TenantId }>(
  "metrics",
  "rebuild_days.find_unfinished",
  "select id from tenants where time_zone <> rollup_time_zone or next_rollup_time_zone is not null order by id",
);

const findWithFormer = defineStatement<"metrics", [now: string], { id: TenantId }>(
  "metrics",
  "rebuild_days.find_with_former",
  `select id from tenants
   where former_rollup_time_zone is not null and next_rollup_time_zone is null
     and rollup_time_zone_since < $1::timestamptz - interval '${FORMER_ZONE_MINUTES} minutes'
   order by id`,
);

/**
 * What other runs have left undone: zones that were changed and not filled, and days that nobody reads any more. A tenant
 * with which it fails does not stop the others'; what went wrong is thrown in the end.
 */
export async function finishZoneChanges(
  metrics: Pool<"metrics">,
  now: () => EpochMicros,
  { rowsAtATime }: Pick<PortionOptions, "rowsAtATime"> = {},
): Promise<void> {
  const errors: unknown[] = [];
  for (const { id } of await writeAsWorker(metrics, (session) => session.run(findUnfinished()))) {
    await rebuildDays(metrics, id, { now, rowsAtATime }).catch((error: unknown) => errors.push(error));
  }
  await removeDueDays(metrics, now, rowsAtATime);
  if (errors.length > 0) throw new AggregateError(errors, `The day rollups of ${errors.length} tenants are unfinished`);
}

async function removeDueDays(
  metrics: Pool<"metrics">,
  now: () => EpochMicros,
  rowsAtATime: number | undefined,
): Promise<void> {
  const withFormer = findWithFormer(formatInstant(now()));
  for (const { id } of await writeAsWorker(metrics, (session) => session.run(withFormer))) {
    const lease = await RebuildLease.acquire(metrics, id, now);
    if (lease === null) continue;
    try {
      // Once more under the lease: the zone may have been changed again meanwhile.
      const due = await writeAsWorker(metrics, async (session) => {
        await lease.hold(session);
        return session.run(withFormer);
      });
      if (due.some((tenant) => tenant.id === id)) await removeFormerDays(metrics, id, lease, rowsAtATime);
    } finally {
      await lease.release();
    }
  }
}
