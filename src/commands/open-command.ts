import { readConfig } from "../config.js";
import { createLogger, type Logger } from "../observability/logger.js";
import { type Installation, openInstallation } from "../open-installation.js";
import { openPools, type Pools } from "../open-pools.js";

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
  const installation = await openInstallation({ config, log, as: "command", migrate: false });
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
}
