import { expect, test } from "vitest";
import type { Pool, Preamble, Session } from "../../../src/database/pool.js";
import { defineStatement } from "../../../src/database/statement.js";
import { type CampaignId, hashToUuid, type LinkKey, type TenantId, uuidv7 } from "../../../src/ids.js";
import { eraseLinkInLog, eraseLinksInMetrics } from "../../../src/privacy/erase-events.js";
import type { VerifyScope } from "../../../src/rollups/verify/compare-rollups.js";
import type { Difference } from "../../../src/rollups/verify/difference.js";
import { MEASURES } from "../../../src/rollups/measures.js";
import { mendFirstSent } from "../../../src/rollups/rebuild/mend-values.js";
import { type RebuildOptions, rebuildRollups, type RebuildSummary } from "../../../src/rollups/rebuild/rebuild.js";
import { RebuildLease } from "../../../src/rollups/rebuild/rebuild-lease.js";
import { addToRollup, ROLLUP_TABLE_NAMES } from "../../../src/rollups/rollup-tables.js";
import { verifyRollups } from "../../../src/rollups/verify/verify.js";
import { beginAsWorker, writeAsTenant, writeAsWorker } from "../../../src/tenancy/transactions.js";
import type { EpochMicros } from "../../../src/time/instant.js";
import { at, campaignOf, change, createScene, DAMAGES, valuesOf, ZONE } from "../damage.js";
import {
  acceptedEvent,
  createTenant,
  projectMessages,
  providePools,
  recordEvents,
  startProjector,
} from "../rollup-scene.js";
import { waitFor } from "../../support/wait-for.js";

const pools = providePools();
const now = (): EpochMicros => at("2026-11-20T12:00:00Z");

async function rebuild(
  scope: VerifyScope,
  options: Partial<RebuildOptions> = {},
): Promise<{ mended: Difference[]; summary: RebuildSummary }> {
  const run = rebuildRollups(pools, scope, { now, ...options });
  const mended: Difference[] = [];
  for (;;) {
    const step = await run.next();
    if (step.done === true) return { mended, summary: step.value };
    mended.push(step.value);
  }
}

async function differencesOf(tenantId: TenantId): Promise<Difference[]> {
  const differences: Difference[] = [];
  for await (const difference of verifyRollups(pools, { tenantId })) differences.push(difference);
  return differences;
}

const rename = defineStatement<"events", [TenantId, CampaignId, string], never>(
  "events",
  "test.rename",
  "update campaign_identities set external_id = $3, revision = revision + 1 where tenant_id = $1 and campaign_id = $2",
);

const makeIdentity = defineStatement<"events", [TenantId, CampaignId, string], never>(
  "events",
  "test.make_identity",
  `insert into campaign_identities (tenant_id, campaign_id, external_id, created_at)
   values ($1, $2, $3, '2026-01-01 00:00:00+00')`,
);

async function read<Row>(text: string, ...values: readonly unknown[]): Promise<Row[]> {
  const name = `test.read_${hashToUuid(text).slice(0, 8)}`;
  const statement = defineStatement<"metrics", readonly unknown[], Row>("metrics", name, text);
  return writeAsWorker(pools.metrics, (session) => session.run(statement(...values)));
}

test("there is a damage for every table of rollups", () => {
  const damaged = new Set(DAMAGES.map(({ table }) => table));
  expect(ROLLUP_TABLE_NAMES.filter((table) => !damaged.has(table))).toEqual([]);
});

test.each(DAMAGES)("a wrong number in $table ($measure) is mended, and nothing else", async ({ sql, ...seen }) => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const before = await contentOf(tenantId);
  await change(pools, sql, valuesOf(tenant, sql));
  const { mended } = await rebuild({ tenantId });
  expect(mended).toEqual([expect.objectContaining(seen)]);
  expect(await contentOf(tenantId)).toEqual(before);
  expect(await differencesOf(tenantId)).toEqual([]);
});

