import { constants } from "node:os";
import { onBrokenOutput, statusOfBrokenOutput } from "./broken-output.js";
import { STOP_SIGNALS } from "./run-until-signal.js";
import { tellError } from "./tell-error.js";

/**
 * Lets a command leave in order, whatever cuts it short: a signal, a reader of its output that has gone, an error that came from no
 * call. `leave` gives back the embedded server, which would run on alone: it lives in a session of its own. What can come to an end by
 * itself listens to the signal as well, and is let do so the first time. A signal to what is leaving already ends it at once.
 *
 * Call what is returned when the command is done. It does not return where the command is leaving already: that ends the
 * process, and what the work came to that was cut short is no news.
 */
export function leaveEarly(leave: () => Promise<unknown>): () => Promise<void> {
  let leaving: Promise<void> | undefined;
  const begin = (status: number): void => {
    leaving ??= leave()
      .catch(() => undefined)
      .then(() => process.exit(status));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    const status = 128 + constants.signals[signal];
    // Leaving waits for PostgreSQL, which may hang.
    if (leaving !== undefined) process.exit(status);
    if (process.listenerCount(signal) === 1) begin(status);
  };
  const onException = (error: unknown): void => {
    tellError(error);
    begin(1);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  process.on("uncaughtException", onException);
  const endListening = onBrokenOutput((error) => {
    // The output of a command that is leaving may break as well.
    if (leaving === undefined) begin(statusOfBrokenOutput(error));
  });
  return async () => {
    await leaving;
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
    process.off("uncaughtException", onException);
    endListening();
  };
}
