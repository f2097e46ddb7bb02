import { Client } from "pg";
import { pino } from "pino";
import { expect, test } from "vitest";
import { defineStatement } from "../../../src/database/statement.js";
import { dropExpiredPartitions, type DropResult } from "../../../src/events/retention.js";
import { type CampaignId, hashToUuid } from "../../../src/ids.js";
import type { Difference } from "../../../src/rollups/verify/difference.js";
import { rebuildRollups } from "../../../src/rollups/rebuild/rebuild.js";
import { verifyRollups } from "../../../src/rollups/verify/verify.js";
import { writeAsWorker } from "../../../src/tenancy/transactions.js";
import type { EpochMicros } from "../../../src/time/instant.js";
import { at, campaignOf, change, createScene } from "../damage.js";
import { acceptedEvent, projectMessages, providePools, recordEvents, type TestTenant } from "../rollup-scene.js";

const pools = providePools();
const now = (): EpochMicros => at("2026-11-20T12:00:00Z");
const OLD = at("2025-03-05T10:00:00Z");

const drop = (): Promise<DropResult> =>
  dropExpiredPartitions(pools.events, at("2026-02-01T00:00:00Z"), { now: now(), log: pino({ level: "silent" }) });

/** A tenant whose first campaign began long ago, and whose second one is young. */
async function createOldScene(): Promise<{ tenant: TestTenant; old: CampaignId }> {
  const tenant = await createScene(pools);
  const old = campaignOf(tenant, 0);
  await recordOld(tenant, "ann");
  return { tenant, old };
}

async function recordOld(tenant: TestTenant, recipient: string): Promise<void> {
  const ofOld = { campaignId: campaignOf(tenant, 0), recipient, occurredAt: OLD };
  await recordEvents(pools, tenant.tenantId, [
    acceptedEvent({ ...ofOld, type: "SENT" }),
    acceptedEvent({ ...ofOld, type: "OPENED", traffic: "HUMAN" }),
  ]);
  await projectMessages(pools);
}

async function drain<Summary>(run: AsyncGenerator<Difference, Summary, undefined>) {
  const differences: Difference[] = [];
  for (;;) {
    const step = await run.next();
    if (step.done === true) return { differences, summary: step.value };
    differences.push(step.value);
  }
}
const verify = ({ tenantId }: TestTenant) => drain(verifyRollups(pools, { tenantId }));

test("while some tables still hold a month that others have dropped, nothing of it is accused, and the rest is recounted", async () => {
  const { tenant, old } = await createOldScene();
  expect((await verify(tenant)).summary).toMatchObject({ unrecountable: [], droppedBefore: null });
  const reader = new Client({ connectionString: pools.eventsUrl });
  await reader.connect();
  await reader.query("begin; lock table sent in access share mode");
  const { dropped, left } = await drop();
  expect([dropped.length, left.map(({ name }) => name.split("_")[0])]).toEqual([9, ["sent"]]);

  const { differences, summary } = await verify(tenant);
  expect(differences).toEqual([]);
  expect(summary.unrecountable).toEqual([old]);
  const bound = summary.droppedBefore ?? 0;
  expect(bound).toBeGreaterThan(OLD);
  expect(bound).toBeLessThanOrEqual(at("2026-02-01T00:00:00Z"));
  await change(pools, "update campaign_totals set sent = 7 where tenant_id = $1", [tenant.tenantId]);
  expect((await verify(tenant)).differences.map(({ table }) => table)).toEqual(["campaign_totals", "campaign_totals"]);

  await reader.end();
  expect((await drop()).left).toEqual([]);
  expect((await verify(tenant)).summary.unrecountable).toEqual([old]);
});

test("a partition that comes back for an event that had waited does not make its month recountable again", async () => {
  const { tenant, old } = await createOldScene();
  await drop();
  await recordOld(tenant, "bea");
  const { differences, summary } = await verify(tenant);
  expect([differences, summary.unrecountable]).toEqual([[], [old]]);
});

test("rebuild mends what can be told from quarter-hours past retention, and leaves those alone", async () => {
  const { tenant, old } = await createOldScene();
  const { tenantId } = tenant;
  await drop();
  const [quarters, days] = [await rowsOf("campaign_quarter_hours", old), await rowsOf("campaign_days", old)];
  expect(JSON.stringify(quarters)).toContain("2025-03-05");
  await change(
    pools,
    "update campaign_days set sent = 7 where tenant_id = $1 and day = '2025-03-05' and basis = 'EVENT'",
    [tenantId],
  );
  await change(pools, "delete from tenant_quarter_hours where tenant_id = $1", [tenantId]);
  const { differences, summary } = await drain(rebuildRollups(pools, { tenantId }, { now }));
  expect(new Set(differences.map(({ table }) => table))).toEqual(new Set(["campaign_days", "tenant_quarter_hours"]));
  expect(summary).toMatchObject({ unrecountable: [old], droppedBefore: expect.any(Number) as number });
  expect(await rowsOf("campaign_quarter_hours", old)).toEqual(quarters);
  expect(await rowsOf("campaign_days", old)).toEqual(days);
  expect((await verify(tenant)).differences).toEqual([]);
});

async function rowsOf(table: "campaign_quarter_hours" | "campaign_days", campaignId: CampaignId): Promise<unknown[]> {
  const text = `select to_jsonb(${table}) as row from ${table} where campaign_id = $1 order by 1`;
  const name = `test.rows_${hashToUuid(text).slice(0, 8)}`;
  const statement = defineStatement<"metrics", [CampaignId], unknown>("metrics", name, text);
  return writeAsWorker(pools.metrics, (session) => session.run(statement(campaignId)));
}
