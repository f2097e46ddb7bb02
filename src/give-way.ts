import { readdirSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** A tenth of the share of a processor that both want. */
const NICENESS = 10;

/**
 * Lets other processes of the machine go first. Linux counts threads one by one, so that those which run already are told as well:
 * a quarter of what this program takes is V8's own, collecting its garbage. Threads to come are as the one that begins them.
 */
export function giveWay(): void {
  // Who started it asked for more, and only root could take that back.
  if (getPriority() >= NICENESS) return;
  setPriority(NICENESS);
  for (const thread of runningThreads()) {
    try {
      setPriority(thread, NICENESS);
    } catch (error) {
      const hasEnded = (error as { readonly info?: NodeJS.ErrnoException }).info?.code === "ESRCH";
      if (!hasEnded) throw error;
    }
  }
}

/** None where the system has priorities of whole processes. */
function runningThreads(): number[] {
  try {
    return readdirSync("/proc/self/task").map(Number);
  } catch {
    return [];
  }
}
