/** How rollup rows come out of the database: as texts of many numbers each, since a column a number costs several times as much. */
import { addDecimals } from "../decimal.js";
import { type Counts, EMPTY_COUNTS } from "./counts.js";

/** "1,2,3": counts in the order in which they were selected. Throws RangeError past 2^53 - 1. */
export function parseMeasures(text: string): number[] {
  return text.split(",").map((digits) => exact(Number(digits)));
}

function exact(count: number): number {
  if (Math.abs(count) > Number.MAX_SAFE_INTEGER) throw new RangeError("A count is past 2^53 - 1");
  return count;
}

const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
const SEMICOLON = 59;

/** Array.from looks up each of so many members that are not there. */
function repeated<T>(value: T, times: number): T[] {
  const values: T[] = [];
  for (let at = 0; at < times; at++) values.push(value);
  return values;
}

function commasOfFirst(cells: string): number {
  let commas = 0;
  for (let at = 0; at < cells.length; at++) {
    const code = cells.charCodeAt(at);
    if (code === SEMICOLON) break;
    if (code === COMMA) commas++;
  }
  return commas;
}

/** "EUR,1.50;USD,2". */
export function parseRevenue(text: string): Record<string, string> {
  return Object.fromEntries(text.split(";").map((entry) => entry.split(",") as [string, string]));
}

/** Sums up buckets while their parts come in, from days and from quarter-hours. */
export class BucketSums {
  readonly #measures: (number[] | undefined)[];
  readonly #revenue: (Record<string, string> | undefined)[];

  constructor(bucketCount: number) {
    this.#measures = repeated(undefined, bucketCount);
    this.#revenue = repeated(undefined, bucketCount);
  }

  /**
   * "slot,m1,m2,…;slot,…" with slots from 1. Slots of no bucket are left out. Taken apart by hand: a month of 20 campaigns takes 0.1 ms,
   * through JSON.parse 0.45. Each cell's counts in an array of their size, since one that grows while it is filled has room for 17.
   */
  addMeasures(cells: string, buckets: (slot: number) => number | null): void {
    const zeros = repeated(0, commasOfFirst(cells));
    let counts = zeros.slice();
    let slot = 0;
    let place = -1;
    let value = 0;
    let sign = 1;
    for (let at = 0; at <= cells.length; at++) {
      const code = at < cells.length ? cells.charCodeAt(at) : SEMICOLON;
      if (code !== COMMA && code !== SEMICOLON) {
        if (code === MINUS) sign = -1;
        else value = value * 10 + (code - ZERO);
        continue;
      }
      const number = exact(sign * value);
      if (place < 0) slot = number;
      else counts[place] = number;
      place++;
      value = 0;
      sign = 1;
      if (code === COMMA) continue;
      this.#addCounts(buckets(slot), counts);
      counts = zeros.slice();
      place = -1;
    }
  }

  #addCounts(bucket: number | null, counts: number[]): void {
    if (bucket === null) return;
    const known = this.#measures[bucket];
    if (known === undefined) this.#measures[bucket] = counts;
    else for (let at = 0; at < counts.length; at++) known[at] = (known[at] ?? 0) + (counts[at] ?? 0);
  }

  /** "slot,EUR,1.50;slot,…" with slots from 1. Slots of no bucket are left out. */
  addRevenue(cells: string, buckets: (slot: number) => number | null): void {
    for (const cell of cells.split(";")) {
      const [slot, currency = "", amount = "0"] = cell.split(",");
      const bucket = buckets(Number(slot));
      if (bucket === null) continue;
      const revenue = (this.#revenue[bucket] ??= {});
      const known = revenue[currency];
      revenue[currency] = known === undefined ? amount : addDecimals(known, amount);
    }
  }

  /** One entry a bucket. */
  counts(): Counts[] {
    return this.#measures.map((measures, bucket) => {
      const revenue = this.#revenue[bucket];
      if (measures === undefined && revenue === undefined) return EMPTY_COUNTS;
      return { measures: measures ?? EMPTY_COUNTS.measures, revenue: revenue ?? EMPTY_COUNTS.revenue };
    });
  }
}
