import { addDecimals, isZeroDecimal, negateDecimal } from "../../decimal.js";
import type { CampaignId, LinkKey } from "../../ids.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import type { Basis, LinkMeasure, Measure } from "../measures.js";
import type { Bucket, Place, RollupSum, RollupSums } from "./rollup-sums.js";
import type { RollupTable } from "../rollup-tables.js";

/** One number of one table of the metrics database that is not what the event log says. */
export interface Difference {
  readonly table: RollupTable | "campaigns";
  /** Null in a tenant's own rollups. */
  readonly campaignId: CampaignId | null;
  /** Null but in the rollups of links. */
  readonly linkKey: LinkKey | null;
  /** What the link is, where it is known. */
  readonly url: string | null;
  readonly basis: Basis | null;
  /** The start of a quarter-hour in ISO 8601, or a day "YYYY-MM-DD". */
  readonly bucket: string | null;
  /** A column, or the currency in a table of revenue. */
  readonly measure: string;
  readonly expected: string;
  /** What the table holds, with what the outbox has still to bring. */
  readonly found: string;
}

/** What stands for a value that is not there. */
export const NONE = "none";

/** One line for people. */
export function describeDifference(difference: Difference): string {
  const { table, campaignId, linkKey, url, basis, bucket, measure, expected, found } = difference;
  const place = [
    campaignId === null ? null : `campaign ${campaignId}`,
    linkKey === null ? null : `link ${url ?? linkKey}`,
    basis,
    bucket,
  ].filter((part) => part !== null);
  return `${[table, ...place].join(", ")}: ${measure} is ${found}, the event log says ${expected}`;
}

/** The tables of one granularity: of measures, and of revenue beside it where there is any. */
export interface RollupTables {
  readonly table: RollupTable;
  readonly revenueTable: RollupTable | null;
  readonly measures: readonly (Measure | LinkMeasure)[];
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
  { table, revenueTable, measures }: RollupTables,
  { campaignId, linkKey, basis, bucket }: Place,
  expected: RollupSum | undefined,
  found: RollupSum | undefined,
): Generator<Difference> {
  const place = { campaignId, linkKey, url: null, basis, bucket: formatBucket(bucket) };
  for (const [position, measure] of measures.entries()) {
    const [right, wrong] = [expected?.measures[position] ?? 0, found?.measures[position] ?? 0];
    if (right !== wrong) yield { table, ...place, measure, expected: String(right), found: String(wrong) };
  }
  if (revenueTable === null) return;
  for (const currency of new Set([...(expected?.revenue.keys() ?? []), ...(found?.revenue.keys() ?? [])])) {
    const [right, wrong] = [expected?.revenue.get(currency) ?? "0", found?.revenue.get(currency) ?? "0"];
    if (isZeroDecimal(addDecimals(right, negateDecimal(wrong)))) continue;
    yield { table: revenueTable, ...place, measure: currency, expected: right, found: wrong };
  }
}

function formatBucket(bucket: Bucket): string | null {
  return typeof bucket === "number" ? formatInstant(bucket satisfies EpochMicros) : bucket;
}
