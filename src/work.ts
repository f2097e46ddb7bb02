/** The composition root of working: the inbox's workers, the projector, and what keeps the databases in order. */
import { Partitions } from "./events/partitions.js";
import { Maintenance } from "./ingest/maintenance.js";
import { Worker } from "./ingest/worker.js";
import { openPools } from "./open-pools.js";
import { ErasureWork } from "./privacy/erasure-work.js";
import { Projector } from "./rollups/projector.js";
import { type Running, type Runtime, systemClock } from "./runtime.js";
import { WorkLoop } from "./work-loop.js";

const MAINTENANCE_INTERVAL_MS = 10 * 60_000;
const ERASURES_INTERVAL_MS = 1_000;
/** An erasure that waits for something walks through all that waits to be recorded, to see whether it is there. */
const ERASURES_REST_FACTOR = 10;

export interface Work extends Running {
  /** Says that events were accepted in this process: they need not wait for the next look. */
  wake(): void;
}

export function work(runtime: Runtime): Work {
  const { config, log, telemetry } = runtime;
  const pools = openPools(runtime.urls, config, "work", runtime);
  const { events, metrics } = pools;
  const now = systemClock;
  const partitions = new Partitions(events);
  const { pollMs, concurrency, batchEvents: maxEventsPerBatch, maxAttempts, retryFirstMs, retryMaxMs } = config.worker;

  const projector = new Projector({
    events,
    metrics,
    pollMs,
    now,
    log,
    onProjected: (_count, oldest) => telemetry.rollupLag(Math.max(0, now() - oldest) / 1_000_000),
  });
  const worker = new Worker({
    events,
    partitions,
    concurrency,
    maxEventsPerBatch,
    pollMs,
    maxLinksPerCampaign: config.limits.maxLinksPerCampaign,
    storeAddresses: config.storeAddresses,
    retries: { maxAttempts, firstDelayMs: retryFirstMs, maxDelayMs: retryMaxMs },
    now,
    log,
    onBuried: () => telemetry.appliedEvents("dead", 1),
    onBatch: ({ recorded, duplicates }) => {
      telemetry.appliedEvents("recorded", recorded);
      telemetry.appliedEvents("duplicate", duplicates);
      projector.wake();
    },
  });
  const stopping = new AbortController();
  const { eventRetentionDays } = config.limits;
  const { signal } = stopping;
  const maintenance = new Maintenance({ events, metrics, partitions, eventRetentionDays, now, log, signal });
  const upkeep = new WorkLoop({
    name: "maintenance",
    step: () => maintenance.run().then(() => false),
    idleMs: MAINTENANCE_INTERVAL_MS,
    log,
  });
  const erasureWork = new ErasureWork({ events, metrics, now, log, restFactor: ERASURES_REST_FACTOR, signal });
  const erasures = new WorkLoop({
    name: "erasures",
    step: () => erasureWork.run().then(() => false),
    idleMs: ERASURES_INTERVAL_MS,
    log,
  });

  return {
    wake: () => worker.wake(),
    async stop() {
      stopping.abort();
      // The worker first: what it still writes to the outbox, the projector may still take.
      await Promise.all([worker.stop(), upkeep.stop(), erasures.stop()]);
      await projector.stop();
      await pools.stop();
    },
  };
}
