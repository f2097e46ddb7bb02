import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { appendToOutbox, LANES } from "../../src/events/outbox.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import { readFreshness } from "../../src/metrics/freshness.js";
import { MEASURES } from "../../src/rollups/measures.js";
import { Projector } from "../../src/rollups/projector.js";
import { systemClock } from "../../src/runtime.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { createTenant } from "../support/cache-rig.js";
import { waitFor } from "../support/wait-for.js";
import { ZONE } from "./damage.js";
import { insertTenant } from "../support/insert-tenant.js";
import { providePools } from "./rollup-scene.js";

const pools = providePools();

const COUNTS = MEASURES.map((measure) => (measure === "sent" ? 1 : 0));
/** One SENT. */
const good = (campaignId: CampaignId) => ({ rollup: { cells: [[campaignId, "EVENT", 0, COUNTS]], links: [] } });
/** What no program of this format writes. */
const BAD = { rollup: { cells: [["no id", "EVENT", 0, COUNTS]], links: [] } };

/** Messages that came in this order. */
async function append(...payloads: readonly (readonly [TenantId, object])[]): Promise<void> {
  const ids = payloads.map(() => uuidv7()).toSorted();
  const messages = payloads.map(([tenantId, payload], index) => {
    const id = ids[index] ?? "";
    return { id, tenantId, lane: LANES.LIVE, eventCount: 1, receivedAt: systemClock(), payload };
  });
  await writeAsWorker(pools.events, (session) => appendToOutbox(session, messages));
}

const readSent = defineStatement<"metrics", [TenantId], { sent: number }>(
  "metrics",
  "test.read_sent",
  "select sent from tenant_totals where tenant_id = $1",
);
const mend = defineStatement<"events", [TenantId, bad: string, good: string], never>(
  "events",
  "test.mend",
  "update outbox set payload = replace(payload::text, $2, $3)::json where tenant_id = $1",
);

async function sentOf(tenantId: TenantId): Promise<number> {
  return (await writeAsWorker(pools.metrics, (session) => session.run(readSent(tenantId))))[0]?.sent ?? 0;
}

async function isSent(tenantId: TenantId, sent: number): Promise<void> {
  await waitFor(async () => (await sentOf(tenantId)) === sent, { what: `${sent} SENTs to be in the rollups` });
}

async function pendingOf(tenantId: TenantId): Promise<number> {
  const freshness = await writeAsTenant(pools.events, tenantId, (session) =>
    readFreshness(session, tenantId, systemClock()),
  );
  return freshness.pendingEvents;
}

function start(retryMs: number) {
  const lines: { tenantId?: TenantId; msg: string; err: { message: string } }[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const projectors = [1, 2].map(() => new Projector({ ...pools, pollMs: 5, now: systemClock, log, retryMs }));
  const stop = async () => {
    for (const projector of projectors.splice(0)) await projector.stop();
  };
  onTestFinished(stop);
  return { lines, stop };
}

test("messages that cannot be applied hold up no others, of other tenants or of their own, and are not lost", async () => {
  const [tenantId, neighbour] = [await createTenant(pools.metrics), await createTenant(pools.metrics)];
  // As after the metrics were restored from before the tenant was made.
  const lost = uuidv7() as TenantId;
  const campaignId = uuidv7() as CampaignId;
  await append([lost, good(campaignId)], [tenantId, BAD], [neighbour, good(campaignId)], [tenantId, good(campaignId)]);
  const { lines, stop } = start(200);
  await isSent(neighbour, 1);
  await isSent(tenantId, 1);
  // The metrics commit first: a message leaves the outbox a moment after it counts.
  await waitFor(async () => (await pendingOf(tenantId)) + (await pendingOf(neighbour)) === 1, {
    what: "what was applied to leave the outbox",
  });
  expect([await pendingOf(lost), await pendingOf(tenantId)]).toEqual([1, 1]);
  expect(lines.map(({ msg }) => msg)).toContain("a message cannot be applied and waits in the outbox");

  // Once what was wrong is mended they count, once.
  await writeAsWorker(pools.metrics, (session) => session.run(insertTenant(lost, "restored", ZONE)));
  await writeAsWorker(pools.events, (session) => session.run(mend(tenantId, "no id", campaignId)));
  await isSent(lost, 1);
  await isSent(tenantId, 2);
  await append([neighbour, good(campaignId)]);
  await isSent(neighbour, 2);
  await stop();
  expect([await pendingOf(lost), await pendingOf(tenantId), await sentOf(tenantId)]).toEqual([0, 0, 2]);
  // One line in ten seconds for each kind, from each projector.
  expect(lines.length).toBeLessThanOrEqual(2);
});

test("a tenant with more messages that cannot be applied than are taken at once holds up nobody", async () => {
  const [lost, neighbour] = [uuidv7() as TenantId, await createTenant(pools.metrics)];
  const campaignId = uuidv7() as CampaignId;
  const many = Array.from({ length: 120 }, () => [lost, good(campaignId)] as const);
  await append(...many, [neighbour, good(campaignId)]);
  const { lines, stop } = start(60_000);
  await isSent(neighbour, 1);
  await stop();
  expect(await pendingOf(lost)).toBe(120);
  expect(lines.find(({ msg }) => msg.startsWith("many messages"))).toMatchObject({
    tenantId: lost,
    err: { message: `Tenant ${lost} has messages and does not exist` },
  });
});
