import { PublicError } from "../errors.js";
import type { TimeRange } from "../time/range.js";

/** Null where no range was given. */
export function checkedRangeOrNull(range: TimeRange | null | undefined, field: readonly string[]): TimeRange | null {
  return range === null || range === undefined ? null : checkedRange(range, field);
}

/** The range, where it runs forward; else BAD_INPUT naming the argument. */
export function checkedRange(range: TimeRange, field: readonly string[]): TimeRange {
  if (range.from < range.to) return range;
  throw new PublicError("BAD_INPUT", "A range's from lies before its to.", { field });
}
