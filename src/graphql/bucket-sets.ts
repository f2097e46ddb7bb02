import type { BucketCut, BucketCuts } from "../metrics/bucket-cut.js";
import type { Basis } from "../rollups/measures.js";
import type { Granularity } from "../time/buckets.js";
import type { EpochMicros } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import type { TimeZoneId } from "../time/time-zone.js";

/** A bucket of a series: half-open. */
export interface Bucket extends TimeRange {
  /** Whether it has begun and is not over. */
  readonly isPartial: boolean;
}

/** Buckets on one basis. */
export interface BucketSet {
  /** The same for the same buckets, within a request. */
  readonly key: string;
  readonly cut: BucketCut;
  readonly buckets: readonly Bucket[];
  readonly basis: Basis;
}

interface SeriesAsked extends TimeRange {
  readonly granularity: Granularity;
  readonly zone: TimeZoneId;
  readonly basis: Basis;
}

/** The buckets that a request asks for, each set made once, however many campaigns it is asked of. */
export class BucketSets {
  readonly #cuts: BucketCuts;
  readonly #now: EpochMicros;
  readonly #known = new Map<BucketCut, BucketSet[]>();
  #count = 0;
  /** What the last series was asked for by: most often the same for all campaigns of a page. */
  #last: (SeriesAsked & { readonly set: BucketSet }) | undefined;

  constructor(cuts: BucketCuts, now: EpochMicros) {
    this.#cuts = cuts;
    this.#now = now;
  }

  /** One bucket: the range widened to quarter-hours. Throws as BucketCuts.whole does. */
  whole(range: TimeRange, basis: Basis): BucketSet {
    return this.#once(this.#cuts.whole(range), basis);
  }

  /** Throws as BucketCuts.series does. */
  series(range: TimeRange, granularity: Granularity, zone: TimeZoneId, basis: Basis): BucketSet {
    const last = this.#last;
    if (
      last !== undefined &&
      last.from === range.from &&
      last.to === range.to &&
      last.granularity === granularity &&
      last.zone === zone &&
      last.basis === basis
    )
      return last.set;
    const set = this.#once(this.#cuts.series(range, granularity, zone), basis);
    this.#last = { from: range.from, to: range.to, granularity, zone, basis, set };
    return set;
  }

  #once(cut: BucketCut, basis: Basis): BucketSet {
    let sets = this.#known.get(cut);
    if (sets === undefined) this.#known.set(cut, (sets = []));
    let set = sets.find((known) => known.basis === basis);
    if (set === undefined) {
      const buckets = bucketsBetween(cut.boundaries, this.#now);
      sets.push((set = { key: String(this.#count++), cut, buckets, basis }));
    }
    return set;
  }
}

export function bucketsBetween(boundaries: readonly EpochMicros[], now: EpochMicros): Bucket[] {
  const buckets: Bucket[] = [];
  boundaries.forEach((from, index) => {
    const to = boundaries[index + 1];
    if (to !== undefined) buckets.push({ from, to, isPartial: from <= now && now < to });
  });
  return buckets;
}
