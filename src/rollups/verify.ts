/**
 * Holds the live rollups against the event log, exactly and while events come in. Each table is compared with what the log
 * says it should hold, not with another table, so that one wrong number is one difference.
 *
 * The rollups are taken together with what waits in the outbox: the log has recorded it, and nothing of it is lost. Of a
 * campaign whose oldest events retention has dropped the log cannot tell the uniques any more; its quarter-hours are
 * taken as they are, the rest is compared with them, and the summary names it.
 */
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import { parseTimeZone, type TimeZoneId } from "../time/time-zone.js";
import { type Difference, differencesOf } from "./difference.js";
import { linkDifferencesOf, LINK_MEASURES, LinkSums, type LinkSumRow } from "./link-sums.js";
import { earlierOf, type PendingChange, readPendingChanges } from "./pending-changes.js";
import { recount } from "./recount.js";
import { findUnrecountable } from "./retention-horizon.js";
import { CAMPAIGN_LEVELS, CAMPAIGN_QUARTER_HOURS, type RollupLevel, TENANT_LEVELS } from "./rollup-levels.js";
import { RollupSums } from "./rollup-sums.js";
import { openSnapshotPair, type SnapshotPair } from "./snapshot-pair.js";
import { cutIntoPortions, findCampaigns, VerifiedBuckets } from "./verify-scope.js";

export interface VerifyScope {
  readonly tenantId: TenantId;
  /** Only these; the tenant's own rollups, which are sums over all campaigns, are left out then. */
  readonly campaignIds?: readonly CampaignId[];
  /** Only the quarter-hours that it touches and their days. Totals and links of the campaigns it touches are compared too. */
  readonly range?: TimeRange;
}

export interface VerifySummary {
  readonly campaigns: number;
  readonly events: number;
  /** Campaigns that reach past retention: compared with their own quarter-hours only. */
  readonly unrecountable: readonly CampaignId[];
}

const findZone = defineStatement<"metrics", [TenantId], { rollup_time_zone: string }>(
  "metrics",
  "verify.find_zone",
  "select rollup_time_zone from tenants where id = $1",
);

const readLinks = defineStatement<"metrics", [TenantId, readonly CampaignId[]], LinkSumRow>(
  "metrics",
  "verify.read_links",
  `select campaign_id, link_key, url, ${LINK_MEASURES.join(", ")}
   from campaign_links where tenant_id = $1 and campaign_id = any ($2::uuid[])`,
);

const readFirstSent = defineStatement<
  "metrics",
  [TenantId, readonly CampaignId[]],
  { id: CampaignId; first_sent_at: EpochMicros | null }
>(
  "metrics",
  "verify.read_first_sent",
  `select id, first_sent_at from campaigns where tenant_id = $1 and id = any ($2::uuid[])`,
);

/**
 * Yields every difference and returns what was looked at. Holds a snapshot of both databases until it ends, and needs two
 * connections to the metrics database to begin. `progress` counts events.
 */
export async function* verifyRollups(
  pools: { readonly events: Pool<"events">; readonly metrics: Pool<"metrics"> },
  scope: VerifyScope,
  progress?: (done: number, total: number) => void,
): AsyncGenerator<Difference, VerifySummary, undefined> {
  const snapshots = await openSnapshotPair(pools);
  try {
    return yield* new Verification(snapshots, scope, await findTenantZone(snapshots.rollups, scope.tenantId)).run(
      progress,
    );
  } finally {
    await snapshots.end();
  }
}

async function findTenantZone(rollups: Session<"metrics">, tenantId: TenantId): Promise<TimeZoneId> {
  const [tenant] = await rollups.run(findZone(tenantId));
  if (tenant === undefined) throw new Error(`There is no tenant ${tenantId}`);
  const zone = parseTimeZone(tenant.rollup_time_zone);
  if (zone === null) throw new Error(`The day rollups are of a time zone unknown here: ${tenant.rollup_time_zone}`);
  return zone;
}

class Verification {
  readonly #snapshots: SnapshotPair;
  readonly #scope: VerifyScope;
  readonly #zone: TimeZoneId;
  readonly #buckets: VerifiedBuckets;
  /** What the campaigns' quarter-hours should hold, summed over campaigns. */
  readonly #tenantQuarters = new RollupSums();
  readonly #unrecountable: CampaignId[] = [];
  #pending: ReadonlyMap<CampaignId, PendingChange> = new Map();

  constructor(snapshots: SnapshotPair, scope: VerifyScope, zone: TimeZoneId) {
    this.#snapshots = snapshots;
    this.#scope = scope;
    this.#zone = zone;
    this.#buckets = new VerifiedBuckets(scope.range, zone);
  }

