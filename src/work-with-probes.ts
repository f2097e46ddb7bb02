import { listen } from "./http/listen.js";
import { announceStop, createServer, stopServer } from "./http/server.js";
import { DepthReadings } from "./ingest/depth-readings.js";
import { openPools } from "./open-pools.js";
import { type Running, type Runtime, systemClock } from "./runtime.js";
import { answers } from "./tenancy/answers.js";
import { work } from "./work.js";

/** Working as a process of its own, which machines may ask how it is. */
export async function workWithProbes(runtime: Runtime): Promise<Running> {
  const { config, log, telemetry } = runtime;
  const { port } = config.worker;
  if (port === null) return work(runtime);
  const pools = openPools(runtime.urls, config, "probes", runtime);
  const depths = new DepthReadings({ events: pools.events, now: systemClock, log });
  telemetry.watchInbox(() => depths.read());
  const app = createServer({
    log,
    telemetry,
    bodyLimitBytes: config.http.maxCallBytes,
    clientTimeoutMs: config.http.clientTimeoutMs,
    dependencies: {
      events: { isRequired: true, answers: () => answers(pools.events) },
      metrics: { isRequired: true, answers: () => answers(pools.metrics) },
    },
  });
  const address = { host: config.http.host, port, variables: "HOST and WORKER_PORT" };
  await listen(app, address).catch(async (error: unknown) => {
    await pools.stop();
    throw error;
  });
  const working = work(runtime);
  return {
    async stop() {
      // The probes answer until the batches in hand are finished, which may take long.
      announceStop(app);
      await working.stop();
      await stopServer(app, config.shutdownTimeoutMs);
      await pools.stop();
    },
  };
}
