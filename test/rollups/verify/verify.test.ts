import * as fc from "fast-check";
import { Client } from "pg";
import { expect, test } from "vitest";
import { defineStatement } from "../../../src/database/statement.js";
import { EVENT_TYPES } from "../../../src/events/event.js";
import { uuidv7 } from "../../../src/ids.js";
import type { Difference } from "../../../src/rollups/verify/difference.js";
import type { VerifyScope } from "../../../src/rollups/verify/compare-rollups.js";
import { type VerifySummary, verifyRollups } from "../../../src/rollups/verify/verify.js";
import { writeAsWorker } from "../../../src/tenancy/transactions.js";
import type { EpochMicros } from "../../../src/time/instant.js";
import { at, campaignOf, change, createScene, DAMAGES, valuesOf, ZONE } from "../damage.js";
import { eventOf, planAt } from "../histories.js";
import {
  acceptedEvent,
  createTenant,
  providePools,
  projectMessages,
  recordEvents,
  startProjector,
} from "../rollup-scene.js";

const pools = providePools();
const quarter = "2026-11-05T10:00:00.000Z";

async function verify(scope: VerifyScope): Promise<{ differences: Difference[]; summary: VerifySummary }> {
  const verification = verifyRollups(pools, scope);
  const differences: Difference[] = [];
  for (;;) {
    const step = await verification.next();
    if (step.done === true) return { differences, summary: step.value };
    differences.push(step.value);
  }
}

// Around the midnight at which a month and summer time end there; ties are wanted.
const plan = planAt(
  fc
    .tuple(fc.oneof(fc.integer({ min: -3_000, max: 3_000 }), fc.constantFrom(-15, 0, 15)), fc.constantFrom(-1, 0, 1))
    .map(([minute, micros]) => (at("2026-11-01T02:30:00Z") + minute * 60_000_000 + micros) as EpochMicros),
);

const batches = fc.array(
  fc.record({
    plans: fc.array(plan, { minLength: 1, maxLength: 40, size: "max" }),
    fate: fc.constantFrom("projected", "left waiting", "projected and not removed"),
  }),
  { minLength: 1, maxLength: 5 },
);

test("whatever comes in whatever order, log and rollups agree, with what still waits in the outbox", async () => {
  const property = fc.asyncProperty(batches, async (given) => {
    const tenant = await createTenant(pools, ZONE, 3);
    for (const { plans, fate } of given) {
      const events = plans.map((item) => eventOf(item, tenant.campaignIds));
      // One link each: clicks on the others count together.
      await recordEvents(pools, tenant.tenantId, events, 1);
      if (fate === "left waiting") continue;
      await projectMessages(pools, { diesBeforeRemoving: fate === "projected and not removed" });
    }
    const { differences, summary } = await verify({ tenantId: tenant.tenantId });
    expect(differences).toEqual([]);
    expect(summary.events).toBeGreaterThan(0);
    expect(summary.unrecountable).toEqual([]);
  });
  await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 12_000 });
});

test.each(DAMAGES)("a wrong number in $table ($measure) is found, and nothing else", async ({ sql, ...seen }) => {
  const tenant = await createScene(pools);
  await change(pools, sql, valuesOf(tenant, sql));
  const { differences, summary } = await verify({ tenantId: tenant.tenantId });
  expect(differences).toEqual([expect.objectContaining(seen)]);
  expect(summary.campaigns).toBe(2);
});

test("a tenant's own sums are not compared where campaigns are named", async () => {
  const { tenantId, campaignIds } = await createScene(pools);
  await change(pools, "update tenant_days set sent = 7 where tenant_id = $1", [tenantId]);
  expect((await verify({ tenantId, campaignIds })).differences).toEqual([]);
});

test("a missing row is one of zeros, and a row that nothing was recorded for is found", async () => {
  const { tenantId, campaignIds } = await createScene(pools);
  const [campaignId] = campaignIds;
  await change(pools, "delete from campaign_days where tenant_id = $1 and campaign_id = $2 and basis = 'EVENT'", [
    tenantId,
    campaignId,
  ]);
  await change(pools, `insert into campaign_totals (tenant_id, campaign_id, sent, opened) values ($1, $2, 0, 3)`, [
    tenantId,
    uuidv7(),
  ]);
  const { differences } = await verify({ tenantId });
  const days = differences.filter((difference) => difference.table === "campaign_days");
  expect(days.map((difference) => [difference.measure, difference.expected, difference.found])).toEqual(
    ["sent", "opened", "opened_human", "clicked", "converted"]
      .concat(["sent", "delivered", "opened", "opened_human", "clicked", "converted"].map((name) => `unique_${name}`))
      .map((name) => [name, "1", "0"]),
  );
  const rest = differences.filter((difference) => difference.table !== "campaign_days");
  expect(rest).toMatchObject([{ table: "campaign_totals", measure: "opened", expected: "0", found: "3" }]);
});