/** Every row of every rollup of a tenant. */
async function contentOf(tenantId: TenantId): Promise<unknown[]> {
  const content: unknown[] = [];
  for (const table of [...ROLLUP_TABLE_NAMES, "campaigns"]) {
    content.push(
      await read(`select to_jsonb(${table}) as row from ${table} where tenant_id = $1 order by 1`, tenantId),
    );
  }
  return content;
}

test("emptied tables are filled again, and rows that nothing was recorded for disappear", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const before = await contentOf(tenantId);
  for (const table of ROLLUP_TABLE_NAMES) await change(pools, `delete from ${table} where tenant_id = $1`, [tenantId]);
  await change(pools, "insert into campaign_total_revenue values ($1, $2, 'XXX', 3)", [
    tenantId,
    campaignOf(tenant, 0),
  ]);
  await change(pools, "insert into campaign_links values ($1, $2, $2, 'https://example.org/none', 3)", [
    tenantId,
    campaignOf(tenant, 0),
  ]);
  await change(pools, "insert into campaign_totals (tenant_id, campaign_id, opened) values ($1, $2, 3)", [
    tenantId,
    uuidv7(),
  ]);
  await rebuild({ tenantId });
  expect(await contentOf(tenantId)).toEqual(before);
});

test("a first SENT that is too early is set right", async () => {
  const { tenantId } = await createScene(pools);
  const before = await contentOf(tenantId);
  await change(pools, "update campaigns set first_sent_at = '2001-01-01 00:00:00+00' where tenant_id = $1", [tenantId]);
  await rebuild({ tenantId });
  expect(await contentOf(tenantId)).toEqual(before);
});

test("a campaign and a range bear on their own rollups alone", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  await change(pools, "update campaign_quarter_hours set sent = 7 where tenant_id = $1 and sent = 1", [tenantId]);
  const [first, second] = [campaignOf(tenant, 0), campaignOf(tenant, 1)];
  await rebuild({ tenantId, campaignIds: [first] });
  expect(new Set((await differencesOf(tenantId)).map((difference) => difference.campaignId))).toEqual(
    new Set([second]),
  );
  await rebuild({ tenantId, range: { from: at("2026-11-05T00:00:00Z"), to: at("2026-11-06T00:00:00Z") } });
  expect(await differencesOf(tenantId)).toHaveLength(2);
  await rebuild({ tenantId, range: { from: at("2026-11-07T00:00:00Z"), to: at("2026-11-07T00:00:01Z") } });
  expect(await differencesOf(tenantId)).toEqual([]);
});

test("a run that was interrupted leaves what it mended, and the next one does not count that again", async () => {
  const { tenantId } = await createScene(pools);
  await change(pools, "update campaign_totals set sent = 7 where tenant_id = $1", [tenantId]);
  await change(pools, "update tenant_totals set sent = 7 where tenant_id = $1", [tenantId]);
  const stopping = new AbortController();
  stopping.abort();
  const first = await rebuild({ tenantId }, { eventsAtATime: 1, signal: stopping.signal });
  expect(first.summary).toMatchObject({ interrupted: true, campaigns: 1, resumed: 0 });
  expect(await differencesOf(tenantId)).toHaveLength(2);

  const second = await rebuild({ tenantId }, { eventsAtATime: 1 });
  expect(second.summary).toMatchObject({ interrupted: false, campaigns: 2, resumed: 1 });
  expect(await differencesOf(tenantId)).toEqual([]);
  expect((await rebuild({ tenantId })).summary.resumed).toBe(0);
});

test("two runs do not mend one tenant together, and one that was thought dead adds nothing more", async () => {
  const { tenantId } = await createScene(pools);
  await change(pools, "update campaign_totals set sent = 7 where tenant_id = $1", [tenantId]);
  const frozen = rebuildRollups(pools, { tenantId }, { now, eventsAtATime: 1 });
  expect((await frozen.next()).done).toBe(false);
  await expect(rebuild({ tenantId })).rejects.toMatchObject({ code: "CONFLICT" });

  // A minute without a sign of life, and another one takes over.
  const later = (): EpochMicros => (now() + 61_000_000) as EpochMicros;
  expect((await rebuild({ tenantId }, { now: later })).summary.interrupted).toBe(false);
  const rest = async (): Promise<void> => {
    while ((await frozen.next()).done !== true);
  };
  await expect(rest()).rejects.toMatchObject({ code: "CONFLICT" });
  expect(await differencesOf(tenantId)).toEqual([]);
});

