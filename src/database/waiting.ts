import type { Logger } from "pino";

/** How long it is waited in silence: longer than an ordinary start takes on a busy machine. */
const QUIET_MS = 2_500;

/** For what may wait for minutes for another process. */
export interface Waiting {
  readonly log: Logger;
  /** Ends the wait. Whatever waits then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Calls `tell` where the wait is a long one. Call what is returned when it is over. */
export function tellIfLong(tell: () => void): () => void {
  const timer = setTimeout(tell, QUIET_MS);
  timer.unref();
  return () => clearTimeout(timer);
}
