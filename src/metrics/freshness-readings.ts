/**
 * Counting what waits takes longer the more of it there is: a second for a million small calls. A server that has just
 * counted for long answers from that reading for a while, so that a flood does not make the reads that ask for freshness slow.
 *
 * Only readings that found something are kept. An older one tells of more that waits than does, never of less: 0 is always
 * read before the numbers that it stands beside.
 */
import type { Session } from "../database/pool.js";
import type { TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";
import { type FreshnessOfRollups, readFreshness } from "./freshness.js";

const LONG_MS = 50;
/** A reading rests so many times as long as it took, and no longer than a dashboard's next look. */
const REST_FACTOR = 20;
const MAX_REST_MS = 5_000;

interface Reading {
  readonly freshness: FreshnessOfRollups;
  readonly restsUntilMs: number;
  /** Somebody counts anew: the others need not all do the same. */
  isRenewed: boolean;
}

export class FreshnessReadings {
  readonly #clock: () => number;
  /** Of tenants with much that waits. */
  readonly #long = new Map<TenantId, Reading>();

  /** `clock`: milliseconds that never go back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  async read(session: Session<"events">, tenantId: TenantId, now: EpochMicros): Promise<FreshnessOfRollups> {
    const known = this.#long.get(tenantId);
    if (known !== undefined) {
      if (known.isRenewed || this.#clock() < known.restsUntilMs) return known.freshness;
      known.isRenewed = true;
    }
    try {
      const began = this.#clock();
      const freshness = await readFreshness(session, tenantId, now);
      const tookMs = this.#clock() - began;
      if (freshness.pendingEvents === 0 || tookMs < LONG_MS) this.#long.delete(tenantId);
      else {
        const restsUntilMs = this.#clock() + Math.min(tookMs * REST_FACTOR, MAX_REST_MS);
        this.#long.set(tenantId, { freshness, restsUntilMs, isRenewed: false });
      }
      return freshness;
    } catch (error) {
      this.#long.delete(tenantId);
      throw error;
    }
  }
}