test("a run that fails lets the next one begin at once", async () => {
  const { tenantId } = await createScene(pools);
  await expect(
    rebuild(
      { tenantId },
      {
        progress: () => {
          throw new Error("no more");
        },
      },
    ),
  ).rejects.toThrow("no more");
  const lease = await RebuildLease.acquire(pools.metrics, tenantId, now);
  await lease?.release();
  expect(lease).not.toBeNull();
  for (const { usage } of [pools.events, pools.metrics]) expect(usage.idle).toBe(usage.total);
});

test("while events come in and rollups are mended nobody reads a hole or a double", async () => {
  const tenant = await createTenant(pools, ZONE, 2);
  const { tenantId } = tenant;
  const sent = (recipient: string) =>
    acceptedEvent({
      type: "SENT",
      campaignId: campaignOf(tenant, 0),
      recipient,
      occurredAt: at("2026-11-05T10:07:00Z"),
    });
  await recordEvents(
    pools,
    tenantId,
    Array.from({ length: 50 }, (_, index) => sent(`early ${index}`)),
  );
  await projectMessages(pools);
  await change(pools, "update campaign_totals set sent = sent + 1000 where tenant_id = $1", [tenantId]);

  const projector = startProjector(pools);
  const stopping = new AbortController();
  let recorded = 50;
  const recording = (async () => {
    while (!stopping.signal.aborted) {
      await recordEvents(
        pools,
        tenantId,
        Array.from({ length: 5 }, () => sent(uuidv7())),
      );
      recorded += 5;
    }
  })();
  const seen: number[] = [];
  const reading = (async () => {
    while (!stopping.signal.aborted) {
      const [row] = await read<{ sent: number }>("select sent from campaign_totals where tenant_id = $1", tenantId);
      seen.push(row?.sent ?? -1);
    }
  })();
  for (let round = 0; round < 8; round++) await rebuild({ tenantId });
  stopping.abort();
  await Promise.all([recording, reading]);
  await projector.stop();
  await projectMessages(pools);

  // Damaged by a thousand, then right; within each the events so far and nothing else.
  const mendedAt = seen.findIndex((value) => value < 1000);
  expect(mendedAt).toBeGreaterThanOrEqual(0);
  const [damaged, right] = [seen.slice(0, mendedAt).map((value) => value - 1000), seen.slice(mendedAt)];
  for (const values of [damaged, right]) expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(50);
  expect(right.at(-1)).toBeLessThanOrEqual(recorded);
  expect(await differencesOf(tenantId)).toEqual([]);
});

test("a campaign whose rollups do not agree is counted again, though an interrupted run had mended it", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const before = await contentOf(tenantId);
  const stopping = new AbortController();
  stopping.abort();
  await rebuild({ tenantId }, { eventsAtATime: 1, signal: stopping.signal });
  await change(pools, "update campaign_quarter_hours set sent = 7 where tenant_id = $1 and sent = 1", [tenantId]);
  await rebuild({ tenantId });
  expect(await contentOf(tenantId)).toEqual(before);
});

test("more differences than a call takes arguments are found and mended", async () => {
  const { tenantId } = await createScene(pools);
  const ones = MEASURES.map(() => 1).join(", ");
  await change(
    pools,
    `insert into tenant_quarter_hours (tenant_id, basis, bucket_start, ${MEASURES.join(", ")})
     select $1, 'EVENT', '2020-01-01 00:00:00+00'::timestamptz + i * interval '15 minutes', ${ones}
     from generate_series(1, 6000) as i`,
    [tenantId],
  );
  expect((await rebuild({ tenantId })).mended).toHaveLength(6_000 * MEASURES.length);
  expect(await differencesOf(tenantId)).toEqual([]);
});

