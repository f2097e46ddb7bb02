/**
 * The ranges that a KPI is compared with (KPIs over the previous period, or the previous year). Neither widens or aligns its
 * answer: who reads rollups does that.
 */
import { yearBefore } from "./civil-date.js";
import { EARLIEST_INSTANT, type EpochMicros, MICROS_PER_DAY } from "./instant.js";
import { InvalidTimeError } from "./invalid-time-error.js";
import { assertForward, type TimeRange } from "./range.js";
import { isStartOfDay, localDayNumber, startOfDayNumber, type TimeZoneId } from "./time-zone.js";
import { firstInstantAtWallClock, wallClockAt } from "./zone-offsets.js";

/**
 * The range that ends where this one begins: as many local days long where both ends are midnights in the zone (the first
 * instants of their days), else of the same duration. Throws InvalidTimeError before year 1 and for a range that is none.
 */
export function previousPeriod(range: TimeRange, zone: TimeZoneId): TimeRange {
  assertForward(range);
  let from = (range.from - (range.to - range.from)) as EpochMicros;
  if (isStartOfDay(range.from, zone) && isStartOfDay(range.to, zone)) {
    const firstDay = localDayNumber(range.from, zone);
    let day = firstDay - (localDayNumber(range.to, zone) - firstDay);
    from = startOfDayNumber(day, zone);
    // A date that the zone skipped is no day to compare with.
    while (from >= range.from) from = startOfDayNumber(--day, zone);
  }
  return { from: assertNameable(from), to: range.from };
}

/**
 * The same local wall clock a year before, each end for itself: 29 February becomes the 28th, a time that the clock jumped over
 * the transition, of two the earlier. Of whole days each begins where the other does, though one of them had no midnight. So two ends can
 * meet (28 to 29 February): then the answer is empty, from = to.
 * Throws InvalidTimeError before year 1 and for a range that is none.
 */
export function previousYear(range: TimeRange, zone: TimeZoneId): TimeRange {
  assertForward(range);
  const areDays = isStartOfDay(range.from, zone) && isStartOfDay(range.to, zone);
  const from = instantYearBefore(range.from, zone, areDays);
  const to = instantYearBefore(range.to, zone, areDays);
  return { from, to: to < from ? from : to };
}

function instantYearBefore(instant: EpochMicros, zone: TimeZoneId, startsDay: boolean): EpochMicros {
  const wallClock = wallClockAt(instant, zone);
  const day = Math.floor(wallClock / MICROS_PER_DAY);
  const timeOfDay = startsDay ? 0 : wallClock - day * MICROS_PER_DAY;
  return assertNameable(firstInstantAtWallClock(yearBefore(day) * MICROS_PER_DAY + timeOfDay, zone));
}

function assertNameable(instant: EpochMicros): EpochMicros {
  if (instant < EARLIEST_INSTANT) throw new InvalidTimeError("The range to compare with begins before the year 1.");
  return instant;
}
