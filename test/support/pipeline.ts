import { createSecretKey } from "node:crypto";
import { pino } from "pino";
import { CampaignIdentities } from "../../src/campaigns/campaign-identities.js";
import { Pool, type Preamble } from "../../src/database/pool.js";
import { defineStatement, type Statement } from "../../src/database/statement.js";
import { RecipientKeys } from "../../src/events/event-key.js";
import { Partitions } from "../../src/events/partitions.js";
import { RetentionFloor } from "../../src/events/retention-floor.js";
import { type TenantId, uuidv7 } from "../../src/ids.js";
import { InboxWriter } from "../../src/ingest/inbox-writer.js";
import { Intake, type IntakeLimits } from "../../src/ingest/intake.js";
import type { RetryLimits } from "../../src/ingest/dead-letters/retries.js";
import { Worker } from "../../src/ingest/worker.js";
import { Projector } from "../../src/rollups/projector.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { type EpochMicros, formatInstant, instantFromMillis } from "../../src/time/instant.js";
import { insertTenant } from "./insert-tenant.js";
import { createTestDatabases } from "./test-databases.js";
import { waitFor } from "./wait-for.js";

const TEST_LIMITS: IntakeLimits = {
  maxEventsPerCall: 1000,
  maxAddressChars: 320,
  maxMetadataBytes: 8192,
  maxUrlChars: 8192,
  maxTextChars: 1024,
  maxFutureMinutes: 10,
  eventRetentionDays: null,
};

/** Soon over: a test that poisons an event waits for its burial. */
export const TEST_RETRIES: RetryLimits = { maxAttempts: 3, firstDelayMs: 5, maxDelayMs: 20 };

const countPending = defineStatement<"events", [], { pending: number }>(
  "events",
  "test.count_pending",
  "select (select count(*) from inbox) + (select count(*) from outbox) as pending",
);

/** The whole path of an event, on databases of its own. */
export async function startPipeline(
  options: {
    workers?: number;
    projectors?: number;
    limits?: Partial<IntakeLimits>;
    maxLinksPerCampaign?: number;
    partitions?: (events: Pool<"events">) => Partitions;
  } = {},
) {
  const databases = await createTestDatabases();
  const log = pino({ level: process.env["TEST_LOG_LEVEL"] ?? "silent" });
  const shared = { maxConnections: 12, waitTimeoutMs: 10_000, preparedStatements: true, log };
  const events = new Pool({ database: "events", url: databases.eventsUrl, ...shared });
  const metrics = new Pool({ database: "metrics", url: databases.metricsUrl, ...shared });
  const campaigns = new CampaignIdentities(events, now);
  const inbox = new InboxWriter(events);
  const recipientKeys = new RecipientKeys(createSecretKey(Buffer.alloc(32, "test")));
  const limits = { ...TEST_LIMITS, ...options.limits };
  const intake = new Intake({ campaigns, inbox, recipientKeys, floor: new RetentionFloor(events), limits, now });
  const workers = Array.from(
    { length: options.workers ?? 1 },
    () =>
      new Worker({
        events,
        partitions: options.partitions?.(events) ?? new Partitions(events),
        concurrency: 1,
        maxEventsPerBatch: 1000,
        pollMs: 5,
        maxLinksPerCampaign: options.maxLinksPerCampaign ?? 1000,
        retries: TEST_RETRIES,
        now,
        log,
      }),
  );
  const projectors = Array.from(
    { length: options.projectors ?? 1 },
    () => new Projector({ events, metrics, pollMs: 5, now, log }),
  );

  return {
    databases,
    events,
    metrics,
    campaigns,
    intake,
    recipientKeys,
    async createTenant(timeZone = "UTC"): Promise<TenantId> {
      const id = uuidv7() as TenantId;
      await writeAsWorker(metrics, (session) =>
        session.run(insertTenant(id, `t-${id}`, timeZone, timeZone, formatInstant(now()))),
      );
      return id;
    },
    /** Runs a statement as the owner of the event log's tables. */
    asOwner<Row>(statement: Statement<"events", Row>): Promise<Row[]> {
      return events.transaction("begin; set local role mailtally_owner" as Preamble, (session) =>
        session.run(statement),
      );
    },
    /** Resolves when every accepted event is in the rollups. */
    async settled(): Promise<void> {
      await waitFor(
        async () => {
          const [row] = await writeAsWorker(events, (session) => session.run(countPending()));
          return row?.pending === 0;
        },
        { what: "inbox and outbox to be empty", deadlineMs: 60_000 },
      );
    },
    async stop(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.stop()));
      await Promise.all(projectors.map((projector) => projector.stop()));
      await inbox.stop();
      await Promise.all([events.stop(), metrics.stop()]);
      await databases.drop();
    },
  };
}

export type Pipeline = Awaited<ReturnType<typeof startPipeline>>;

function now(): EpochMicros {
  return instantFromMillis(Date.now());
}
