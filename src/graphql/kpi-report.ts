import type { CachedAnswer } from "../cache/cache.js";
import type { CampaignId } from "../ids.js";
import { BucketCut } from "../metrics/bucket-cut.js";
import { type Counts, EMPTY_COUNTS } from "../metrics/counts.js";
import type { FreshnessOfRollups } from "../metrics/freshness.js";
import type { View } from "../metrics/kpi.js";
import type { MeasureSet } from "../metrics/measure-set.js";
import { readTenantBuckets } from "../metrics/tenant-buckets.js";
import type { Basis } from "../rollups/measures.js";
import type { TimeRange } from "../time/range.js";
import type { TenantAccess } from "./tenant-access.js";

export interface KpiArguments {
  /** Widened to quarter-hours already. */
  readonly range: TimeRange;
  readonly basis: Basis;
  readonly view: View;
  readonly filter: {
    readonly campaignIds: readonly CampaignId[] | null;
    readonly tags: readonly string[] | null;
    readonly visibleTags: readonly string[] | null;
  } | null;
}

/**
 * The numbers behind one `kpis` field. Where its freshness is asked for, that is read before any of the numbers, so that
 * "nothing pending" means that they hold everything: sibling fields have all begun when the first read starts.
 */
export class KpiReport {
  readonly tenant: TenantAccess;
  readonly args: KpiArguments;
  #freshness: Promise<FreshnessOfRollups> | undefined;
  readonly #reads: Promise<CachedAnswer<readonly Counts[]>>[] = [];

  constructor(tenant: TenantAccess, args: KpiArguments) {
    this.tenant = tenant;
    this.args = args;
  }

  /** The counts of the cut's buckets. */
  async counts(cut: BucketCut, set: MeasureSet): Promise<readonly Counts[]> {
    const read = this.#read(cut, set);
    this.#reads.push(read);
    return (await read).value;
  }

  /** The counts of one range; an empty one has none. */
  async countsOf(range: TimeRange, set: MeasureSet): Promise<Counts> {
    if (range.from >= range.to) return EMPTY_COUNTS;
    const [counts] = await this.counts(new BucketCut([range.from, range.to]), set);
    return counts ?? EMPTY_COUNTS;
  }

  async freshness(): Promise<FreshnessOfRollups & { readonly cacheAgeSeconds: number | null }> {
    const { services, events, tenantId, now } = this.tenant;
    this.#freshness = services.freshness.read(events, tenantId, now);
    const freshness = await this.#freshness;
    const reads = await Promise.allSettled(this.#reads);
    const ages = reads.flatMap((read) =>
      read.status === "fulfilled" && read.value.ageSeconds !== null ? [read.value.ageSeconds] : [],
    );
    return { ...freshness, cacheAgeSeconds: ages.length === 0 ? null : Math.max(...ages) };
  }

  async #read(cut: BucketCut, set: MeasureSet): Promise<CachedAnswer<readonly Counts[]>> {
    // The siblings begin in this turn of the event loop: freshness too, if it is among them.
    await Promise.resolve();
    await this.#freshness;
    const { tenant, args } = this;
    const { basis, filter } = args;
    const isFresh = this.#freshness !== undefined;
    const { rollupTimeZone } = await tenant.state();
    return tenant.cached(
      "kpis",
      { boundaries: cut.text, basis, filter, measures: set.key },
      cut.range,
      () => readTenantBuckets(tenant.metrics, tenant.tenantId, cut.planFor(rollupTimeZone), basis, set, filter),
      { versionFromNowOn: isFresh },
    );
  }
}
