/** Where buckets begin and end, and which rollups answer them: worked out once for all who ask for the same. */
import { LRUCache } from "lru-cache";
import type { Granularity } from "../time/buckets.js";
import type { EpochMicros } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import type { TimeZoneId } from "../time/time-zone.js";
import { answeredRange, seriesBoundaries } from "./ranges.js";
import { chooseRollups, type RollupPlan } from "./rollup-choice.js";

/** Buckets between boundaries: bucket i is [boundaries[i], boundaries[i + 1]). */
export class BucketCut {
  readonly boundaries: readonly EpochMicros[];
  /** The boundaries, for what answers are kept by. By range and zone they would be named too, but another process may know other rules of zones. */
  readonly text: string;
  /** The last one: those who share a cut mostly share the zone of their days. */
  #plan: { readonly rollupZone: TimeZoneId | null; readonly plan: RollupPlan } | undefined;

  constructor(boundaries: readonly EpochMicros[]) {
    this.boundaries = boundaries;
    this.text = boundaries.join(",");
  }

  /** From the first bucket's beginning to the last one's end; null where there is no bucket. */
  get range(): TimeRange | null {
    const from = this.boundaries[0];
    const to = this.boundaries.at(-1);
    return from === undefined || to === undefined ? null : { from, to };
  }

  /** As chooseRollups has it. */
  planFor(rollupZone: TimeZoneId | null): RollupPlan {
    if (this.#plan === undefined || this.#plan.rollupZone !== rollupZone) {
      this.#plan = { rollupZone, plan: chooseRollups(this.boundaries, rollupZone) };
    }
    return this.#plan.plan;
  }
}

/** Of all cuts that are kept: about 200 bytes each, with their plans. */
const MAX_KEPT_BOUNDARIES = 10_000;

/** The cuts of a server. */
export class BucketCuts {
  readonly #maxPoints: number;
  readonly #kept = new LRUCache<string, BucketCut>({
    maxSize: MAX_KEPT_BOUNDARIES,
    sizeCalculation: ({ boundaries }) => boundaries.length,
  });

  constructor(maxPoints: number) {
    this.#maxPoints = maxPoints;
  }

  /** One bucket: the range widened to quarter-hours. Throws as answeredRange does. */
  whole(range: TimeRange): BucketCut {
    return this.#once(`${range.from} ${range.to}`, () => {
      const { from, to } = answeredRange(range);
      return [from, to];
    });
  }

  /** Throws as answeredRange and seriesBoundaries do. */
  series(range: TimeRange, granularity: Granularity, zone: TimeZoneId): BucketCut {
    return this.#once(`${range.from} ${range.to} ${granularity} ${zone}`, () =>
      seriesBoundaries(answeredRange(range), granularity, zone, this.#maxPoints),
    );
  }

  #once(key: string, cut: () => readonly EpochMicros[]): BucketCut {
    let known = this.#kept.get(key);
    if (known === undefined) this.#kept.set(key, (known = new BucketCut(cut())));
    return known;
  }
}
