import * as fc from "fast-check";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { Pool } from "../../../src/database/pool.js";
import { defineStatement } from "../../../src/database/statement.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../../src/ids.js";
import { finishZoneChanges } from "../../../src/rollups/rebuild/finish-zone-changes.js";
import { rebuildDays } from "../../../src/rollups/rebuild/rebuild-days.js";
import { RebuildLease } from "../../../src/rollups/rebuild/rebuild-lease.js";
import { verifyRollups } from "../../../src/rollups/verify/verify.js";
import { updateTenant } from "../../../src/tenancy/tenants.js";
import { beginAsWorker, writeAsWorker } from "../../../src/tenancy/transactions.js";
import type { EpochMicros } from "../../../src/time/instant.js";
import { at, campaignOf, change, createScene } from "../damage.js";
import { waitFor } from "../../support/wait-for.js";
import { acceptedEvent, projectMessages, providePools, recordEvents, startProjector } from "../rollup-scene.js";

const pools = providePools();
const now = (): EpochMicros => at("2026-11-20T12:00:00Z");

const readZones = defineStatement<
  "metrics",
  [TenantId],
  { rollup_time_zone: string; next_rollup_time_zone: string | null; zones: readonly string[] }
>(
  "metrics",
  "test.read_zones",
  `select rollup_time_zone, next_rollup_time_zone, array(
     select time_zone from campaign_days where tenant_id = $1 union
     select time_zone from campaign_day_revenue where tenant_id = $1 union
     select time_zone from campaign_link_days where tenant_id = $1 union
     select time_zone from tenant_days where tenant_id = $1 union
     select time_zone from tenant_day_revenue where tenant_id = $1 order by 1
   ) as zones
   from tenants where id = $1`,
);

async function zonesOf(tenantId: TenantId) {
  const [zones] = await writeAsWorker(pools.metrics, (session) => session.run(readZones(tenantId)));
  return zones;
}

async function countDifferences(tenantId: TenantId): Promise<number> {
  let differences = 0;
  for await (const _ of verifyRollups(pools, { tenantId })) differences += 1;
  return differences;
}

test("after a change of zone every day is the new zone's, and the former ones go after an hour", async () => {
  const { tenantId } = await createScene(pools);
  await updateTenant(pools.metrics, tenantId, { timeZone: "Pacific/Chatham" }, now());
  expect(await rebuildDays(pools.metrics, tenantId, { now })).toBe(true);
  expect(await countDifferences(tenantId)).toBe(0);
  expect(await zonesOf(tenantId)).toEqual({
    rollup_time_zone: "Pacific/Chatham",
    next_rollup_time_zone: null,
    zones: ["America/St_Johns", "Pacific/Chatham"],
  });
  const later = (minutes: number) => (): EpochMicros => (now() + minutes * 60_000_000) as EpochMicros;
  await finishZoneChanges(pools.metrics, later(59));
  expect((await zonesOf(tenantId))?.zones).toHaveLength(2);
  await finishZoneChanges(pools.metrics, later(61));
  expect((await zonesOf(tenantId))?.zones).toEqual(["Pacific/Chatham"]);
  expect(await countDifferences(tenantId)).toBe(0);
});

test("events that come in while the zone changes are in the days of both zones", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const projector = startProjector(pools);
  const stopping = new AbortController();
  const recording = (async () => {
    while (!stopping.signal.aborted) {
      const minutes = fc.sample(fc.integer({ min: -3_000, max: 3_000 }), 5);
      const events = minutes.map((minute) =>
        acceptedEvent({
          type: minute % 2 === 0 ? "SENT" : "CLICKED",
          ...(minute % 2 !== 0 && { url: "https://example.org/a", traffic: "HUMAN" }),
          campaignId: campaignOf(tenant, 1),
          recipient: `recipient ${minute % 7}`,
          occurredAt: (at("2026-11-01T02:30:00Z") + minute * 60_000_000) as EpochMicros,
        }),
      );
      await recordEvents(pools, tenantId, events);
    }
  })();
  for (const timeZone of ["Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "Pacific/Chatham"]) {
    await updateTenant(pools.metrics, tenantId, { timeZone }, now());
    await rebuildDays(pools.metrics, tenantId, { now });
    expect((await zonesOf(tenantId))?.rollup_time_zone).toBe(timeZone);
    expect(await countDifferences(tenantId)).toBe(0);
  }
  stopping.abort();
  await recording;
  await projector.stop();
  expect(await countDifferences(tenantId)).toBe(0);
});

