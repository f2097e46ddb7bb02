import { answeredRange, seriesBoundaries } from "../metrics/ranges.js";
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

/** Buckets on one basis: bucket i is [boundaries[i], boundaries[i + 1]). */
export interface BucketSet {
  /** The same for the same buckets, within a request. */
  readonly key: string;
  readonly boundaries: readonly EpochMicros[];
  readonly buckets: readonly Bucket[];
  readonly basis: Basis;
}

/** The buckets that a request asks for, each set worked out once, however many campaigns it is asked of. */
export class BucketSets {
  readonly #maxPoints: number;
  readonly #now: EpochMicros;
  readonly #known = new Map<string, BucketSet>();

  constructor(maxPoints: number, now: EpochMicros) {
    this.#maxPoints = maxPoints;
    this.#now = now;
  }

  /** One bucket: the range widened to quarter-hours. Throws as answeredRange does. */
  whole(range: TimeRange, basis: Basis): BucketSet {
    return this.#once(`${range.from} ${range.to} ${basis}`, basis, () => {
      const { from, to } = answeredRange(range);
      return [from, to];
    });
  }

  /** Throws as answeredRange and seriesBoundaries do. */
  series(range: TimeRange, granularity: Granularity, zone: TimeZoneId, basis: Basis): BucketSet {
    return this.#once(`${range.from} ${range.to} ${granularity} ${zone} ${basis}`, basis, () =>
      seriesBoundaries(answeredRange(range), granularity, zone, this.#maxPoints),
    );
  }

  #once(key: string, basis: Basis, cut: () => readonly EpochMicros[]): BucketSet {
    let set = this.#known.get(key);
    if (set === undefined) {
      const boundaries = cut();
      this.#known.set(key, (set = { key, boundaries, buckets: bucketsBetween(boundaries, this.#now), basis }));
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
