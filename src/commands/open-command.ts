import { constants } from "node:os";
import { readConfig } from "../config.js";
import { createLogger, type Logger } from "../observability/logger.js";
import { type Installation, openInstallation } from "../open-installation.js";
import { openPools, type Pools } from "../open-pools.js";
import { STOP_SIGNALS } from "./run-until-signal.js";

/** The program's own environment, which one module reads. */
export function configOfProcess() {
  return readConfig(process.env);
}

/** What one command works with: the databases for as long as it takes, with few words on the way. */
export async function withInstallation<T>(
  work: (installation: Installation, pools: Pools, log: Logger) => Promise<T>,
): Promise<T> {
  const config = configOfProcess();
  const log = createLogger(config.logLevel ?? "warn");
  const opening = openInstallation({ config, log, as: "command", migrate: false });
  const endListening = leaveOnSignal(opening);
  try {
    const installation = await opening;
    try {
      const pools = openPools(installation.urls, config, "command", installation);
      try {
        return await work(installation, pools, log);
      } finally {
        await pools.stop();
      }
    } finally {
      await installation.stop();
    }
  } finally {
    endListening();
  }
}

/**
 * A command that is interrupted leaves the embedded server, which would run on alone: it lives in a session of its own. What can
 * come to an end by itself listens to the signal as well, and is let do so the first time.
 */
function leaveOnSignal(opening: Promise<Installation>): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    if (process.listenerCount(signal) > 1) return;
    void opening
      .then((installation) => installation.stop())
      .catch(() => undefined)
      .finally(() => process.exit(128 + constants.signals[signal]));
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  return () => {
    for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  };
}
