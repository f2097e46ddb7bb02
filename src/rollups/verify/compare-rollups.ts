/**
 * Holds the rollups against the event log under a pair of snapshots, portion by portion of campaigns. Each table is compared
 * with what the log says it should hold, not with another table, so that one wrong number is one difference.
 *
 * The rollups are taken together with what waits in the outbox: the log has recorded it, and nothing of it is lost. Of a
 * campaign whose oldest events retention has dropped the log cannot tell the uniques any more; its quarter-hours are
 * taken as they are, and the rest is compared with them.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { CampaignId, LinkKey, TenantId } from "../../ids.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import type { TimeRange } from "../../time/range.js";
import { parseTimeZone, type TimeZoneId } from "../../time/time-zone.js";
import { type Difference, differencesOf, NONE } from "./difference.js";
import { LinkUrls, urlDifferencesOf } from "./link-urls.js";
import { earlierOf, type PendingChange, readPendingChanges } from "./pending-changes.js";
import { readRegisteredUrls, recount } from "./recount.js";
import { findUnrecountable } from "./retention-horizon.js";
import {
  CAMPAIGN_LEVELS,
  CAMPAIGN_QUARTER_HOURS,
  LINK_DAYS,
  LINK_QUARTER_HOURS,
  LINK_TOTALS,
  type RollupLevel,
  TENANT_DAYS,
  TENANT_QUARTER_HOURS,
  TENANT_TOTALS,
} from "./rollup-levels.js";
import { RollupSums } from "./rollup-sums.js";
import type { SnapshotPair } from "./snapshot-pair.js";
import { cutIntoPortions, findCampaigns, VerifiedBuckets } from "./verify-scope.js";

export interface VerifyScope {
  readonly tenantId: TenantId;
  /** Only these; the tenant's own rollups, which are sums over all campaigns, are left out then. */
  readonly campaignIds?: readonly CampaignId[];
  /** Only the quarter-hours that it touches and their days. Totals of the campaigns it touches are compared, the tenant's not. */
  readonly range?: TimeRange;
}

/** What was found in some campaigns, or, at the end, in the tenant's own rollups. */
export interface ComparedPortion {
  readonly campaignIds: readonly CampaignId[];
  readonly differences: readonly Difference[];
  /** Those of them that reach past retention: compared with their own quarter-hours only. */
  readonly unrecountable: readonly CampaignId[];
  readonly events: number;
}

const findZone = defineStatement<"metrics", [TenantId], { rollup_time_zone: string }>(
  "metrics",
  "verify.find_zone",
  "select rollup_time_zone from tenants where id = $1",
);

const readUrls = defineStatement<
  "metrics",
  [TenantId, readonly CampaignId[]],
  { campaign_id: CampaignId; link_key: LinkKey; url: string }
