/**
 * Makes a tenant's day rollups anew for another time zone, from the quarter-hours, while events come in. Until they are
 * whole the former ones stay and the quarter-hours answer for the new zone.
 *
 * From the moment in which projectors are told of the next zone they write days of both, and a snapshot of that very moment
 * holds all that they have written before: what it sums to is added to what they add meanwhile. Then the zones are switched.
 * A run that dies leaves half-filled days that nobody reads, and the next one begins by removing them. Before days are removed
 * or filled no projector may be at work that knew other zones: what it writes would come on top.
 */
import type { Pool, Session, Transaction } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { CampaignId, TenantId } from "../../ids.js";
import { moveTenantVersions } from "../../tenancy/tenant-version.js";
import { beginSnapshot, writeAsWorker } from "../../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import { parseTimeZone, type TimeZoneId } from "../../time/time-zone.js";
import { lockProjectorsOut } from "../projector-lock.js";
import { RebuildLease } from "./rebuild-lease.js";
import { removeDays } from "./remove-days.js";
import {
  CAMPAIGN_DAYS,
  CAMPAIGN_QUARTER_HOURS,
  LINK_DAYS,
  LINK_QUARTER_HOURS,
  type RollupLevel,
  TENANT_DAYS,
  TENANT_QUARTER_HOURS,
} from "../verify/rollup-levels.js";
import { RollupSums } from "../verify/rollup-sums.js";
import { addToRollup, type RollupRow } from "../rollup-tables.js";

interface Zones {
  readonly time_zone: string;
  readonly rollup_time_zone: string;
  readonly next_rollup_time_zone: string | null;
}

/** A campaign has up to a thousand links, each with quarter-hours of its own. */
const CAMPAIGNS_AT_A_TIME = 5;

const readZones = defineStatement<"metrics", [TenantId], Zones>(
  "metrics",
  "rebuild_days.read_zones",
  "select time_zone, rollup_time_zone, next_rollup_time_zone from tenants where id = $1",
);

const setNextZone = defineStatement<"metrics", [TenantId, zone: string | null], never>(
  "metrics",
  "rebuild_days.set_next_zone",
  "update tenants set next_rollup_time_zone = $2 where id = $1",
);

const switchZones = defineStatement<"metrics", [TenantId, zone: string, now: string], never>(
  "metrics",
  "rebuild_days.switch_zones",
  `update tenants set former_rollup_time_zone = rollup_time_zone, rollup_time_zone = $2, next_rollup_time_zone = null,
     rollup_time_zone_since = $3
   where id = $1`,
);

const forgetFormer = defineStatement<"metrics", [TenantId], never>(
  "metrics",
  "rebuild_days.forget_former",
  "update tenants set former_rollup_time_zone = null where id = $1 and next_rollup_time_zone is null",
);

const findCampaigns = defineStatement<"metrics", [TenantId], { campaign_id: CampaignId }>(
  "metrics",
  "rebuild_days.find_campaigns",
  `select campaign_id from campaign_totals where tenant_id = $1
   union select campaign_id from campaign_quarter_hours where tenant_id = $1
   union select campaign_id from campaign_link_quarter_hours where tenant_id = $1
   order by campaign_id`,
);

export interface RebuildDaysOptions {
  readonly now: () => EpochMicros;
  /** Of days that are removed. */
  readonly rowsAtATime?: number | undefined;
  /** Counts campaigns. */
  readonly progress?: (done: number, total: number) => void;
}

/**
 * Brings the day rollups to the tenant's time zone, if they are not there. False where another run is at this tenant's
 * rollups. Needs three connections.
 */
export async function rebuildDays(
  metrics: Pool<"metrics">,
  tenantId: TenantId,
  options: RebuildDaysOptions,
): Promise<boolean> {
  const lease = await RebuildLease.acquire(metrics, tenantId, options.now);
  if (lease === null) return false;
  try {
    // The zone may be changed once more while its days are made.
    while (await bringToZone(metrics, tenantId, lease, options));
    return true;
  } finally {
    await lease.release();
  }
}

/**
 * Removes the days of all zones but the one that answers, unless they are being filled. The lease is the tenant's: which zone answers is
 * read under it, since it may have changed while somebody waited for the lease, and does not change as long as it is held.
 */
export async function removeFormerDays(
  metrics: Pool<"metrics">,
  tenantId: TenantId,
  lease: RebuildLease,
  rowsAtATime?: number,
): Promise<void> {
  const write = writingUnder(lease, metrics);
  const [zones] = await write((session) => session.run(readZones(tenantId)));
  if (zones === undefined || zones.next_rollup_time_zone !== null) return;
  await removeDays(write, tenantId, { zones: [zones.rollup_time_zone], go: "OTHERS" }, rowsAtATime);
  await write((session) => session.run(forgetFormer(tenantId)));
}

