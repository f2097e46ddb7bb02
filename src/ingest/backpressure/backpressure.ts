/**
 * Refuses calls at once while too much waits in the inbox, instead of letting it grow until the database has no room for
 * anybody. The marks are soft: a server lets calls in as long as it knows of room for one event, so that a large call never
 * starves behind small ones. Between two readings n servers together may pass a mark by n calls, and by what n - 1 of them
 * found room for: see InboxLevels.
 */
import type { Pool } from "../../database/pool.js";
import { type Lane, LANES } from "../../events/outbox.js";
import type { TenantId } from "../../ids.js";
import type { Logger } from "../../observability/logger.js";
import type { EpochMicros } from "../../time/instant.js";
import { type HighWaterMarks, type Overload, overloadOf } from "./high-water-marks.js";
import { InboxLevels } from "./inbox-levels.js";

interface BackpressureOptions {
  readonly events: Pool<"events">;
  readonly marks: HighWaterMarks;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** How long a call waits for the first reading after a lull, before it is let in. */
  readonly patienceMs?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsedMs?: () => number;
}

/** A call that was let in. */
export interface Admission {
  readonly overload: null;
  /** To be called once: how many of its events became durable. */
  readonly end: (storedCount: number) => void;
}

const DEFAULT_PATIENCE_MS = 250;

export class Backpressure {
  readonly #options: BackpressureOptions;
  readonly #levels: Readonly<Record<Lane, InboxLevels>>;

  constructor(options: BackpressureOptions) {
    this.#options = options;
    const { events, marks, log, patienceMs = DEFAULT_PATIENCE_MS, elapsedMs = () => performance.now() } = options;
    const shared = { events, marks, log, patienceMs, elapsedMs };
    this.#levels = {
      [LANES.LIVE]: new InboxLevels({ ...shared, lane: LANES.LIVE }),
      [LANES.BULK]: new InboxLevels({ ...shared, lane: LANES.BULK }),
    };
  }

  /** Lets a call of so many events in, or says why not. Costs no statement of its own while calls keep coming. */
  async admit(
    tenantId: TenantId,
    lane: Lane,
    eventCount: number,
  ): Promise<Admission | { readonly overload: Overload }> {
    const levels = this.#levels[lane];
    await levels.prepare(tenantId);
    // No await from here on: calls that come together each see the ones before them.
    const overload = overloadOf(levels.waiting(tenantId), this.#options.marks, this.#options.now());
    return overload === null ? { overload, end: levels.enter(tenantId, eventCount) } : { overload };
  }
}