test("a run that froze and lost the projectors' lock does not set back when a campaign was first sent", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const campaignId = campaignOf(tenant, 0);
  const earlier = at("2026-11-01T10:07:00Z");
  const loseLock = defineStatement<"metrics", [], unknown>(
    "metrics",
    "test.lose_lock",
    `select pg_terminate_backend(pid) from pg_locks
     where locktype = 'advisory' and mode = 'ExclusiveLock'
       and database = (select oid from pg_database where datname = current_database())`,
  );
  const freezing = {
    transaction: async <T>(preamble: Preamble, work: (session: Session<"events">) => Promise<T>): Promise<T> => {
      const result = await pools.events.transaction(preamble, work);
      await pools.metrics.transaction("begin" as Preamble, (session) => session.run(loseLock()));
      await recordEvents(pools, tenantId, [
        acceptedEvent({ type: "SENT", campaignId, recipient: "early", occurredAt: earlier }),
      ]);
      await projectMessages(pools);
      return result;
    },
  } as unknown as Pool<"events">;
  await expect(mendFirstSent({ events: freezing, metrics: pools.metrics }, tenantId, [campaignId])).rejects.toThrow(
    /connection|terminat/i,
  );
  expect(await differencesOf(tenantId)).toEqual([]);
});

test("a link whose row is gone is made again, though retention has dropped its campaign's events", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const before = await contentOf(tenantId);
  const reachPastRetention = defineStatement<"events", [TenantId], never>(
    "events",
    "test.reach_past_retention",
    "update recipient_states set first_event_at = '1990-01-01 00:00:00+00' where tenant_id = $1",
  );
  await writeAsWorker(pools.events, (session) => session.run(reachPastRetention(tenantId)));
  await change(pools, "delete from campaign_links where tenant_id = $1", [tenantId]);
  expect((await rebuild({ tenantId })).summary.unrecountable).toHaveLength(2);
  expect(await contentOf(tenantId)).toEqual(before);
});

test.each(["after it was counted", "while its row is written"])(
  "a link from which an erasure takes an address %s does not get it back",
  async (moment) => {
    const tenant = await createTenant(pools, ZONE, 2);
    const { tenantId } = tenant;
    const [first, second] = tenant.campaignIds.toSorted();
    if (first === undefined || second === undefined) throw new Error("There are two campaigns");
    const url = "https://example.org/?e=ann@example.org";
    const ann = { recipient: "ann", occurredAt: at("2026-11-05T10:07:00Z") } as const;
    const click = acceptedEvent({ ...ann, campaignId: second, type: "CLICKED", traffic: "HUMAN", url });
    await recordEvents(pools, tenantId, [acceptedEvent({ ...ann, campaignId: first, type: "SENT" }), click]);
    await projectMessages(pools);
    await change(pools, "update campaign_totals set sent = 7 where tenant_id = $1 and campaign_id = $2", [
      tenantId,
      first,
    ]);
    await change(pools, "delete from campaign_links where tenant_id = $1", [tenantId]);
    const link = { campaignId: second, linkKey: hashToUuid(url) as LinkKey, url: "https://example.org/?e=(erased)" };
    let isErased = false;
    const erase = async (): Promise<void> => {
      if (isErased) return;
      isErased = true;
      await writeAsWorker(pools.events, (session) => eraseLinkInLog(session, tenantId, click.recipientKey, link));
      await writeAsWorker(pools.metrics, (session) => eraseLinksInMetrics(session, tenantId, [link]));
    };

    // The log is asked between the snapshot and the writing.
    const whileWritten = new Proxy(pools.events, {
      get: (target, name) => {
        if (name !== "transaction") return bound(target, name);
        return async <T>(preamble: Preamble, work: (session: Session<"events">) => Promise<T>): Promise<T> => {
          const result = await target.transaction(preamble, work);
          await erase();
          return result;
        };
      },
    });
    const events = moment === "after it was counted" ? pools.events : whileWritten;
    const run = rebuildRollups({ ...pools, events }, { tenantId }, { now, eventsAtATime: 1 });
    // Of the first campaign; the snapshot is older than the erasure.
    expect((await run.next()).value).toMatchObject({ campaignId: first, measure: "sent" });
    if (moment === "after it was counted") await erase();
    while ((await run.next()).done !== true);

    expect(isErased).toBe(true);
    expect(await read("select url, clicked from campaign_links where tenant_id = $1", tenantId)).toEqual([
      { url: link.url, clicked: 1 },
    ]);
    expect(await differencesOf(tenantId)).toEqual([]);
  },
);