>(
  "metrics",
  "verify.read_urls",
  "select campaign_id, link_key, url from campaign_links where tenant_id = $1 and campaign_id = any ($2::uuid[])",
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

/** The zone that a tenant's day rollups are made for. */
export async function findRollupZone(rollups: Session<"metrics">, tenantId: TenantId): Promise<TimeZoneId> {
  const [tenant] = await rollups.run(findZone(tenantId));
  if (tenant === undefined) throw new Error(`There is no tenant ${tenantId}`);
  const zone = parseTimeZone(tenant.rollup_time_zone);
  if (zone === null) throw new Error(`The day rollups are of a time zone unknown here: ${tenant.rollup_time_zone}`);
  return zone;
}

export interface ComparisonOptions {
  readonly scope: VerifyScope;
  /** Of the day rollups. */
  readonly zone: TimeZoneId;
  /** Campaigns whose quarter-hours are known to be right: they are not counted again. */
  readonly trusted?: ReadonlySet<CampaignId>;
  /** So many events are counted in one go, or one campaign that has more. */
  readonly eventsAtATime?: number;
  /** Counts events. */
  readonly progress?: (done: number, total: number) => void;
}

/** Compares all that the scope asks for, the tenant's own rollups last. */
export async function* compareRollups(
  snapshots: SnapshotPair,
  options: ComparisonOptions,
): AsyncGenerator<ComparedPortion, void, undefined> {
  yield* new Comparison(snapshots, options).run();
}

class Comparison {
  readonly #snapshots: SnapshotPair;
  readonly #options: ComparisonOptions;
  readonly #buckets: VerifiedBuckets;
  /** What the campaigns' quarter-hours should hold, summed over campaigns. */
  readonly #tenantQuarters = new RollupSums();
  #pending: ReadonlyMap<CampaignId, PendingChange> = new Map();

  constructor(snapshots: SnapshotPair, options: ComparisonOptions) {
    this.#snapshots = snapshots;
    this.#options = options;
    this.#buckets = new VerifiedBuckets(options.scope.range, options.zone);
  }

  async *run(): AsyncGenerator<ComparedPortion, void, undefined> {
    const { log, rollups } = this.#snapshots;
    const { scope, eventsAtATime, progress } = this.#options;
    this.#pending = await readPendingChanges(log, rollups, scope.tenantId);
    const portions = await cutIntoPortions(log, scope.tenantId, await this.#campaigns(), eventsAtATime);
    const total = portions.reduce((sum, portion) => sum + portion.events, 0);
    let done = 0;
    progress?.(done, total);
    for (const { campaignIds, events } of portions) {
      const unrecountable = await findUnrecountable(log, scope.tenantId, campaignIds);
      const differences = await this.#compareCampaigns(campaignIds, unrecountable);
      yield { campaignIds, differences, unrecountable, events };
      progress?.((done += events), total);
    }
    if (scope.campaignIds !== undefined) return;
    yield { campaignIds: [], differences: await this.#compareTenant(), unrecountable: [], events: 0 };
  }

  async #campaigns(): Promise<CampaignId[]> {
    const { tenantId, campaignIds } = this.#options.scope;
    if (campaignIds !== undefined) return [...new Set(campaignIds)];
    const { log, rollups } = this.#snapshots;
    // A message that waits changes nothing in a campaign of which the log has no event in these buckets, unless it is wrong.
    const found = await findCampaigns(log, rollups, tenantId, this.#options.zone, this.#buckets);
    return [...new Set([...found, ...this.#pending.keys()])];
  }

  async #compareCampaigns(
    campaignIds: readonly CampaignId[],
    unrecountable: readonly CampaignId[],
  ): Promise<Difference[]> {
    const trusted = campaignIds.filter((id) => this.#options.trusted?.has(id) === true);
    const first = await this.#compareWith(campaignIds, new Set([...unrecountable, ...trusted]));
    // Quarter-hours that the days and totals do not agree with may have been damaged since: nothing is to be fitted to them.
    const doubtful = new Set(first.differences.map((difference) => difference.campaignId));
    const stillTrusted = trusted.filter((id) => !doubtful.has(id));
    const { differences, quarters } =
      stillTrusted.length === trusted.length
        ? first
        : await this.#compareWith(campaignIds, new Set([...unrecountable, ...stillTrusted]));
    this.#tenantQuarters.add(quarters, (sum) => ({ ...sum, campaignId: null }));
    return differences;
  }

  async #compareWith(
    campaignIds: readonly CampaignId[],
    takenAsTheyAre: ReadonlySet<CampaignId>,
  ): Promise<{ readonly differences: Difference[]; readonly quarters: RollupSums }> {
    const counted = campaignIds.filter((id) => !takenAsTheyAre.has(id));
    const { quarters, linkQuarters, linkUrls, firstSent } = await recount(
      this.#snapshots.log,
      this.#options.scope.tenantId,
      counted,
    );
    const foundUrls = await this.#readUrls(campaignIds);
    const registeredUrls = await readRegisteredUrls(this.#snapshots.log, this.#options.scope.tenantId, [
      ...takenAsTheyAre,
    ]);
    const ofLinks = [
      ...(await this.#compareQuarters(LINK_QUARTER_HOURS, linkQuarters, campaignIds, takenAsTheyAre)),
      ...(await this.#compareLevels([LINK_DAYS, LINK_TOTALS], linkQuarters, campaignIds)),
    ];
    const differences = [
      ...(await this.#compareQuarters(CAMPAIGN_QUARTER_HOURS, quarters, campaignIds, takenAsTheyAre)),
      ...(await this.#compareLevels(CAMPAIGN_LEVELS, quarters, campaignIds)),
      ...ofLinks.map((difference) => ({
        ...difference,
        url: urlOf(difference, linkUrls) ?? urlOf(difference, foundUrls) ?? urlOf(difference, registeredUrls),
      })),
      ...urlDifferencesOf(linkUrls, foundUrls),
      ...(await this.#compareFirstSent(counted, firstSent)),
    ];
    return { differences, quarters };
  }

  /** Adds to the recount what is taken as it is, and compares the rest with it. */
  async #compareQuarters(
    level: RollupLevel,
    quarters: RollupSums,
    campaignIds: readonly CampaignId[],
    takenAsTheyAre: ReadonlySet<CampaignId>,
  ): Promise<Difference[]> {
    const found = await this.#readLevel(level, campaignIds);
    quarters.add(found, (sum) => (sum.campaignId !== null && takenAsTheyAre.has(sum.campaignId) ? sum : null));
    return this.#differences(level, quarters, found);
  }

  async #compareLevels(
    levels: readonly RollupLevel[],
    quarters: RollupSums,
    campaignIds: readonly CampaignId[],
  ): Promise<Difference[]> {
    const differences: Difference[] = [];
    for (const level of levels) {
      const expected = new RollupSums();
      expected.add(quarters, (quarter) => level.placeOf(quarter, this.#options.zone));
      const found = await this.#readLevel(level, campaignIds);
      // There may be more of them than a call takes arguments.
      for (const difference of this.#differences(level, expected, found)) differences.push(difference);
    }
    return differences;
  }

  #compareTenant(): Promise<Difference[]> {
    const levels = [TENANT_QUARTER_HOURS, TENANT_DAYS];
    // The campaigns that a range touches are not all there are.
    if (this.#options.scope.range === undefined) levels.push(TENANT_TOTALS);
    return this.#compareLevels(levels, this.#tenantQuarters, [...this.#pending.keys()]);
  }

  #differences(level: RollupLevel, expected: RollupSums, found: RollupSums): Difference[] {
    return [...differencesOf(level, expected, found, (bucket) => this.#buckets.includes(bucket))];
  }

  /** What the tables of a level hold, and what waits for these campaigns. */
  async #readLevel(level: RollupLevel, campaignIds: readonly CampaignId[]): Promise<RollupSums> {
    const { zone, scope } = this.#options;
    const sums = await level.read(this.#snapshots.rollups, { tenantId: scope.tenantId, campaignIds, zone });
    for (const id of campaignIds) {
      const pending = this.#pending.get(id);
      if (pending === undefined) continue;
      if (level === LINK_TOTALS) sums.add(pending.linkTotals, (total) => total);
      else {
        const quarters = level === LINK_DAYS || level === LINK_QUARTER_HOURS ? pending.linkQuarters : pending.quarters;
        sums.add(quarters, (quarter) => level.placeOf(quarter, zone));
      }
    }
    return sums;
  }

  async #readUrls(campaignIds: readonly CampaignId[]): Promise<LinkUrls> {
    const urls = new LinkUrls();
    const rows = await this.#snapshots.rollups.run(readUrls(this.#options.scope.tenantId, campaignIds));
    for (const row of rows) urls.add({ campaignId: row.campaign_id, linkKey: row.link_key }, row.url);
    for (const id of campaignIds) {
      for (const { url, ...link } of this.#pending.get(id)?.linkUrls ?? []) urls.add(link, url);
    }
    return urls;
  }

  async #compareFirstSent(
    campaignIds: readonly CampaignId[],
    firstSent: ReadonlyMap<CampaignId, EpochMicros>,
  ): Promise<Difference[]> {
    const rows = await this.#snapshots.rollups.run(readFirstSent(this.#options.scope.tenantId, campaignIds));
    const stored = new Map(rows.map((row) => [row.id, row.first_sent_at]));
    return campaignIds.flatMap((campaignId) => {
      const expected = firstSent.get(campaignId) ?? null;
      const found = earlierOf(stored.get(campaignId) ?? null, this.#pending.get(campaignId)?.firstSent ?? null);
      if (expected === found) return [];
      const at = { table: "campaigns", campaignId, linkKey: null, url: null, basis: null, bucket: null } as const;
      return [{ ...at, measure: "first_sent_at", expected: formatOrNone(expected), found: formatOrNone(found) }];
    });
  }
}

function urlOf({ campaignId, linkKey }: Difference, urls: LinkUrls): string | null {
  return campaignId === null || linkKey === null ? null : (urls.find({ campaignId, linkKey }) ?? null);
}

function formatOrNone(instant: EpochMicros | null): string {
  return instant === null ? NONE : formatInstant(instant);
}
