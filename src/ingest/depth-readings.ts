/**
 * What waits in the inbox, for the metrics of a process: read when somebody asks for them. A server that gets no calls tells
 * the truth, also where there is no worker to tell it, and a process that nobody watches asks nothing.
 *
 *   - Many processes may be asked: whoever asks while one reads gets its answer, and a reading rests fifty times as long as
 *     it took. A million calls of one event take half a second to two; mostly it is a millisecond.
 *   - Where it cannot be read nothing is told: an old number, or 0, would hide what an alert is for. While a reading takes
 *     its time the one before it stands for it, and not for long.
 */
import type { Pool } from "../database/pool.js";
import type { Logger } from "../observability/logger.js";
import type { EpochMicros } from "../time/instant.js";
import { withinTime } from "../within-time.js";
import { readInboxDepth } from "./inbox-depth.js";

interface DepthReadingsOptions {
  readonly events: Pool<"events">;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** How long whoever asks waits for a reading. */
  readonly patienceMs?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsedMs?: () => number;
}

interface Reading {
  readonly events: number;
  /** Of the oldest of them; 0 where none waits. */
  readonly ageSeconds: number;
}

/** Well below the ten seconds that Prometheus waits by default. */
const DEFAULT_PATIENCE_MS = 2_000;
const MIN_REST_MS = 1_000;
const REST_FACTOR = 50;
/** How long after it should have been made anew a reading still stands for what waits. */
const MAX_LATE_MS = 30_000;

export class DepthReadings {
  readonly #options: Required<DepthReadingsOptions>;
  #kept: { readonly reading: Reading; readonly dueAtMs: number } | null = null;
  #renewal: Promise<void> | null = null;

  constructor(options: DepthReadingsOptions) {
    this.#options = { patienceMs: DEFAULT_PATIENCE_MS, elapsedMs: () => performance.now(), ...options };
  }

  /** Over all tenants and lanes; null where it is not known. Never rejects. */
  async read(): Promise<Reading | null> {
    const { patienceMs, elapsedMs } = this.#options;
    if (this.#kept === null || this.#kept.dueAtMs <= elapsedMs()) {
      this.#renewal ??= this.#renew().finally(() => {
        this.#renewal = null;
      });
      await withinTime(this.#renewal, patienceMs).catch(() => undefined);
    }
    if (this.#kept === null || this.#kept.dueAtMs + MAX_LATE_MS <= elapsedMs()) return null;
    return this.#kept.reading;
  }

  async #renew(): Promise<void> {
    const { events, now, log, elapsedMs } = this.#options;
    const began = elapsedMs();
    try {
      const { waitingEvents, oldestAt } = await readInboxDepth(events);
      const ageSeconds = oldestAt === null ? 0 : Math.max(0, now() - oldestAt) / 1_000_000;
      const ended = elapsedMs();
      const dueAtMs = ended + Math.max(MIN_REST_MS, REST_FACTOR * (ended - began));
      this.#kept = { reading: { events: waitingEvents, ageSeconds }, dueAtMs };
    } catch (error) {
      this.#kept = null;
      log.warn({ err: error }, "what waits in the inbox could not be read");
    }
  }
}
