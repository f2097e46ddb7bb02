/**
 * How a series is cut. A granule starts where the zone's clock begins a quarter-hour, hour, day, ISO week or month; a bucket is
 * a granule cut to the range. Boundaries are strictly increasing, so daylight saving can neither lose nor repeat an instant: an
 * hour that the clock shows twice is two buckets, a day may last 23 or 25 hours. An hour starts at every instant whose local
 * minute is 0 and nowhere else, so Lord Howe's half-hour shifts each leave one bucket of 90 minutes.
 */
import { firstOfNextMonth, nextMonday } from "./civil-date.js";
import { type EpochMicros, MICROS_PER_SECOND } from "./instant.js";
import { assertForward, QUARTER_HOUR_MICROS, type TimeRange } from "./range.js";
import { localDayNumber, startOfDayNumber, type TimeZoneId } from "./time-zone.js";
import { offsetStretchAt } from "./zone-offsets.js";

export type Granularity = "QUARTER_HOUR" | "HOUR" | "DAY" | "WEEK" | "MONTH";

/** A series of more points than one may have. */
export class TooManyBucketsError extends RangeError {
  override readonly name = "TooManyBucketsError";

  readonly maxPoints: number;

  constructor(maxPoints: number) {
    super(`The range has more than ${maxPoints} buckets of this granularity.`);
    this.maxPoints = maxPoints;
  }
}

const HOUR_MICROS = 3600 * MICROS_PER_SECOND;

/**
 * The ends of a range's buckets: the first is range.from, the last range.to, between them the granules' starts in the zone;
 * bucket i is [b[i], b[i + 1]). Multiples of 15 minutes UTC where the range is one and lies after 2000.
 * Throws TooManyBucketsError above `maxPoints`, at the cost of that many, and InvalidTimeError where from is not before to.
 */
export function bucketBoundaries(
  range: TimeRange,
  granularity: Granularity,
  zone: TimeZoneId,
  maxPoints: number,
): EpochMicros[] {
  assertForward(range);
  const boundaries = [range.from];
  for (const start of granuleStartsAfter(range.from, granularity, zone)) {
    if (start >= range.to) break;
    if (boundaries.push(start) > maxPoints) throw new TooManyBucketsError(maxPoints);
  }
  boundaries.push(range.to);
  return boundaries;
}

/** The granules' starts after an instant, without end. */
function granuleStartsAfter(
  instant: EpochMicros,
  granularity: Granularity,
  zone: TimeZoneId,
): Generator<EpochMicros, never, undefined> {
  switch (granularity) {
    // Every offset is a multiple of 15 minutes, so the zone's quarter-hours are UTC's.
    case "QUARTER_HOUR":
      return quarterHoursAfter(instant);
    case "HOUR":
      return hoursAfter(instant, zone);
    case "DAY":
      return daysAfter(instant, zone, (day) => day + 1);
    case "WEEK":
      return daysAfter(instant, zone, nextMonday);
    case "MONTH":
      return daysAfter(instant, zone, firstOfNextMonth);
  }
}

function* quarterHoursAfter(instant: EpochMicros): Generator<EpochMicros, never, undefined> {
  for (let quarter = Math.floor(instant / QUARTER_HOUR_MICROS) + 1; ; quarter++) {
    yield (quarter * QUARTER_HOUR_MICROS) as EpochMicros;
  }
}

function* hoursAfter(instant: EpochMicros, zone: TimeZoneId): Generator<EpochMicros, never, undefined> {
  let stretch = offsetStretchAt(instant, zone);
  let hour = Math.floor((instant + stretch.offset) / HOUR_MICROS) + 1;
  for (;;) {
    for (let start = hour * HOUR_MICROS - stretch.offset; start < stretch.until; start += HOUR_MICROS) {
      yield start as EpochMicros;
    }
    stretch = offsetStretchAt(stretch.until, zone);
    hour = Math.ceil((stretch.from + stretch.offset) / HOUR_MICROS);
  }
}

function* daysAfter(
  instant: EpochMicros,
  zone: TimeZoneId,
  nextDay: (day: number) => number,
): Generator<EpochMicros, never, undefined> {
  let latest: number = instant;
  let day = localDayNumber(instant, zone);
  for (;;) {
    day = nextDay(day);
    const start = startOfDayNumber(day, zone);
    // A date that the zone skipped starts where the one after it does.
    if (start > latest) yield start;
    latest = start;
  }
}
