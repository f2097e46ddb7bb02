import { addDecimals } from "../../decimal.js";
import type { CampaignId, LinkKey } from "../../ids.js";
import type { EpochMicros } from "../../time/instant.js";
import type { Basis } from "../measures.js";

/** A quarter-hour's start, a local day "YYYY-MM-DD", or null for everything so far. */
export type Bucket = EpochMicros | string | null;

/** Which row of a rollup: the campaign is null for the tenant's, the link for all there is, the basis where both agree. */
export interface Place {
  readonly campaignId: CampaignId | null;
  readonly linkKey: LinkKey | null;
  readonly basis: Basis | null;
  readonly bucket: Bucket;
}

export interface RollupSum extends Place {
  /** By position in MEASURES, or in LINK_MEASURES where the place is a link's. */
  readonly measures: number[];
  /** By currency. */
  readonly revenue: Map<string, string>;
}

/** Measures and revenue summed by place. A place that was never added to is all zeros. */
export class RollupSums {
  readonly #sums = new Map<string, RollupSum>();

  /** The sum at a place, made where there is none yet; what is changed in it is kept. */
  at(place: Place): RollupSum {
    const key = keyOf(place);
    let sum = this.#sums.get(key);
    if (sum === undefined) {
      const { campaignId, linkKey, basis, bucket } = place;
      this.#sums.set(key, (sum = { campaignId, linkKey, basis, bucket, measures: [], revenue: new Map() }));
    }
    return sum;
  }

  find(place: Place): RollupSum | undefined {
    return this.#sums.get(keyOf(place));
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

function keyOf({ campaignId, linkKey, basis, bucket }: Place): string {
  return `${campaignId} ${linkKey} ${basis} ${bucket}`;
}

export function addCount(sum: RollupSum, position: number, count: number): void {
  sum.measures[position] = (sum.measures[position] ?? 0) + count;
}

export function addRevenue(sum: RollupSum, currency: string, amount: string): void {
  sum.revenue.set(currency, addDecimals(sum.revenue.get(currency) ?? "0", amount));
}
