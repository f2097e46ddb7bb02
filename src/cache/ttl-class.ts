import { type EpochMicros, MICROS_PER_DAY } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";

export type TtlClass = "OPEN" | "RECENT" | "CLOSED";

/** Ceilings: an answer is gone as soon as the tenant's version moves, and after this time in any case. */
export const DEFAULT_TTL_SECONDS: Readonly<Record<TtlClass, number>> = {
  OPEN: 30,
  RECENT: 5 * 60,
  CLOSED: 60 * 60,
};

/**
 * How long after its end a range still counts as recent: most who open a mail do so within two days of it, and providers
 * repeat a webhook that failed for about as long.
 */
export const RECENT_MICROS = 2 * MICROS_PER_DAY;

/** OPEN without a range and for one that has not ended, RECENT for one that ended within RECENT_MICROS, else CLOSED. */
export function ttlClassOf(range: TimeRange | null, now: EpochMicros): TtlClass {
  if (range === null || range.to > now) return "OPEN";
  return now - range.to <= RECENT_MICROS ? "RECENT" : "CLOSED";
}
