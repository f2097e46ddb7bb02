import { addDecimals } from "../decimal.js";
import { MEASURES } from "../rollups/measures.js";

/** What rollups say of a campaign or a tenant, over a range or so far. */
export interface Counts {
  /** By position in MEASURES. */
  readonly measures: readonly number[];
  /** Decimals by currency (ISO 4217); a currency may be there with 0. */
  readonly revenue: Readonly<Record<string, string>>;
}

/** Where nothing happened. */
export const EMPTY_COUNTS: Counts = Object.freeze({
  measures: Object.freeze(MEASURES.map(() => 0)),
  revenue: Object.freeze({}),
});

/** The sum. A side that is EMPTY_COUNTS costs nothing. */
export function addCounts(left: Counts, right: Counts): Counts {
  if (left === EMPTY_COUNTS) return right;
  if (right === EMPTY_COUNTS) return left;
  const revenue = { ...left.revenue };
  for (const [currency, amount] of Object.entries(right.revenue)) {
    revenue[currency] = addDecimals(revenue[currency] ?? "0", amount);
  }
  return { measures: left.measures.map((value, position) => value + (right.measures[position] ?? 0)), revenue };
}
