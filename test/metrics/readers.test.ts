import { beforeAll, describe, expect, test } from "vitest";
import type { CampaignId, TenantId } from "../../src/ids.js";
import { ALL_MEASURES, measureSet } from "../../src/metrics/measure-set.js";
import { type Measure, MEASURES } from "../../src/rollups/measures.js";
import { readCampaignTotals } from "../../src/metrics/campaign-totals.js";
import { type Counts, EMPTY_COUNTS } from "../../src/metrics/counts.js";
import { chooseRollups } from "../../src/metrics/rollup-choice.js";
import { type CampaignsFilter, readTenantBuckets } from "../../src/metrics/tenant-buckets.js";
import { defineStatement } from "../../src/database/statement.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { at, zoneOf } from "../time/times.js";
import { measures, metricsUnderTest, newCampaign, newTenant } from "./metrics-under-test.js";
import { readBuckets } from "./read-buckets.js";

const subject = metricsUnderTest();
const utc = zoneOf("UTC");
const noon = at("2026-05-01T12:00:00Z");
const today = chooseRollups([at("2026-05-01T00:00:00Z"), at("2026-05-02T00:00:00Z")], utc);
const quarter = chooseRollups([noon, at("2026-05-01T12:15:00Z")], utc);
const empty = chooseRollups([noon, noon], utc);

const mine = newTenant();
const other = newTenant();
const [spring, summer, archived, quiet, theirs] = Array.from({ length: 5 }, newCampaign) as [
  CampaignId,
  CampaignId,
  CampaignId,
  CampaignId,
  CampaignId,
];

const insertCampaign = defineStatement<"metrics", [TenantId, CampaignId, readonly string[], boolean], never>(
  "metrics",
  "test.insert_campaign",
  `insert into campaigns (tenant_id, id, name, tags, created_at, updated_at, archived_at, identity_revision)
   values ($1, $2, 'A campaign', $3, '2026-01-01', '2026-01-01', case when $4 then '2026-02-01'::timestamptz end, 1)`,
);

/** Sent counts that say whose they are. */
const SENT = { [spring]: 1, [summer]: 10, [archived]: 100, [theirs]: 1000 } as Record<CampaignId, number>;

const sentCell = (campaignId: CampaignId, sent: number) => ({ campaignId, at: noon, measures: measures({ sent }) });
const cellOf = (campaignId: CampaignId) => ({
  ...sentCell(campaignId, SENT[campaignId] ?? 0),
  revenue: { EUR: `${SENT[campaignId]}.50` },
});

beforeAll(async () => {
  await writeAsWorker(subject.metrics, async (session) => {
    await session.run(insertCampaign(mine, spring, ["news", "spring"], false));
    await session.run(insertCampaign(mine, summer, ["news"], false));
    await session.run(insertCampaign(mine, archived, ["old"], true));
    await session.run(insertCampaign(mine, quiet, ["old"], false));
    await session.run(insertCampaign(other, theirs, ["news", "old"], false));
  });
  await subject.addCells(mine, utc, [spring, summer, archived].map(cellOf));
  await subject.addCells(other, utc, [theirs].map(cellOf));
});

const sentOf = (counts: Counts | undefined) => counts?.measures[0];

describe("campaigns' totals", () => {
  test("are everything so far, and empty where nothing happened, in one statement", async () => {
    const { result, statements } = await subject.read(subject.metrics, mine, (session) =>
      readCampaignTotals(session, mine, [spring, quiet, summer, spring], ALL_MEASURES),
    );
    expect(result).toEqual(
      new Map([
        [spring, { measures: measures({ sent: 1 }), revenue: { EUR: "1.50" } }],
        [quiet, EMPTY_COUNTS],
        [summer, { measures: measures({ sent: 10 }), revenue: { EUR: "10.50" } }],
      ]),
    );
    expect(statements).toEqual([`metrics.find_campaign_totals.${ALL_MEASURES.key}`]);
  });
});

describe("buckets", () => {
  test("count a campaign once that is asked for twice", async () => {
    const { result } = await subject.read(subject.metrics, mine, (session) =>
      readBuckets(session, mine, [spring, spring], today, "EVENT", ALL_MEASURES),
    );
    expect(result).toEqual(new Map([[spring, [{ measures: measures({ sent: 1 }), revenue: { EUR: "1.50" } }]]]));
  });

  test("are zeros on the other basis, and for an empty range without a statement", async () => {
    for (const [plan, basis, count] of [
      [today, "SEND", 1],
      [empty, "EVENT", 0],
    ] as const) {
      const { result, statements } = await subject.read(subject.metrics, mine, (session) =>
        readBuckets(session, mine, [spring], plan, basis, ALL_MEASURES),
      );
      expect(result).toEqual(new Map([[spring, [EMPTY_COUNTS]]]));
      expect(statements).toHaveLength(count);
    }
  });

  test("keep counts to 2^53 - 1, and say so past that", async () => {
    const tenantId = newTenant();
    const [large, tooLarge] = [newCampaign(), newCampaign()];
    const most = Number.MAX_SAFE_INTEGER;
    await subject.addCells(tenantId, utc, [sentCell(large, most), sentCell(tooLarge, most)]);
    await subject.addCells(tenantId, utc, [sentCell(tooLarge, 1)]);
    const read = (id: CampaignId) =>
      subject.read(subject.metrics, tenantId, (session) => readCampaignTotals(session, tenantId, [id], ALL_MEASURES));
    expect(sentOf((await read(large)).result.get(large))).toBe(most);
    await expect(read(tooLarge)).rejects.toThrow(RangeError);
  });
});

