// oxlint-disable-next-line no-restricted-imports -- the one place that polls, for all tests
import { setTimeout as pause } from "node:timers/promises";

type Truthy<T> = Exclude<T, undefined | null | false | 0 | "">;

const POLL_INTERVAL_MS = 10;

/**
 * Polls until `condition` gives something true and returns that. Fails after `deadlineMs` naming `what` was waited for, with
 * the condition's last error as the cause: a condition that throws counts as not yet.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { deadlineMs = 10_000, what }: { readonly deadlineMs?: number; readonly what: string },
): Promise<Truthy<T>> {
  const deadline = performance.now() + deadlineMs;
  let cause: unknown;
  for (;;) {
    try {
      const found = await condition();
      if (found) return found as Truthy<T>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) throw new Error(`Waited ${deadlineMs} ms in vain for ${what}.`, { cause });
    await pause(POLL_INTERVAL_MS);
  }
}