/** A member of an object with private fields, which a proxy has not. */
function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === "function" ? value.bind(target) : value;
}

test("links are locked in the order of projectors, also where only their URL is wrong", async () => {
  const tenant = await createTenant(pools, ZONE, 1);
  const { tenantId } = tenant;
  const campaignId = campaignOf(tenant, 0);
  const urls = ["https://example.org/a", "https://example.org/b"].toSorted((a, b) =>
    hashToUuid(a) < hashToUuid(b) ? -1 : 1,
  );
  const occurredAt = at("2026-11-05T10:07:00Z");
  const ann = { campaignId, recipient: "ann", occurredAt, traffic: "HUMAN" } as const;
  const clicks = urls.map((url) => acceptedEvent({ ...ann, type: "CLICKED", url }));
  await recordEvents(pools, tenantId, clicks);
  await projectMessages(pools);
  const before = await contentOf(tenantId);
  const [first, last] = urls.map((url) => hashToUuid(url));
  await change(pools, "update campaign_links set clicked = 7 where tenant_id = $1 and link_key = $2", [
    tenantId,
    first,
  ]);
  await change(pools, "update campaign_links set url = 'no' where tenant_id = $1 and link_key = $2", [tenantId, last]);

  const projecting = await beginAsWorker(pools.metrics);
  const add = (linkKey: unknown): Promise<void> =>
    addToRollup(projecting, "campaign_links", [
      { key: [tenantId, campaignId, String(linkKey), "no"], sums: [0, 0, 0, 0] },
    ]);
  await add(first);
  const mending = rebuild({ tenantId });
  await waitFor(
    async () => {
      const [row] = await read<{ locks: number }>(
        `select count(*) as locks from pg_locks
         where not granted and pid in (select pid from pg_stat_activity where datname = current_database())`,
      );
      return (row?.locks ?? 0) > 0;
    },
    { what: "the rebuild to wait for the first link", deadlineMs: 20_000 },
  );
  await add(last);
  await projecting.commit();
  await mending;
  expect(await contentOf(tenantId)).toEqual(before);
});

test("campaigns that the metrics database has lost, or has as they were, are made what the event log says", async () => {
  const tenant = await createScene(pools);
  const { tenantId } = tenant;
  const renamed = campaignOf(tenant, 0);
  const [lost, nameless] = [uuidv7() as CampaignId, uuidv7() as CampaignId];
  await writeAsTenant(pools.events, tenantId, async (session) => {
    await session.run(rename(tenantId, renamed, "spring"));
    await session.run(makeIdentity(tenantId, lost, "summer"));
    await session.run(makeIdentity(tenantId, nameless, "autumn"));
  });
  // Of this one the metrics have heard that it was sent.
  const sent = {
    type: "SENT",
    campaignId: nameless,
    recipient: "ann",
    occurredAt: at("2026-11-05T00:00:00Z"),
  } as const;
  await recordEvents(pools, tenantId, [acceptedEvent(sent)]);
  await projectMessages(pools);
  await rebuild({ tenantId });
  const campaigns = await read(
    `select external_id, name, first_sent_at is not null as is_sent from campaigns
     where tenant_id = $1 and external_id is not null order by 1`,
    tenantId,
  );
  expect(campaigns).toEqual([
    { external_id: "autumn", name: "autumn", is_sent: true },
    { external_id: "spring", name: "A campaign", is_sent: true },
    { external_id: "summer", name: "summer", is_sent: false },
  ]);
  expect(await differencesOf(tenantId)).toEqual([]);
  const before = await contentOf(tenantId);
  await rebuild({ tenantId });
  expect(await contentOf(tenantId)).toEqual(before);
});
