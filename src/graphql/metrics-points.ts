import { type Counts, EMPTY_COUNTS } from "../metrics/counts.js";
import { Metrics, type View } from "../metrics/kpi.js";
import type { MeasureSet } from "../metrics/measure-set.js";
import type { EpochMicros } from "../time/instant.js";
import type { Bucket } from "./bucket-sets.js";
import type { MetricsPointType } from "./types/metrics-type.js";

/** What it says of its bucket is the bucket's, which all campaigns of a page share. */
class MetricsPoint implements MetricsPointType {
  readonly #bucket: Bucket;
  readonly metrics: Metrics;

  constructor(bucket: Bucket, metrics: Metrics) {
    this.#bucket = bucket;
    this.metrics = metrics;
  }

  get start(): EpochMicros {
    return this.#bucket.from;
  }

  get end(): EpochMicros {
    return this.#bucket.to;
  }

  get isPartial(): boolean {
    return this.#bucket.isPartial;
  }
}

/** The points of a series: of each bucket what was counted in it. */
export function pointsOf(
  buckets: readonly Bucket[],
  counts: readonly Counts[],
  set: MeasureSet,
  view: View,
): MetricsPointType[] {
  return buckets.map(
    (bucket, index) => new MetricsPoint(bucket, new Metrics(counts[index] ?? EMPTY_COUNTS, set, bucket, view)),
  );
}

/** When the first bucket ends or begins from now on, and with it what isPartial says, in milliseconds since the Unix epoch. */
export function partialUntil(boundaries: readonly EpochMicros[], now: EpochMicros): number {
  const next = boundaries.find((boundary) => boundary > now);
  return next === undefined ? Infinity : Math.floor(next / 1000);
}