describe("a tenant's buckets", () => {
  const cases: readonly [string, CampaignsFilter | null, number][] = [
    ["without a filter are all campaigns, archived ones too", null, 111],
    ["with nothing in the filter are all campaigns", { campaignIds: null, tags: null }, 111],
    ["of named campaigns are those", { campaignIds: [spring, archived, spring] }, 101],
    ["of tags are the campaigns with any of them", { tags: ["spring", "old"] }, 101],
    ["of both are the campaigns that satisfy both", { campaignIds: [spring, archived], tags: ["news"] }, 1],
    ["of no campaigns are nothing", { campaignIds: [] }, 0],
    ["of no tags are nothing, whatever the campaigns", { campaignIds: [spring], tags: [] }, 0],
    ["of a tag that nothing has are nothing", { tags: ["NEWS"] }, 0],
    ["never hold another tenant's campaign", { campaignIds: [theirs, spring] }, 1],
  ];
  test.each(cases)("%s", async (_, filter, sent) => {
    for (const plan of [today, quarter]) {
      const { result, statements } = await subject.read(subject.metrics, mine, (session) =>
        readTenantBuckets(session, mine, plan, "EVENT", ALL_MEASURES, filter),
      );
      expect(result.map(sentOf)).toEqual([sent]);
      expect(Number(result[0]?.revenue["EUR"] ?? 0)).toBe(
        sent + 0.5 * [...String(sent)].filter((digit) => digit === "1").length,
      );
      expect(statements.length).toBeLessThanOrEqual(1);
    }
  });
});

describe("of some measures", () => {
  const positionOf = (measure: Measure) => MEASURES.indexOf(measure);
  const sets = [
    measureSet([positionOf("sent")], false),
    measureSet([positionOf("unique_rejected"), positionOf("sent"), positionOf("delivered")], true),
    measureSet([], true),
  ];

  test.each(sets)("the numbers are those of all of them: $measures, revenue $revenue", async (set) => {
    const pick = ({ measures: all, revenue }: Counts): Counts => ({
      measures: set.measures.map((measure) => all[positionOf(measure)] ?? 0),
      revenue: set.revenue ? revenue : {},
    });
    const { result } = await subject.read(subject.metrics, mine, async (session) => ({
      totals: [
        await readCampaignTotals(session, mine, [summer], ALL_MEASURES),
        await readCampaignTotals(session, mine, [summer], set),
      ],
      rows: [
        await readBuckets(session, mine, [summer], today, "EVENT", ALL_MEASURES),
        await readBuckets(session, mine, [summer], today, "EVENT", set),
      ],
    }));
    const [allTotals, someTotals] = result.totals.map((totals) => totals.get(summer)!);
    expect(someTotals).toEqual(pick(allTotals!));
    const [[allOfDay], [someOfDay]] = result.rows.map((rows) => rows.get(summer)!) as [Counts[], Counts[]];
    expect({ ...someOfDay, measures: someOfDay!.measures.slice(0, set.measures.length) }).toEqual(pick(allOfDay!));
    for (const plan of [today, quarter]) {
      const sums = await subject.read(subject.metrics, mine, async (session) => [
        await readTenantBuckets(session, mine, plan, "EVENT", ALL_MEASURES, { tags: ["spring", "old"] }),
        await readTenantBuckets(session, mine, plan, "EVENT", set, { tags: ["spring", "old"] }),
      ]);
      const [[all], [some]] = sums.result as [Counts[], Counts[]];
      expect({ ...some, measures: some!.measures.slice(0, set.measures.length) }).toEqual(pick(all!));
    }
  });

  test("none take no statement", async () => {
    const none = measureSet([], false);
    const { result, statements } = await subject.read(subject.metrics, mine, async (session) => [
      (await readCampaignTotals(session, mine, [spring], none)).get(spring),
      ...(await readTenantBuckets(session, mine, today, "EVENT", none, null)),
    ]);
    expect(result).toEqual([EMPTY_COUNTS, EMPTY_COUNTS]);
    expect(statements).toEqual([]);
  });
});

describe("another tenant's rows", () => {
  test("are nothing, also to who knows their ids", async () => {
    // The session's tenant, and the one that the query names: neither alone opens the door.
    for (const [sessionTenant, named] of [
      [mine, mine],
      [mine, other],
      [other, mine],
    ] as const) {
      const { result } = await subject.read(subject.metrics, sessionTenant, async (session) => ({
        totals: await readCampaignTotals(session, named, [theirs], ALL_MEASURES),
        days: await readBuckets(session, named, [theirs], today, "EVENT", ALL_MEASURES),
        quarters: await readBuckets(session, named, [theirs], quarter, "EVENT", ALL_MEASURES),
      }));
      expect(result).toEqual({
        totals: new Map([[theirs, EMPTY_COUNTS]]),
        days: new Map([[theirs, [EMPTY_COUNTS]]]),
        quarters: new Map([[theirs, [EMPTY_COUNTS]]]),
      });
    }
  });

  test("are there for that tenant", async () => {
    const { result } = await subject.read(subject.metrics, other, (session) =>
      readBuckets(session, other, [theirs, spring], quarter, "EVENT", ALL_MEASURES),
    );
    expect([...result.values()].map(([counts]) => sentOf(counts))).toEqual([1000, 0]);
  });

  test("are not in a tenant's numbers", async () => {
    const { result } = await subject.read(subject.metrics, mine, (session) =>
      readTenantBuckets(session, other, today, "EVENT", ALL_MEASURES, null),
    );
    expect(result).toEqual([EMPTY_COUNTS]);
  });
});