test("a change that died half-way is begun anew by a worker, and one that was taken back leaves nothing", async () => {
  const { tenantId } = await createScene(pools);
  const halfFilled = async (zone: string): Promise<void> => {
    await change(pools, "update tenants set next_rollup_time_zone = $2 where id = $1", [tenantId, zone]);
    await change(
      pools,
      `insert into campaign_days (tenant_id, campaign_id, basis, time_zone, day, sent)
       select distinct tenant_id, campaign_id, basis, $2, day, 99 from campaign_days where tenant_id = $1`,
      [tenantId, zone],
    );
  };
  await updateTenant(pools.metrics, tenantId, { timeZone: "Asia/Kathmandu" }, now());
  await halfFilled("Asia/Kathmandu");
  await finishZoneChanges(pools.metrics, now);
  expect((await zonesOf(tenantId))?.rollup_time_zone).toBe("Asia/Kathmandu");
  expect(await countDifferences(tenantId)).toBe(0);

  await halfFilled("Pacific/Apia");
  await finishZoneChanges(pools.metrics, now);
  expect(await zonesOf(tenantId)).toEqual({
    rollup_time_zone: "Asia/Kathmandu",
    next_rollup_time_zone: null,
    zones: ["America/St_Johns", "Asia/Kathmandu"],
  });
});

test("while another run is at the tenant's rollups the zone waits for a worker", async () => {
  const { tenantId } = await createScene(pools);
  await updateTenant(pools.metrics, tenantId, { timeZone: "Asia/Kathmandu" }, now());
  const lease = await RebuildLease.acquire(pools.metrics, tenantId, now);
  expect(await rebuildDays(pools.metrics, tenantId, { now })).toBe(false);
  await finishZoneChanges(pools.metrics, now);
  expect((await zonesOf(tenantId))?.rollup_time_zone).toBe("America/St_Johns");
  await lease?.release();
  await finishZoneChanges(pools.metrics, now);
  expect((await zonesOf(tenantId))?.rollup_time_zone).toBe("Asia/Kathmandu");
});

test("clicks that an older program recorded without their times move with their recipient all the same", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const forget = defineStatement<"events", [TenantId], never>(
    "events",
    "test.forget_link_times",
    `update link_recipients set clicked = 0, clicked_human = 0, first_clicked_at = null, first_clicked_human_at = null
     where tenant_id = $1`,
  );
  await writeAsWorker(pools.events, (session) => session.run(forget(tenantId)));
  const ann = { campaignId: campaignOf(tenant, 0), recipient: "ann" };
  await recordEvents(pools, tenantId, [
    acceptedEvent({ ...ann, type: "SENT", occurredAt: at("2026-11-03T10:07:00Z"), eventId: uuidv7() }),
    acceptedEvent({
      ...ann,
      type: "CLICKED",
      occurredAt: at("2026-11-04T10:07:00Z"),
      url: "https://example.org/a",
      traffic: "HUMAN",
    }),
  ]);
  await projectMessages(pools);
  expect(await countDifferences(tenantId)).toBe(0);
});

const countLocksWaited = defineStatement<"metrics", [kind: string], { locks: number }>(
  "metrics",
  "test.count_locks_waited",
  `select count(*) as locks from pg_locks
   where not granted and (locktype = 'advisory') = ($1 = 'advisory')
     and pid in (select pid from pg_stat_activity where datname = current_database())`,
);

async function lockIsWaitedFor(kind: "advisory" | "row"): Promise<void> {
  const isWaitedFor = async (): Promise<boolean> => {
    const [row] = await writeAsWorker(pools.metrics, (session) => session.run(countLocksWaited(kind)));
    return (row?.locks ?? 0) > 0;
  };
  await waitFor(isWaitedFor, { what: `somebody to wait for a lock (${kind})`, deadlineMs: 20_000 });
}

/** Holds what the statement locks until the returned function is called. */
async function holdLocks(text: string, ...values: readonly unknown[]): Promise<() => Promise<void>> {
  const holding = await beginAsWorker(pools.metrics);
  const name = `test.hold_${text.length}`;
  await holding.run(defineStatement<"metrics", readonly unknown[], never>("metrics", name, text)(...values));
  return () => holding.rollback();
}

