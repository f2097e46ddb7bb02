import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { readWithoutTenant } from "../tenancy/transactions.js";
import type { EpochMicros } from "../time/instant.js";

const read = defineStatement<"events", [], { dropped_before: EpochMicros }>(
  "events",
  "retention.read_floor",
  "select dropped_before from retention",
);

/** Ids are forgotten a day after intake should know (forget-event-ids.ts): this is much less. */
const MAX_AGE_MS = 60_000;

/**
 * Through when events were dropped, whatever this process is told to retain. What lies before cannot be told from what
 * counted already, so it is refused. Asked for once a minute.
 */
export class RetentionFloor {
  readonly #events: Pool<"events">;
  /** Milliseconds on a clock that never goes back. */
  readonly #now: () => number;
  #askedAt = Number.NEGATIVE_INFINITY;
  #answer: Promise<EpochMicros | null> | undefined;

  constructor(events: Pool<"events">, now: () => number = () => performance.now()) {
    this.#events = events;
    this.#now = now;
  }

  /** Null where nothing was dropped yet. */
  read(): Promise<EpochMicros | null> {
    if (this.#answer === undefined || this.#now() - this.#askedAt > MAX_AGE_MS) {
      this.#askedAt = this.#now();
      this.#answer = this.#ask();
    }
    return this.#answer;
  }

  async #ask(): Promise<EpochMicros | null> {
    try {
      const [row] = await readWithoutTenant(this.#events, (session) => session.run(read()));
      return row?.dropped_before ?? null;
    } catch (error) {
      this.#answer = undefined;
      throw error;
    }
  }
}
