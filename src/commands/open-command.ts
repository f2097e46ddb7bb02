import { readConfig } from "../config.js";
import { createLogger, type Logger } from "../observability/logger.js";
import { type Installation, openInstallation, type OpenOptions } from "../open-installation.js";
import { openPools, type Pools } from "../open-pools.js";
import { leaveEarly } from "./leave-early.js";

/** The program's own environment, which one module reads. */
export function configOfProcess() {
  return readConfig(process.env);
}

/** What one command works with: the databases for as long as it takes, with few words on the way. */
export function withInstallation<T>(
  work: (installation: Installation, pools: Pools, log: Logger) => Promise<T>,
): Promise<T> {
  const config = configOfProcess();
  const log = createLogger(config.logLevel ?? "warn");
  return whileOpen({ config, log, as: "command", migrate: false }, async (installation) => {
    const pools = openPools(installation.urls, config, "command", installation);
    try {
      return await work(installation, pools, log);
    } finally {
      await pools.stop();
    }
  });
}

/** Opens an installation for some work, and leaves it whatever ends that. */
export async function whileOpen<T>(options: OpenOptions, work: (installation: Installation) => Promise<T>): Promise<T> {
  const leaving = new AbortController();
  const opening = openInstallation({ ...options, signal: leaving.signal });
  // Configured databases run on anyway, and may never answer: nothing is there to wait for.
  const isEmbedded = options.config.databases.urls === null;
  const done = leaveEarly(async () => {
    leaving.abort();
    if (isEmbedded) await (await opening).stop();
  });
  try {
    const installation = await opening;
    try {
      return await work(installation);
    } finally {
      await installation.stop();
    }
  } finally {
    await done();
  }
}
