import type { Logger } from "../observability/logger.js";
import type { Running } from "../runtime.js";

/** A terminal that is closed sends the last: PostgreSQL, in a session of its own, would otherwise run on alone. */
export const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Begins, and stops at the first of these signals, also one that comes while it still begins: what it waits for then it may give up,
 * and fail with the reason of the signal that it was given. A second one leaves at once, and so does whatever has not ended within the
 * limit after the first: whatever was acknowledged is durable.
 */
export async function runUntilSignal(
  limitMs: number,
  log: Logger,
  begin: (signal: AbortSignal) => Promise<Running>,
): Promise<void> {
  const stopped = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) process.exit(1);
    log.info({ signal }, "stopping");
    // Runs on after the stop, without holding the process: a connection that was forgotten must not hold it either.
    setTimeout(() => {
      log.error({ limitMs }, "stopping took too long");
      process.exit(1);
    }, limitMs).unref();
    stopping.abort();
    stopped.resolve();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  // A terminal that is gone takes no output, which is no reason to leave without having stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  try {
    const running = await begin(stopping.signal);
    await stopped.promise;
    await running.stop();
  } catch (error) {
    if (!stopping.signal.aborted || error !== stopping.signal.reason) throw error;
  }
  for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
}
