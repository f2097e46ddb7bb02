/** Tenants, events and messages for tests of the rollups, step by step: recorded now, projected when a test says so. */
import { pino } from "pino";
import { afterAll, beforeAll } from "vitest";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { eventKeyOf } from "../../src/events/event-key.js";
import type { AcceptedEvent, EventDetails, EventType } from "../../src/events/event.js";
import { LANES } from "../../src/events/outbox.js";
import { Partitions } from "../../src/events/partitions.js";
import {
  type CampaignId,
  hashToUuid,
  type ReceiptId,
  type RecipientKey,
  type TenantId,
  uuidv7,
} from "../../src/ids.js";
import { eventsOf, recordBatch } from "../../src/ingest/record-batch.js";
import { INBOX_FORMAT, writePayload } from "../../src/ingest/inbox-payload.js";
import { Projector } from "../../src/rollups/projector.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import type { EpochMicros } from "../../src/time/instant.js";
import type { TimeZoneId } from "../../src/time/time-zone.js";
import { insertTenant } from "../support/insert-tenant.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";

export interface TestPools {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
}

const NOW = (Date.UTC(2026, 10, 20, 12) * 1000) as EpochMicros;
const log = pino({ level: "silent" });

/** Databases of the calling file's own, open while its tests run. Filled before the first of them. */
export function providePools(): TestPools & {
  readonly eventsUrl: string;
  readonly metricsUrl: string;
} {
  const provided = {} as ReturnType<typeof providePools>;
  let databases: TestDatabases;
  beforeAll(async () => {
    databases = await createTestDatabases();
    const shared = { maxConnections: 16, waitTimeoutMs: 10_000, preparedStatements: true, log };
    Object.assign(provided, {
      eventsUrl: databases.eventsUrl,
      metricsUrl: databases.metricsUrl,
      events: new Pool({ database: "events", url: databases.eventsUrl, ...shared }),
      metrics: new Pool({ database: "metrics", url: databases.metricsUrl, ...shared }),
    });
  });
  afterAll(async () => {
    await Promise.all([provided.events.stop(), provided.metrics.stop()]);
    await databases.drop();
  });
  return provided;
}

const insertIdentity = defineStatement<"events", [TenantId, CampaignId], never>(
  "events",
  "test.insert_identity",
  `insert into campaign_identities (tenant_id, campaign_id, created_at) values ($1, $2, '2026-01-01 00:00:00+00')`,
);
const insertCampaign = defineStatement<"metrics", [TenantId, CampaignId], never>(
  "metrics",
  "test.insert_campaign",
  `insert into campaigns (tenant_id, id, name, created_at, updated_at, identity_revision)
   values ($1, $2, 'A campaign', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00+00', 1)`,
);

export interface TestTenant {
  readonly tenantId: TenantId;
  readonly zone: TimeZoneId;
  readonly campaignIds: readonly CampaignId[];
}

/** A tenant of its own with so many campaigns, so that tests can share databases. */
export async function createTenant(pools: TestPools, zone: TimeZoneId, campaigns: number): Promise<TestTenant> {
  const tenantId = uuidv7() as TenantId;
  const campaignIds = Array.from({ length: campaigns }, () => uuidv7() as CampaignId);
  await writeAsWorker(pools.metrics, async (session) => {
    await session.run(insertTenant(tenantId, `tenant-${tenantId.slice(-12)}`, zone));
    for (const id of campaignIds) await session.run(insertCampaign(tenantId, id));
  });
  await writeAsWorker(pools.events, async (session) => {
    for (const id of campaignIds) await session.run(insertIdentity(tenantId, id));
  });
  return { tenantId, zone, campaignIds };
}

export interface Happening extends EventDetails {
  readonly type: EventType;
  readonly campaignId: CampaignId;
  readonly recipient: string;
  readonly occurredAt: EpochMicros;
  /** Another one than any before, unless it is given. */
  readonly eventId?: string;
}

/** An event as it was accepted. */
export function acceptedEvent({ recipient, eventId = uuidv7(), ...rest }: Happening): AcceptedEvent {
  const recipientKey = hashToUuid(recipient) as RecipientKey;
  return { ...rest, eventId, key: eventKeyOf(eventId), recipientKey, address: recipient };
}

/** Records a batch of one tenant's events, as the worker does; its message waits in the outbox. */
export async function recordEvents(
  { events }: TestPools,
  tenantId: TenantId,
  payload: readonly AcceptedEvent[],
  maxLinksPerCampaign = 1_000,
): Promise<void> {
  await new Partitions(events).ensureFor(payload.map((event) => event.occurredAt));
  const row = {
    id: 0,
    lane: LANES.LIVE,
    is_retry: false,
    tenant_id: tenantId,
    receipt_id: uuidv7() as ReceiptId,
    format: INBOX_FORMAT,
    event_count: payload.length,
    received_at: NOW,
    attempts: 0,
    first_failed_at: null,
    payload: writePayload(payload),
  };
  const rows = [row];
  await writeAsWorker(events, (session) =>
    recordBatch(session, rows, eventsOf(rows), { maxLinksPerCampaign, now: NOW }),
  );
}

const countMessages = defineStatement<"events", [], { messages: number }>(
  "events",
  "test.count_messages",
  "select count(*) as messages from outbox",
);
const readMessages = defineStatement<"events", [], { messages: string }>(
  "events",
  "test.read_messages",
  "select coalesce(json_agg(outbox), '[]')::text as messages from outbox",
);
const restoreMessages = defineStatement<"events", [messages: string], never>(
  "events",
  "test.restore_messages",
  "insert into outbox select * from json_populate_recordset(null::outbox, $1)",
);

export function startProjector({ events, metrics }: TestPools): Projector {
  return new Projector({ events, metrics, pollMs: 5, now: () => NOW, log });
}

/** Applies what waits in the outbox. A projector that dies before it removes the messages leaves them there, applied. */
export async function projectMessages(
  { events, metrics }: TestPools,
  options: { readonly diesBeforeRemoving?: boolean } = {},
): Promise<void> {
  const [before] = await writeAsWorker(events, (session) => session.run(readMessages()));
  const projector = startProjector({ events, metrics });
  const isEmpty = async (): Promise<boolean> => {
    const [row] = await writeAsWorker(events, (session) => session.run(countMessages()));
    return row?.messages === 0;
  };
  try {
    await waitFor(isEmpty, { what: "the outbox to be empty", deadlineMs: 60_000 });
  } finally {
    await projector.stop();
  }
  if (options.diesBeforeRemoving === true && before !== undefined) {
    await writeAsWorker(events, (session) => session.run(restoreMessages(before.messages)));
  }
}
