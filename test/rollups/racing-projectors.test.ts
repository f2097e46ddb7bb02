import { pino } from "pino";
import { expect, test } from "vitest";
import type { CampaignIdentity } from "../../src/campaigns/campaign-identity.js";
import { defineStatement } from "../../src/database/statement.js";
import { appendToOutbox, LANES } from "../../src/events/outbox.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import { Projector } from "../../src/rollups/projector.js";
import { systemClock } from "../../src/runtime.js";
import { beginAsWorker, writeAsWorker } from "../../src/tenancy/transactions.js";
import { createTenant } from "../support/cache-rig.js";
import { waitFor } from "../support/wait-for.js";
import { providePools } from "./rollup-scene.js";

const pools = providePools();

const countWaiting = defineStatement<"metrics", [], { waiting: number }>(
  "metrics",
  "test.count_waiting",
  `select count(*) as waiting from pg_locks
   where not granted and pid in (select pid from pg_stat_activity where datname = current_database())`,
);
const countMessages = defineStatement<"events", [TenantId], { messages: number }>(
  "events",
  "test.count_messages",
  "select count(*) as messages from outbox where tenant_id = $1",
);
const insertCampaign = defineStatement<"metrics", [TenantId, CampaignId], never>(
  "metrics",
  "test.insert_campaign",
  `insert into campaigns (tenant_id, id, name, created_at, updated_at, identity_revision)
   values ($1, $2, 'gate', '2026-11-20 12:00:00+00', '2026-11-20 12:00:00+00', 1)`,
);
const lockCampaign = defineStatement<"metrics", [TenantId, CampaignId], never>(
  "metrics",
  "test.lock_campaign",
  "select from campaigns where tenant_id = $1 and id = $2 for update",
);

/** As many as a projector takes at once: the next ones are the other's. */
const MESSAGES_AT_ONCE = 50;

const sortedIds = (count: number) => Array.from({ length: count }, () => uuidv7()).toSorted();

test("projectors of which each is told of the campaign that the other one makes do not wait for each other in a circle", async () => {
  const tenantId = await createTenant(pools.metrics);
  const [one, other, firstGate, secondGate] = sortedIds(4) as [CampaignId, CampaignId, CampaignId, CampaignId];
  for (const gate of [firstGate, secondGate]) {
    await writeAsWorker(pools.metrics, (session) => session.run(insertCampaign(tenantId, gate)));
  }
  const now = systemClock();
  const state = { externalId: null, details: { name: "x" }, createdAt: now, changedAt: now, archivedAt: null };
  const identity = (id: CampaignId): { readonly campaign: CampaignIdentity } => ({
    campaign: { ...state, id, revision: 2 },
  });
  const sent = (id: CampaignId) => ({ rollup: { cells: [], links: [], linkCells: [], firstSent: [[id, now]] } });
  const ids = sortedIds(2 * MESSAGES_AT_ONCE);
  const batch = (...payloads: readonly object[]) =>
    ids.splice(0, MESSAGES_AT_ONCE).map((id, index) => {
      const payload = payloads[index] ?? {};
      return { id, tenantId, lane: LANES.LIVE, eventCount: 0, receivedAt: now, payload };
    });
  // Each projector stops at its gate, with one of the two campaigns made.
  const messages = [
    ...batch(identity(other), identity(firstGate), sent(one)),
    ...batch(identity(one), identity(secondGate), sent(other)),
  ];
  const holding = await beginAsWorker(pools.metrics);
  for (const gate of [firstGate, secondGate]) await holding.run(lockCampaign(tenantId, gate));
  await writeAsWorker(pools.events, (session) => appendToOutbox(session, messages));
  const failures: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void failures.push(line) });
  const projectors = [1, 2].map(() => new Projector({ ...pools, pollMs: 5, now: systemClock, log }));
  try {
    await waitFor(
      async () => (await writeAsWorker(pools.metrics, (session) => session.run(countWaiting())))[0]?.waiting === 2,
      { what: "both projectors to wait" },
    );
    await holding.commit();
    await waitFor(
      async () =>
        (await writeAsWorker(pools.events, (session) => session.run(countMessages(tenantId))))[0]?.messages === 0,
      { what: "all messages to be applied" },
    );
  } finally {
    await holding.rollback();
    for (const projector of projectors) await projector.stop();
  }
  expect(failures).toEqual([]);
});