/** Transactions in which nobody else can have taken over. */
function writingUnder(lease: RebuildLease, metrics: Pool<"metrics">) {
  return <T>(work: (session: Session<"metrics">) => Promise<T>): Promise<T> =>
    writeAsWorker(metrics, async (session) => {
      await lease.hold(session);
      return work(session);
    });
}

/** One change of zones; false where there was none to make. */
async function bringToZone(
  metrics: Pool<"metrics">,
  tenantId: TenantId,
  lease: RebuildLease,
  { now, progress, rowsAtATime }: RebuildDaysOptions,
): Promise<boolean> {
  const write = writingUnder(lease, metrics);
  const zones = await write((session) => session.run(readZones(tenantId)).then(([row]) => row));
  if (zones === undefined) throw new Error(`There is no tenant ${tenantId}`);
  const isThere = zones.time_zone === zones.rollup_time_zone;
  if (isThere && zones.next_rollup_time_zone === null) return false;
  // Also where there is no next one: a projector that began before the last switch still writes days of the former zone.
  await lockProjectorsOut(metrics, () => write((session) => session.run(setNextZone(tenantId, null))));
  // No others: somebody may still read the former zone's.
  const halfFilled = [zones.next_rollup_time_zone, zones.time_zone].filter(
    (zone) => zone !== null && zone !== zones.rollup_time_zone,
  );
  await removeDays(write, tenantId, { zones: halfFilled as string[], go: "THESE" }, rowsAtATime);
  if (isThere) return true;

  // As it stands there, and not in the spelling that this program would choose.
  const zone = zones.time_zone as TimeZoneId;
  if (parseTimeZone(zone) === null) throw new Error(`The tenant's time zone is unknown here: ${zone}`);
  let opened: Transaction<"metrics"> | undefined;
  const snapshot = await lockProjectorsOut(metrics, async () => {
    await write((session) => session.run(setNextZone(tenantId, zone)));
    return (opened = await openSnapshot(metrics, tenantId));
  }).catch(async (error: unknown) => {
    await opened?.rollback();
    throw error;
  });
  try {
    await fill(snapshot, tenantId, zone, write, progress);
  } finally {
    await snapshot.rollback();
  }
  await write(async (session) => {
    await session.run(switchZones(tenantId, zone, formatInstant(now())));
    await moveTenantVersions(session, [tenantId]);
  });
  return true;
}

/** A snapshot is taken by the first query, not by BEGIN. */
async function openSnapshot(metrics: Pool<"metrics">, tenantId: TenantId): Promise<Transaction<"metrics">> {
  const snapshot = await beginSnapshot(metrics);
  try {
    await snapshot.run(readZones(tenantId));
    return snapshot;
  } catch (error) {
    await snapshot.rollback();
    throw error;
  }
}

async function fill(
  snapshot: Session<"metrics">,
  tenantId: TenantId,
  zone: TimeZoneId,
  write: (work: (session: Session<"metrics">) => Promise<void>) => Promise<void>,
  progress: RebuildDaysOptions["progress"],
): Promise<void> {
  const campaignIds = (await snapshot.run(findCampaigns(tenantId))).map((row) => row.campaign_id);
  const copy = async (quarterHours: RollupLevel, days: RollupLevel, ids: readonly CampaignId[]): Promise<void> => {
    const sums = new RollupSums();
    const quarters = await quarterHours.read(snapshot, { tenantId, campaignIds: ids, zone });
    sums.add(quarters, (quarter) => days.placeOf(quarter, zone));
    await write((session) => addDays(session, days, tenantId, zone, sums));
  };
  progress?.(0, campaignIds.length);
  for (let done = 0; done < campaignIds.length; done += CAMPAIGNS_AT_A_TIME) {
    const some = campaignIds.slice(done, done + CAMPAIGNS_AT_A_TIME);
    await copy(CAMPAIGN_QUARTER_HOURS, CAMPAIGN_DAYS, some);
    await copy(LINK_QUARTER_HOURS, LINK_DAYS, some);
    progress?.(done + some.length, campaignIds.length);
  }
  await copy(TENANT_QUARTER_HOURS, TENANT_DAYS, []);
}

async function addDays(
  session: Session<"metrics">,
  { table, revenueTable, measures }: RollupLevel,
  tenantId: TenantId,
  zone: TimeZoneId,
  sums: RollupSums,
): Promise<void> {
  const counts: RollupRow[] = [];
  const revenue: RollupRow[] = [];
  for (const { campaignId, linkKey, basis, bucket, measures: values, revenue: amounts } of sums) {
    const place = [tenantId, campaignId, linkKey, basis, zone, bucket].filter((part) => part !== null);
    if (values.some((value) => value !== 0)) {
      counts.push({ key: place, sums: measures.map((_, position) => values[position] ?? 0) });
    }
    for (const [currency, amount] of amounts) revenue.push({ key: [...place, currency], sums: [amount] });
  }
  await addToRollup(session, table, counts);
  if (revenueTable !== null) await addToRollup(session, revenueTable, revenue);
}
