import type { EpochMicros } from "../../time/instant.js";

/** How often what cannot be recorded is tried, and with which pauses. */
export interface RetryLimits {
  /** Tries of one event, the first one included; after the last it is a dead letter. */
  readonly maxAttempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/**
 * The pause after so many failed tries: twice the one before, at most the longest, and of each a half to one and a half
 * times, so that what failed together does not come again together. `random` is of [0, 1).
 */
export function retryDelayMs(attempts: number, limits: RetryLimits, random: number): number {
  const { firstDelayMs, maxDelayMs } = limits;
  return Math.min(maxDelayMs, firstDelayMs * 2 ** (attempts - 1)) * (0.5 + random);
}

export function instantAfter(now: EpochMicros, delayMs: number): EpochMicros {
  return (now + Math.round(delayMs * 1_000)) as EpochMicros;
}