  async *run(progress?: (done: number, total: number) => void): AsyncGenerator<Difference, VerifySummary, undefined> {
    const { log, rollups } = this.#snapshots;
    const { tenantId } = this.#scope;
    this.#pending = await readPendingChanges(log, rollups, tenantId);
    const campaignIds = await this.#campaigns();
    const portions = await cutIntoPortions(log, tenantId, campaignIds);
    const total = portions.reduce((sum, portion) => sum + portion.events, 0);
    let done = 0;
    progress?.(done, total);
    for (const portion of portions) {
      yield* this.#verifyCampaigns(portion.campaignIds);
      done += portion.events;
      progress?.(done, total);
    }
    if (this.#scope.campaignIds === undefined) yield* this.#verifyTenant();
    return { campaigns: campaignIds.length, events: total, unrecountable: this.#unrecountable };
  }

  async #campaigns(): Promise<CampaignId[]> {
    const { tenantId, campaignIds } = this.#scope;
    if (campaignIds !== undefined) return [...new Set(campaignIds)];
    const { log, rollups } = this.#snapshots;
    // A message that waits changes nothing in a campaign of which the log has no event in these buckets, unless it is wrong.
    const found = await findCampaigns(log, rollups, tenantId, this.#zone, this.#buckets);
    return [...new Set([...found, ...this.#pending.keys()])];
  }

  async *#verifyCampaigns(campaignIds: readonly CampaignId[]): AsyncGenerator<Difference> {
    const { log } = this.#snapshots;
    const { tenantId } = this.#scope;
    const unrecountable = new Set(await findUnrecountable(log, tenantId, campaignIds));
    this.#unrecountable.push(...unrecountable);
    const recountable = campaignIds.filter((id) => !unrecountable.has(id));
    const { quarters, links, firstSent } = await recount(log, tenantId, recountable);

    const found = await this.#readLevel(CAMPAIGN_QUARTER_HOURS, campaignIds);
    quarters.add(found, (sum) => (sum.campaignId !== null && unrecountable.has(sum.campaignId) ? sum : null));
    yield* this.#differences(CAMPAIGN_QUARTER_HOURS, quarters, found);
    for (const level of CAMPAIGN_LEVELS) {
      yield* this.#differences(level, this.#sumAs(level, quarters), await this.#readLevel(level, campaignIds));
    }
    yield* linkDifferencesOf(links, await this.#readLinks(recountable));
    yield* this.#verifyFirstSent(recountable, firstSent);
    this.#tenantQuarters.add(quarters, (sum) => ({ ...sum, campaignId: null }));
  }

  async *#verifyTenant(): AsyncGenerator<Difference> {
    const campaignIds = [...this.#pending.keys()];
    for (const level of TENANT_LEVELS) {
      const found = await this.#readLevel(level, campaignIds);
      yield* this.#differences(level, this.#sumAs(level, this.#tenantQuarters), found);
    }
  }

  #differences(level: RollupLevel, expected: RollupSums, found: RollupSums): Iterable<Difference> {
    return differencesOf(level, expected, found, (bucket) => this.#buckets.includes(bucket));
  }

  #sumAs(level: RollupLevel, quarters: RollupSums): RollupSums {
    const sums = new RollupSums();
    sums.add(quarters, (quarter) => level.placeOf(quarter, this.#zone));
    return sums;
  }

  /** What the tables of a level hold, and what waits for these campaigns. */
  async #readLevel(level: RollupLevel, campaignIds: readonly CampaignId[]): Promise<RollupSums> {
    const scope = { tenantId: this.#scope.tenantId, campaignIds, zone: this.#zone };
    const sums = await level.read(this.#snapshots.rollups, scope);
    for (const id of campaignIds) {
      const pending = this.#pending.get(id);
      if (pending !== undefined) sums.add(pending.quarters, (quarter) => level.placeOf(quarter, this.#zone));
    }
    return sums;
  }

  async #readLinks(campaignIds: readonly CampaignId[]): Promise<LinkSums> {
    const sums = new LinkSums();
    sums.add(await this.#snapshots.rollups.run(readLinks(this.#scope.tenantId, campaignIds)));
    for (const id of campaignIds) sums.add(this.#pending.get(id)?.links ?? []);
    return sums;
  }

  async *#verifyFirstSent(
    campaignIds: readonly CampaignId[],
    firstSent: ReadonlyMap<CampaignId, EpochMicros>,
  ): AsyncGenerator<Difference> {
    const rows = await this.#snapshots.rollups.run(readFirstSent(this.#scope.tenantId, campaignIds));
    const stored = new Map(rows.map((row) => [row.id, row.first_sent_at]));
    for (const campaignId of campaignIds) {
      const expected = firstSent.get(campaignId) ?? null;
      const found = earlierOf(stored.get(campaignId) ?? null, this.#pending.get(campaignId)?.firstSent ?? null);
      if (expected === found) continue;
      const at = { table: "campaigns", campaignId, basis: null, bucket: null, measure: "first_sent_at" };
      yield { ...at, expected: formatOrNone(expected), found: formatOrNone(found) };
    }
  }
}

function formatOrNone(instant: EpochMicros | null): string {
  return instant === null ? "none" : formatInstant(instant);
}
