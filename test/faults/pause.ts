// oxlint-disable-next-line no-restricted-imports -- paces the load and chooses when a fault strikes; nothing is awaited by it
import { setTimeout as timer } from "node:timers/promises";

/** Lets so much time pass. What a check depends on is waited for by waitFor() instead. */
export async function pause(ms: number): Promise<void> {
  await timer(ms);
}