test("what was removed of former days stays removed, though not all can be", async () => {
  const { tenantId, campaignIds } = await createScene(pools);
  await updateTenant(pools.metrics, tenantId, { timeZone: "Asia/Kathmandu" }, now());
  await rebuildDays(pools.metrics, tenantId, { now });
  const later = (): EpochMicros => (now() + 61 * 60_000_000) as EpochMicros;
  const last = campaignIds.toSorted().at(-1);
  const former = "tenant_id = $1 and time_zone = 'America/St_Johns'";
  const letGo = await holdLocks(
    `select from campaign_days where ${former} and campaign_id = $2 for update`,
    tenantId,
    last,
  );
  onTestFinished(letGo);
  // Whoever waits fails, as one does whose answer takes too long.
  const url = `${pools.metricsUrl}?options=${encodeURIComponent("-c lock_timeout=50ms")}`;
  const shared = { maxConnections: 4, waitTimeoutMs: 10_000, preparedStatements: true, log: pino({ level: "silent" }) };
  const impatient = new Pool({ database: "metrics", url, ...shared });
  const campaigns = defineStatement<"metrics", [TenantId], { campaign_id: CampaignId }>(
    "metrics",
    "test.find_former_campaigns",
    `select distinct campaign_id from campaign_days where ${former}`,
  );
  const left = async () => {
    const rows = await writeAsWorker(pools.metrics, (session) => session.run(campaigns(tenantId)));
    return rows.map((row) => row.campaign_id);
  };
  expect(await left()).toHaveLength(2);
  await expect(finishZoneChanges(impatient, later, { rowsAtATime: 1 })).rejects.toThrow(/lock timeout/);
  await impatient.stop();
  expect(await left()).toEqual([last]);
  await letGo();
  await finishZoneChanges(pools.metrics, later, { rowsAtATime: 1 });
  expect((await zonesOf(tenantId))?.zones).toEqual(["Asia/Kathmandu"]);
  expect(await countDifferences(tenantId)).toBe(0);
});

test("what a projector that knew the former zones still writes is not in the days twice when the zone comes back", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const campaignId = campaignOf(tenant, 0);
  await change(pools, "update tenants set next_rollup_time_zone = 'Asia/Kathmandu' where id = $1", [tenantId]);
  await recordEvents(pools, tenantId, [
    acceptedEvent({ type: "SENT", campaignId, recipient: "cy", occurredAt: at("2026-11-02T10:07:00Z") }),
  ]);
  const letGo = await holdLocks("select from campaigns where tenant_id = $1 for update", tenantId);
  const projector = startProjector(pools);
  await lockIsWaitedFor("row");
  // It has read the zones. Now the change to the next one ends, and the former one is wanted back.
  await change(
    pools,
    `update tenants set former_rollup_time_zone = rollup_time_zone, rollup_time_zone = 'Asia/Kathmandu',
       next_rollup_time_zone = null, rollup_time_zone_since = '2026-11-20 12:00:00+00'
     where id = $1`,
    [tenantId],
  );
  const changing = rebuildDays(pools.metrics, tenantId, { now });
  await lockIsWaitedFor("advisory");
  await letGo();
  expect(await changing).toBe(true);
  await projector.stop();
  expect((await zonesOf(tenantId))?.rollup_time_zone).toBe("America/St_Johns");
  expect(await countDifferences(tenantId)).toBe(0);
});

test("days that were made while a worker was busy elsewhere are not taken for a former zone's", async () => {
  const tenants = [await createScene(pools), await createScene(pools)] as const;
  const later = (): EpochMicros => (now() + 61 * 60_000_000) as EpochMicros;
  for (const { tenantId } of tenants) {
    await updateTenant(pools.metrics, tenantId, { timeZone: "Asia/Kathmandu" }, now());
    await rebuildDays(pools.metrics, tenantId, { now });
  }
  const [busy, { tenantId }] = tenants;
  const letGo = await holdLocks("select from campaign_days where tenant_id = $1 for update", busy.tenantId);
  const cleaning = finishZoneChanges(pools.metrics, later);
  await lockIsWaitedFor("row");
  await updateTenant(pools.metrics, tenantId, { timeZone: "Pacific/Apia" }, now());
  await rebuildDays(pools.metrics, tenantId, { now });
  await letGo();
  await cleaning;
  expect(await countDifferences(tenantId)).toBe(0);
});

test("the days that a reader may still read stay when the zone is changed twice", async () => {
  const { tenantId } = await createScene(pools);
  for (const timeZone of ["Asia/Kathmandu", "Pacific/Apia"]) {
    await updateTenant(pools.metrics, tenantId, { timeZone }, now());
    await rebuildDays(pools.metrics, tenantId, { now });
  }
  expect((await zonesOf(tenantId))?.zones).toEqual(["America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"]);
});

test("a tenant whose zone nobody knows does not keep the others' days from being made", async () => {
  const [lost, other] = [await createScene(pools), await createScene(pools)];
  await change(pools, "update tenants set time_zone = 'Mars/Olympus' where id = $1", [lost.tenantId]);
  await updateTenant(pools.metrics, other.tenantId, { timeZone: "Asia/Kathmandu" }, now());
  await expect(finishZoneChanges(pools.metrics, now)).rejects.toThrow("1 tenants");
  expect((await zonesOf(other.tenantId))?.rollup_time_zone).toBe("Asia/Kathmandu");
  await change(pools, "update tenants set time_zone = rollup_time_zone where id = $1", [lost.tenantId]);
});
