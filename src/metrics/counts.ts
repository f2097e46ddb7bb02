import { MEASURES } from "../rollups/measures.js";

/** What rollups say of a campaign or a tenant, over a range or so far. */
export interface Counts {
  /** By position in the measures of the set that was read. */
  readonly measures: readonly number[];
  /** Decimals by currency (ISO 4217); a currency may be there with 0. Empty where revenue was not read. */
  readonly revenue: Readonly<Record<string, string>>;
}

/** Where nothing happened, whichever measures were read. */
export const EMPTY_COUNTS: Counts = Object.freeze({
  measures: Object.freeze(MEASURES.map(() => 0)),
  revenue: Object.freeze({}),
});
