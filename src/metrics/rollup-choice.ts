/**
 * Which rollups answer which part of a bucket: the whole local days in it come from day rollups, the edges from
 * quarter-hours. A day's row is the sum of the quarter-hours that begin in that day, so the choice changes what a read
 * costs and never what it says. The zone of the day rollups need not be the zone in which the buckets were cut.
 */
import { formatDate } from "../time/civil-date.js";
import type { EpochMicros } from "../time/instant.js";
import { QUARTER_HOUR_MICROS } from "../time/range.js";
import { localDayNumber, startOfDayNumber, type TimeZoneId } from "../time/time-zone.js";

/** A scan over day rollups, of which some days may belong to no bucket. */
export interface DayScan {
  readonly zone: TimeZoneId;
  /** Dates, half-open. */
  readonly first: string;
  readonly after: string;
  /** Where a slot begins, ascending: slot i is [starts[i], starts[i + 1]). */
  readonly starts: readonly string[];
  /** The bucket of each slot; null for days that quarter-hours answer. */
  readonly buckets: readonly (number | null)[];
  /** Whether a slot may hold several rows, so that summing them in the database pays. */
  readonly sums: boolean;
}

/** Stretches of quarter-hours, disjoint and ascending; each is [from, to). */
export interface QuarterScan {
  readonly from: readonly EpochMicros[];
  readonly to: readonly EpochMicros[];
  readonly sums: boolean;
}

export interface RollupPlan {
  /** Bucket i is [boundaries[i], boundaries[i + 1]). */
  readonly boundaries: readonly EpochMicros[];
  readonly bucketCount: number;
  readonly days: DayScan | null;
  readonly quarters: QuarterScan | null;
}

/** Days as numbers, half-open. */
interface Days {
  readonly first: number;
  readonly after: number;
}

/**
 * The plan for buckets between ascending boundaries (two for one bucket; equal ones hold nothing). `rollupZone` is the zone
 * of the tenant's day rollups, null while they are not to be used.
 */
export function chooseRollups(boundaries: readonly EpochMicros[], rollupZone: TimeZoneId | null): RollupPlan {
  const bucketCount = Math.max(0, boundaries.length - 1);
  const daysOf = boundaries
    .slice(0, -1)
    .map((from, bucket) => (rollupZone === null ? null : wholeDays(from, boundaries[bucket + 1] ?? from, rollupZone)));
  const days = rollupZone === null ? null : planDays(daysOf, rollupZone);
  const zoneOfDays = days === null ? null : rollupZone;
  const quarters = planQuarters(boundaries, daysOf, zoneOfDays);
  return { boundaries, bucketCount, days, quarters };
}

/** The local days of which every quarter-hour lies in [from, to); null where there is none. */
function wholeDays(from: EpochMicros, to: EpochMicros, zone: TimeZoneId): Days | null {
  const day = localDayNumber(from, zone);
  const first = firstQuarterOf(day, zone) >= from ? day : day + 1;
  const after = localDayNumber(to, zone);
  return first < after ? { first, after } : null;
}

/** A day owns the quarter-hours that begin in it; before 2000 its own beginning may lie within one. */
function firstQuarterOf(day: number, zone: TimeZoneId): EpochMicros {
  return roundUp(startOfDayNumber(day, zone));
}

function roundUp(instant: EpochMicros): EpochMicros {
  return (Math.ceil(instant / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS) as EpochMicros;
}

/** One scan over all the days. Null where it would mostly read days that it does not use. */
function planDays(daysOf: readonly (Days | null)[], zone: TimeZoneId): DayScan | null {
  const starts: string[] = [];
  const buckets: (number | null)[] = [];
  let first: number | undefined;
  let after = 0;
  let used = 0;
  daysOf.forEach((days, bucket) => {
    if (days === null) return;
    first ??= days.first;
    if (starts.length > 0 && days.first > after) {
      starts.push(formatDate(after));
      buckets.push(null);
    }
    starts.push(formatDate(days.first));
    buckets.push(bucket);
    used += days.after - days.first;
    after = days.after;
  });
  if (first === undefined || used * 2 < after - first) return null;
  const sums = daysOf.some((days) => days !== null && days.after - days.first > 1);
  return { zone, first: formatDate(first), after: formatDate(after), starts, buckets, sums };
}

/** What the days leave, as few stretches as possible: the end of a bucket and the beginning of the next one are one. */
function planQuarters(
  boundaries: readonly EpochMicros[],
  daysOf: readonly (Days | null)[],
  zoneOfDays: TimeZoneId | null,
): QuarterScan | null {
  const from: EpochMicros[] = [];
  const to: EpochMicros[] = [];
  let sums = false;
  const add = (start: EpochMicros, end: EpochMicros) => {
    if (start >= end) return;
    sums ||= end - start > QUARTER_HOUR_MICROS;
    if (to.at(-1) === start) to[to.length - 1] = end;
    else {
      from.push(start);
      to.push(end);
    }
  };
  daysOf.forEach((days, bucket) => {
    const start = roundUp(boundaries[bucket]!);
    const end = roundUp(boundaries[bucket + 1]!);
    if (days === null || zoneOfDays === null) return add(start, end);
    add(start, firstQuarterOf(days.first, zoneOfDays));
    add(firstQuarterOf(days.after, zoneOfDays), end);
  });
  return from.length === 0 ? null : { from, to, sums };
}
