/**
 * What becomes of a row that cannot be recorded by itself. It is tried again whole, once, since the fault may have been
 * of the moment; then it is split in halves, each tried at once, until the event at fault stands alone; that one is tried
 * again with growing pauses, and in the end goes to the dead letters with its error. All else counts as soon as it can.
 */
import type { Session } from "../../database/pool.js";
import type { EpochMicros } from "../../time/instant.js";
import { buryRow } from "./dead-letters.js";
import { failureOf } from "./failure.js";
import type { InboxRow } from "../inbox.js";
import { halvesOf, postponeRow, splitRow } from "./inbox-retries.js";
import { instantAfter, type RetryLimits, retryDelayMs } from "./retries.js";

/** Tries of many events together before they are split: a longer wait would be the good ones' wait as well. */
const ATTEMPTS_TOGETHER = 2;

/** "gone": another worker had more luck with it, or failed as well and has seen to it. */
export type RowFate = "postponed" | "split" | "buried" | "gone";

export async function failRow(
  session: Session<"events">,
  row: InboxRow,
  error: unknown,
  options: { readonly limits: RetryLimits; readonly now: EpochMicros; readonly random: number },
): Promise<RowFate> {
  const { limits, now, random } = options;
  const attempts = row.attempts + 1;
  // What cannot be read cannot be taken apart either, and is buried whole.
  const halves = attempts < Math.min(ATTEMPTS_TOGETHER, limits.maxAttempts) ? null : halvesOf(row);
  if (halves !== null) return (await splitRow(session, row, halves, now)) ? "split" : "gone";
  if (attempts >= limits.maxAttempts) {
    return (await buryRow(session, row, failureOf(error), now)) ? "buried" : "gone";
  }
  const notBefore = instantAfter(now, retryDelayMs(attempts, limits, random));
  return (await postponeRow(session, row, notBefore, now)) ? "postponed" : "gone";
}
