/** The ranges and buckets that metrics answer, from those that clients ask for; what cannot be is told as their argument's fault. */
import { PublicError } from "../errors.js";
import { bucketBoundaries, type Granularity, TooManyBucketsError } from "../time/buckets.js";
import { previousPeriod, previousYear } from "../time/comparison.js";
import type { EpochMicros } from "../time/instant.js";
import { InvalidTimeError } from "../time/invalid-time-error.js";
import { QUARTER_HOUR_MICROS, type TimeRange, widenToQuarterHours } from "../time/range.js";
import type { TimeZoneId } from "../time/time-zone.js";

export type Comparison = "PREVIOUS_PERIOD" | "PREVIOUS_YEAR";

/** The range outwards to the quarter-hours that it touches. BAD_INPUT at `range` where from is not before to. */
export function answeredRange(range: TimeRange): TimeRange {
  return blaming("range", () => widenToQuarterHours(range));
}

/**
 * What an answered range is compared with, widened again. Empty (from = to) for what a year before was no time: 28 February
 * of a leap year up to the 29th, which the comparison takes for the 28th as well. BAD_INPUT at `compareTo` where it would begin
 * before the year 1.
 */
export function comparedRange(answered: TimeRange, comparison: Comparison, zone: TimeZoneId): TimeRange {
  return blaming("compareTo", () => {
    const compared = comparison === "PREVIOUS_YEAR" ? previousYear(answered, zone) : previousPeriod(answered, zone);
    if (compared.from < compared.to) return widenToQuarterHours(compared);
    const instant = (Math.floor(compared.from / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS) as EpochMicros;
    return { from: instant, to: instant };
  });
}

/** The ends of a series' buckets: bucket i is [b[i], b[i + 1]). BAD_INPUT at `granularity` above maxPoints. */
export function seriesBoundaries(
  answered: TimeRange,
  granularity: Granularity,
  zone: TimeZoneId,
  maxPoints: number,
): EpochMicros[] {
  return blaming("granularity", () => bucketBoundaries(answered, granularity, zone, maxPoints));
}

function blaming<T>(argument: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof InvalidTimeError || error instanceof TooManyBucketsError)) throw error;
    throw new PublicError("BAD_INPUT", error.message, { field: [argument], cause: error });
  }
}
