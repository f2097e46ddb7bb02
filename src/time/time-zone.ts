/**
 * What a day is. A zone's day begins at the first instant of its date and ends where the next date begins, so days cover time
 * without gap or overlap. Where a clock was turned back over midnight the minutes of the earlier date that it showed a second
 * time stay with the later one: day rollups must be sums of whole quarter-hours, and St. John's turned back at 00:01 until 2011.
 */
import { Temporal } from "temporal-polyfill";
import { formatDate, parseDate } from "./civil-date.js";
import { type EpochMicros, MICROS_PER_DAY } from "./instant.js";
import { InvalidTimeError } from "./invalid-time-error.js";
import { firstInstantAtWallClock, wallClockAt } from "./zone-offsets.js";

/** An IANA name in its canonical case, known to this program's time zone data. */
export type TimeZoneId = string & { readonly __brand: "TimeZoneId" };

/** Offsets and date-times, which Temporal would take as zones, begin otherwise; SystemV zones are ICU's own, not IANA's. */
const NAME_SHAPE = /^(?!systemv\/)[a-z][a-z0-9_+/-]{1,63}$/i;

/** An IANA name in any case, or UTC; null for offsets and everything else. A link keeps its own name. */
export function parseTimeZone(name: string): TimeZoneId | null {
  if (!NAME_SHAPE.test(name)) return null;
  try {
    return new Temporal.ZonedDateTime(0n, name).timeZoneId as TimeZoneId;
  } catch {
    return null;
  }
}

/** The part of a local day that lies in one UTC day. */
interface DaySlice {
  readonly start: number;
  readonly day: number;
  readonly date: string;
}

/** Some 300 bytes each; a hundred tenants' zones over a year of events fit. When full it is emptied: refilling is cheap. */
const MAX_CACHED_UTC_DAYS = 40_000;

const slicesByZone = new Map<string, Map<number, DaySlice[]>>();
let cachedUtcDays = 0;

/** The local date, "YYYY-MM-DD", of an instant: for every event, so it is a table look-up by UTC day. */
export function localDate(instant: EpochMicros, zone: TimeZoneId): string {
  return daySliceAt(instant, zone).date;
}

/** The local date of an instant as a day number. */
export function localDayNumber(instant: EpochMicros, zone: TimeZoneId): number {
  return daySliceAt(instant, zone).day;
}

/**
 * The first instant of a local date "YYYY-MM-DD": 01:00 where the clock skips midnight, the earlier of two midnights, the start
 * of the next date where the zone skipped the whole day. Throws InvalidTimeError where it is no date.
 */
export function startOfDay(date: string, zone: TimeZoneId): EpochMicros {
  const day = parseDate(date);
  if (day === null) throw new InvalidTimeError(`Not a date: ${JSON.stringify(date.slice(0, 64))}`);
  return startOfDayNumber(day, zone);
}

/** The first instant of a local date given as a day number. */
export function startOfDayNumber(day: number, zone: TimeZoneId): EpochMicros {
  return firstInstantAtWallClock(day * MICROS_PER_DAY, zone);
}

/** Whether a local day begins at this instant. */
export function isStartOfDay(instant: EpochMicros, zone: TimeZoneId): boolean {
  return startOfDayNumber(localDayNumber(instant, zone), zone) === instant;
}

function daySliceAt(instant: EpochMicros, zone: TimeZoneId): DaySlice {
  const utcDay = Math.floor(instant / MICROS_PER_DAY);
  const slices = slicesByZone.get(zone)?.get(utcDay) ?? cacheSlices(utcDay, zone);
  let index = slices.length - 1;
  while (slices[index]!.start > instant) index--;
  return slices[index]!;
}

function cacheSlices(utcDay: number, zone: TimeZoneId): DaySlice[] {
  if (++cachedUtcDays > MAX_CACHED_UTC_DAYS) {
    slicesByZone.clear();
    cachedUtcDays = 1;
  }
  let ofZone = slicesByZone.get(zone);
  if (ofZone === undefined) slicesByZone.set(zone, (ofZone = new Map()));
  const slices = findSlices(utcDay, zone);
  ofZone.set(utcDay, slices);
  return slices;
}

function findSlices(utcDay: number, zone: TimeZoneId): DaySlice[] {
  const end = (utcDay + 1) * MICROS_PER_DAY;
  const slices: DaySlice[] = [];
  let start = utcDay * MICROS_PER_DAY;
  let day = Math.floor(wallClockAt(start, zone) / MICROS_PER_DAY);
  while (start < end) {
    let next = startOfDayNumber(day + 1, zone);
    // A date that the zone skipped begins where the next one does; one that is shown again has already ended.
    while (next <= start) next = startOfDayNumber(++day + 1, zone);
    slices.push({ start, day, date: formatDate(day) });
    start = next;
    day++;
  }
  return slices;
}
