import { addDecimals, isZeroDecimal, negateDecimal } from "../decimal.js";
import type { CampaignId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { type Basis, MEASURES } from "./measures.js";
import type { Bucket, Place, RollupSum, RollupSums } from "./rollup-sums.js";

/** One number of one table of the metrics database that is not what the event log says. */
export interface Difference {
  readonly table: string;
  /** Null in a tenant's own rollups. */
  readonly campaignId: CampaignId | null;
  readonly basis: Basis | null;
  /** The start of a quarter-hour in ISO 8601, a day "YYYY-MM-DD", or a link's URL. */
  readonly bucket: string | null;
  /** A column, or the currency in a table of revenue. */
  readonly measure: string;
  readonly expected: string;
  /** What the table holds, with what the outbox has still to bring. */
  readonly found: string;
}

/** One line for people. */
export function describeDifference({ table, campaignId, basis, bucket, measure, expected, found }: Difference): string {
  const place = [campaignId === null ? null : `campaign ${campaignId}`, basis, bucket].filter((part) => part !== null);
  return `${table}, ${place.join(", ")}: ${measure} is ${found}, the event log says ${expected}`;
}

/** The tables of one granularity: of measures, and of revenue beside it. */
export interface RollupTables {
  readonly table: string;
  readonly revenueTable: string;
}

/** Where two sums differ, among the buckets that are asked for. A missing row equals a row of zeros. */
export function* differencesOf(
  tables: RollupTables,
  expected: RollupSums,
  found: RollupSums,
  isAskedFor: (bucket: Bucket) => boolean,
): Generator<Difference> {
  for (const sum of expected) {
    if (isAskedFor(sum.bucket)) yield* differencesAt(tables, sum, sum, found.find(sum));
  }
  for (const sum of found) {
    if (isAskedFor(sum.bucket) && expected.find(sum) === undefined) yield* differencesAt(tables, sum, undefined, sum);
  }
}

function* differencesAt(
  { table, revenueTable }: RollupTables,
  { campaignId, basis, bucket }: Place,
  expected: RollupSum | undefined,
  found: RollupSum | undefined,
): Generator<Difference> {
  const place = { campaignId, basis, bucket: formatBucket(bucket) };
  for (const [position, measure] of MEASURES.entries()) {
    const [right, wrong] = [expected?.measures[position] ?? 0, found?.measures[position] ?? 0];
    if (right !== wrong) yield { table, ...place, measure, expected: String(right), found: String(wrong) };
  }
  for (const currency of new Set([...(expected?.revenue.keys() ?? []), ...(found?.revenue.keys() ?? [])])) {
    const [right, wrong] = [expected?.revenue.get(currency) ?? "0", found?.revenue.get(currency) ?? "0"];
    if (isZeroDecimal(addDecimals(right, negateDecimal(wrong)))) continue;
    yield { table: revenueTable, ...place, measure: currency, expected: right, found: wrong };
  }
}

function formatBucket(bucket: Bucket): string | null {
  return typeof bucket === "number" ? formatInstant(bucket satisfies EpochMicros) : bucket;
}
