/**
 * How many rows of a campaign's or the tenant's rollups a range takes to read: see rollup-choice.ts. From its length alone, but
 * for the parts of it in which nothing can lie: "everything" is often asked for by times far off.
 */
import { type EpochMicros, instantFromMillis, MICROS_PER_DAY, parseInstant } from "../../time/instant.js";
import type { Granularity } from "../../time/buckets.js";
import { QUARTER_HOUR_MICROS } from "../../time/range.js";
import { isStartOfDay, localDayNumber, startOfDayNumber, type TimeZoneId } from "../../time/time-zone.js";

export interface AskedBuckets {
  /** As it was given; null for a range that is one bucket. */
  readonly granularity: unknown;
  /** Null: the tenant's. */
  readonly zone: unknown;
}

export interface RollupRows {
  readonly rows: number;
  readonly buckets: number;
  /** Of a series by the calendar: the time in which nothing can lie. */
  readonly emptyYears: number;
}

interface Limits {
  /** Of the day rollups; null where it is not known. */
  readonly rollupZone: TimeZoneId | null;
  readonly timeZone: TimeZoneId | null;
  readonly maxPoints: number;
  readonly now: EpochMicros;
}

/** Of events: those before are refused. */
const FIRST_MOMENT = instantFromMillis(Date.UTC(2000));

const NOTHING: RollupRows = { rows: 0, buckets: 0, emptyYears: 0 };
const MICROS_PER_YEAR = 365.25 * MICROS_PER_DAY;
const QUARTERS_OF_A_DAY = 96;
const DAYS: Readonly<Partial<Record<Granularity, number>>> = { DAY: 1, WEEK: 7, MONTH: 28 };
const MICROS: Readonly<Partial<Record<Granularity, number>>> = {
  QUARTER_HOUR: QUARTER_HOUR_MICROS,
  HOUR: 4 * QUARTER_HOUR_MICROS,
};

/** What cannot be answered reads nothing: no range, one that runs backwards, or one of too many buckets. */
export function rollupRows(range: unknown, { granularity, zone }: AskedBuckets, limits: Limits): RollupRows {
  const given = (range ?? {}) as Readonly<Record<"from" | "to", unknown>>;
  const [start, end] = [instantOf(given.from), instantOf(given.to)];
  if (start === null || end === null || start >= end) return NOTHING;
  const from = Math.max(start, FIRST_MOMENT) as EpochMicros;
  const to = Math.max(from, Math.min(end, endOfTomorrow(limits))) as EpochMicros;
  const quarters = Math.ceil((to - from) / QUARTER_HOUR_MICROS) + (from % QUARTER_HOUR_MICROS === 0 ? 0 : 1);
  const fine = MICROS[granularity as Granularity];
  if (fine !== undefined) {
    return within(limits, { rows: quarters, buckets: Math.ceil((end - start) / fine) + 1, emptyYears: 0 });
  }
  if (granularity === null)
    return { rows: wholeDays(from, to, quarters, limits.rollupZone), buckets: 1, emptyYears: 0 };
  const length = DAYS[granularity as Granularity];
  if (length === undefined) return NOTHING;
  const bucketsOf = (micros: number): number =>
    Math.ceil((Math.ceil(micros / MICROS_PER_DAY) + 1) / length) + (length === 1 ? 0 : 1);
  const buckets = bucketsOf(end - start);
  const emptyYears = (end - start - (to - from)) / MICROS_PER_YEAR;
  const isOtherZone = limits.rollupZone !== null && (zone ?? limits.timeZone) !== limits.rollupZone;
  if (!isOtherZone)
    return within(limits, { rows: wholeDays(from, to, quarters, limits.rollupZone), buckets, emptyYears });
  // Of a bucket that begins within a day of the rollups, a day's worth is read by quarter-hours: all of it where it is a day.
  const atEnds = Math.min(quarters, bucketsOf(to - from) * QUARTERS_OF_A_DAY);
  return within(limits, {
    rows: atEnds + (length === 1 ? 0 : Math.ceil((to - from) / MICROS_PER_DAY)),
    buckets,
    emptyYears,
  });
}

/** Nothing lies behind it, and a range that goes on ends within no day. */
function endOfTomorrow({ now, rollupZone }: Limits): number {
  const tomorrow = now + MICROS_PER_DAY;
  if (rollupZone === null) return tomorrow;
  return startOfDayNumber(localDayNumber(tomorrow as EpochMicros, rollupZone) + 1, rollupZone);
}

/** Days, and the quarter-hours of the first and the last where the range begins or ends within one. */
function wholeDays(from: EpochMicros, to: EpochMicros, quarters: number, zone: TimeZoneId | null): number {
  const days = Math.ceil((to - from) / MICROS_PER_DAY);
  if (zone === null || days === 0) return days;
  const before = isStartOfDay(from, zone) ? 0 : startOfDayNumber(localDayNumber(from, zone) + 1, zone) - from;
  const after = to - startOfDayNumber(localDayNumber(to, zone), zone);
  return Math.min(quarters, days + Math.ceil((before + after) / QUARTER_HOUR_MICROS));
}

function within({ maxPoints }: Limits, rows: RollupRows): RollupRows {
  // One more may be counted than there is.
  return rows.buckets > maxPoints + 2 ? NOTHING : rows;
}

function instantOf(value: unknown): EpochMicros | null {
  return typeof value === "string" ? parseInstant(value) : null;
}
