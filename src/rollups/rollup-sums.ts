import { addDecimals } from "../decimal.js";
import type { CampaignId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";
import { type Basis, MEASURES } from "./measures.js";

/** A quarter-hour's start, a local day "YYYY-MM-DD", or null for everything so far. */
export type Bucket = EpochMicros | string | null;

/** Which row of a rollup: the campaign is null for the tenant's, the basis where both agree. */
export interface Place {
  readonly campaignId: CampaignId | null;
  readonly basis: Basis | null;
  readonly bucket: Bucket;
}

export interface RollupSum extends Place {
  /** By position in MEASURES. */
  readonly measures: number[];
  /** By currency. */
  readonly revenue: Map<string, string>;
}

/** Measures and revenue summed by place. A place that was never added to is all zeros. */
export class RollupSums {
  readonly #sums = new Map<string, RollupSum>();

  /** The sum at a place, made where there is none yet; what is changed in it is kept. */
  at({ campaignId, basis, bucket }: Place): RollupSum {
    const key = keyOf(campaignId, basis, bucket);
    let sum = this.#sums.get(key);
    if (sum === undefined) {
      sum = { campaignId, basis, bucket, measures: Array.from(MEASURES, () => 0), revenue: new Map() };
      this.#sums.set(key, sum);
    }
    return sum;
  }

  find({ campaignId, basis, bucket }: Place): RollupSum | undefined {
    return this.#sums.get(keyOf(campaignId, basis, bucket));
  }

  /** Adds every sum at the place that it has here; null leaves it out. */
  add(others: Iterable<RollupSum>, placeOf: (sum: RollupSum) => Place | null): void {
    for (const other of others) {
      const place = placeOf(other);
      if (place === null) continue;
      const sum = this.at(place);
      other.measures.forEach((value, position) => addCount(sum, position, value));
      for (const [currency, amount] of other.revenue) addRevenue(sum, currency, amount);
    }
  }

  [Symbol.iterator](): Iterator<RollupSum> {
    return this.#sums.values();
  }
}

function keyOf(campaignId: CampaignId | null, basis: Basis | null, bucket: Bucket): string {
  return `${campaignId} ${basis} ${bucket}`;
}

export function addCount(sum: RollupSum, position: number, count: number): void {
  sum.measures[position] = (sum.measures[position] ?? 0) + count;
}

export function addRevenue(sum: RollupSum, currency: string, amount: string): void {
  sum.revenue.set(currency, addDecimals(sum.revenue.get(currency) ?? "0", amount));
}
