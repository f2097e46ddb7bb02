import { PublicError } from "../errors.js";
import type { TimeRange } from "../time/range.js";

/** The range, where it runs forward; else BAD_INPUT naming the argument. */
export function checkedRange(range: TimeRange, field: readonly string[]): TimeRange {
  if (range.from < range.to) return range;
  throw new PublicError("BAD_INPUT", "A range's from lies before its to.", { field });
}