test("a message that was lost shows in every table that it would have changed", async () => {
  const { tenantId, campaignIds } = await createScene(pools);
  const campaignId = campaignOf({ tenantId, campaignIds, zone: ZONE }, 0);
  const occurredAt = at("2026-11-04T08:00:00Z");
  await recordEvents(pools, tenantId, [acceptedEvent({ type: "SENT", campaignId, recipient: "cem", occurredAt })]);
  await dropMessages();
  const { differences } = await verify({ tenantId });
  expect([...new Set(differences.map((difference) => difference.table))].toSorted()).toEqual([
    "campaign_days",
    "campaign_quarter_hours",
    "campaign_totals",
    "campaigns",
    "tenant_days",
    "tenant_quarter_hours",
    "tenant_totals",
  ]);
});

async function dropMessages(): Promise<void> {
  const drop = defineStatement<"events", [], never>("events", "test.drop_messages", "delete from outbox");
  await writeAsWorker(pools.events, (session) => session.run(drop()));
}

test("a range bears on its own quarter-hours and days, and nothing else", async () => {
  const { tenantId } = await createScene(pools);
  await change(
    pools,
    "update campaign_quarter_hours set sent = 7 where tenant_id = $1 and basis = 'EVENT' and sent = 1",
    [tenantId],
  );
  const bucketsIn = async (from: string, to: string): Promise<(string | null)[]> =>
    (await verify({ tenantId, range: { from: at(from), to: at(to) } })).differences.map(({ bucket }) => bucket);

  expect(await bucketsIn("2026-11-05T10:14:59Z", "2026-11-05T10:15:00Z")).toEqual([quarter]);
  expect(await bucketsIn("2026-11-05T10:15:00Z", "2026-11-05T23:00:00Z")).toEqual([]);
  expect(await bucketsIn("2026-11-05T23:00:00Z", "2026-11-08T00:00:00Z")).toEqual(["2026-11-07T00:00:00.000Z"]);
});

test("verifying finds nothing while events are recorded and projected, and holds nobody up", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const projector = startProjector(pools);
  const stopping = new AbortController();
  const recording = (async () => {
    const [given] = fc.sample(fc.array(plan, { minLength: 4_000, maxLength: 4_000 }), 1);
    for (let start = 0; !stopping.signal.aborted; start = (start + 20) % 4_000) {
      const some = (given ?? [])
        .slice(start, start + 20)
        .map((item) => eventOf({ ...item, campaign: 1 }, tenant.campaignIds));
      await recordEvents(pools, tenantId, some);
    }
  })();
  const events: number[] = [];
  for (let round = 0; round < 12; round++) {
    const { differences, summary } = await verify({ tenantId });
    expect(differences).toEqual([]);
    events.push(summary.events);
  }
  stopping.abort();
  await recording;
  await projector.stop();
  expect(events.at(-1)).toBeGreaterThan(events[0] ?? 0);
});

test("what is recorded and projected after it began does not disturb a verification", async () => {
  const { tenantId, campaignIds, zone } = await createScene(pools);
  const campaignId = campaignOf({ tenantId, campaignIds, zone }, 0);
  await change(
    pools,
    "update campaign_quarter_hours set sent = 7 where tenant_id = $1 and basis = 'EVENT' and sent = 1",
    [tenantId],
  );
  const verification = verifyRollups(pools, { tenantId });
  const seen = [await verification.next()];
  const occurredAt = at("2026-11-05T10:07:00Z");
  await recordEvents(pools, tenantId, [acceptedEvent({ type: "SENT", campaignId, recipient: "eve", occurredAt })]);
  await projectMessages(pools);
  for (let last = seen[0]; last?.done !== true;) seen.push((last = await verification.next()));
  expect(seen.map((step) => (step.done === true ? step.value.events : step.value.measure))).toEqual([
    "sent",
    "sent",
    5,
  ]);
});

test("a verification that is left early gives its connections back", async () => {
  const { tenantId } = await createScene(pools);
  await change(pools, "update campaign_totals set sent = 7 where tenant_id = $1", [tenantId]);
  for await (const difference of verifyRollups(pools, { tenantId })) {
    expect(difference.measure).toBe("sent");
    break;
  }
  for (const { usage } of [pools.events, pools.metrics]) expect(usage.idle).toBe(usage.total);
});

test("a campaign that reaches past retention is named, not accused", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const campaignId = campaignOf(tenant, 0);
  const occurredAt = at("2025-03-05T10:00:00Z");
  await recordEvents(pools, tenantId, [acceptedEvent({ type: "SENT", campaignId, recipient: "ann", occurredAt })]);
  await projectMessages(pools);
  await dropPartitionsOf2025();

  const { differences, summary } = await verify({ tenantId });
  expect(differences).toEqual([]);
  expect(summary.unrecountable).toEqual([campaignId]);
  await change(
    pools,
    `update campaign_days set sent = 7 where tenant_id = $1 and campaign_id = $2 and day = '2025-03-05' and basis = 'EVENT'`,
    [tenantId, campaignId],
  );
  expect((await verify({ tenantId })).differences).toMatchObject([{ table: "campaign_days", bucket: "2025-03-05" }]);
});

async function dropPartitionsOf2025(): Promise<void> {
  const client = new Client({ connectionString: pools.eventsUrl });
  await client.connect();
  // By year, once that is two years ago.
  const names = EVENT_TYPES.flatMap((type) => [`${type.toLowerCase()}_2025_03`, `${type.toLowerCase()}_2025`]);
  await client.query(`drop table if exists ${names.join(", ")}`);
  await client.end();
}
