import { END_OF_TIME, type EpochMicros } from "./instant.js";
import { InvalidTimeError } from "./invalid-time-error.js";

/** Half-open: [from, to). */
export interface TimeRange {
  readonly from: EpochMicros;
  readonly to: EpochMicros;
}

/** The finest rollup: every zone's offset since 2000 is a multiple of it. */
export const QUARTER_HOUR_MICROS = 900_000_000;

/** The last quarter-hour of year 9999 would end in a year that no date-time can name, so coverage stops where it begins. */
const LAST_BOUNDARY = END_OF_TIME - QUARTER_HOUR_MICROS;

/** The range outwards to the UTC quarter-hours that it touches. Throws InvalidTimeError where from is not before to. */
export function widenToQuarterHours(range: TimeRange): TimeRange {
  assertForward(range);
  const to = Math.min(Math.ceil(range.to / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS, LAST_BOUNDARY);
  const from = Math.min(Math.floor(range.from / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS, to - QUARTER_HOUR_MICROS);
  return { from: from as EpochMicros, to: to as EpochMicros };
}

/** Whether both ends are UTC quarter-hours, so that rollups can answer it exactly. */
export function isAlignedToQuarterHours(range: TimeRange): boolean {
  return range.from % QUARTER_HOUR_MICROS === 0 && range.to % QUARTER_HOUR_MICROS === 0;
}

/** Throws InvalidTimeError unless from is before to. */
export function assertForward(range: TimeRange): void {
  if (!(range.from < range.to)) throw new InvalidTimeError("A range must begin before it ends.");
}
