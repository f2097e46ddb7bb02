import { type Counts, EMPTY_COUNTS } from "../metrics/counts.js";
import { Metrics, type View } from "../metrics/kpi.js";
import type { MeasureSet } from "../metrics/measure-set.js";
import type { EpochMicros } from "../time/instant.js";
import type { MetricsPointType } from "./types/metrics-type.js";

/** The points of a series: bucket i is [boundaries[i], boundaries[i + 1]). */
export function pointsOf(
  boundaries: readonly EpochMicros[],
  buckets: readonly Counts[],
  set: MeasureSet,
  view: View,
  now: EpochMicros,
): MetricsPointType[] {
  const points: MetricsPointType[] = [];
  boundaries.forEach((start, index) => {
    const end = boundaries[index + 1];
    if (end === undefined) return;
    const metrics = new Metrics(buckets[index] ?? EMPTY_COUNTS, set, { from: start, to: end }, view);
    points.push({ start, end, isPartial: start <= now && now < end, metrics });
  });
  return points;
}

/** When the first bucket ends or begins from now on, and with it what isPartial says, in milliseconds since the Unix epoch. */
export function partialUntil(boundaries: readonly EpochMicros[], now: EpochMicros): number {
  const next = boundaries.find((boundary) => boundary > now);
  return next === undefined ? Infinity : Math.floor(next / 1000);
}
