import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { addDecimals } from "../../src/decimal.js";
import type { CampaignId, TenantId } from "../../src/ids.js";
import type { Counts } from "../../src/metrics/counts.js";
import { answeredRange, seriesBoundaries } from "../../src/metrics/ranges.js";
import { ALL_MEASURES } from "../../src/metrics/measure-set.js";
import { chooseRollups } from "../../src/metrics/rollup-choice.js";
import { readTenantBuckets } from "../../src/metrics/tenant-buckets.js";
import { BASES, type Basis, MEASURES } from "../../src/rollups/measures.js";
import { EARLIEST_INSTANT, END_OF_TIME, type EpochMicros, MICROS_PER_DAY } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS } from "../../src/time/range.js";
import { at, between, zoneOf } from "../time/times.js";
import { metricsUnderTest, newCampaign, newTenant, type TestCell } from "./metrics-under-test.js";
import { readBuckets } from "./read-buckets.js";

const berlin = zoneOf("Europe/Berlin");
const tokyo = zoneOf("Asia/Tokyo");

/** By brute force, from the cells. */
function expected(cells: readonly TestCell[], boundaries: readonly EpochMicros[]): Counts[] {
  return boundaries.slice(1).map((to, bucket) => {
    const measures = MEASURES.map(() => 0);
    const revenue: Record<string, string> = {};
    for (const cell of cells) {
      if (cell.at < boundaries[bucket]! || cell.at >= to) continue;
      cell.measures.forEach((value, position) => (measures[position]! += value));
      for (const [currency, amount] of Object.entries(cell.revenue ?? {})) {
        revenue[currency] = addDecimals(revenue[currency] ?? "0.00", amount);
      }
    }
    return { measures, revenue };
  });
}

describe("the choice", () => {
  const april = between("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z");

  test("answers whole local days from days alone", () => {
    const plan = chooseRollups(seriesBoundaries(april, "DAY", berlin, 3000), berlin);
    expect(plan.quarters).toBeNull();
    expect(plan.days).toMatchObject({ zone: berlin, first: "2026-04-01", after: "2026-05-01", sums: false });
    expect(plan.days?.buckets).toEqual(Array.from({ length: 30 }, (_, bucket) => bucket));
  });

  test("leaves the edges to quarter-hours", () => {
    const plan = chooseRollups([at("2026-04-10T10:15:00Z"), at("2026-04-20T10:30:00Z")], berlin);
    expect(plan.days).toMatchObject({ first: "2026-04-11", after: "2026-04-20", buckets: [0], sums: true });
    expect(plan.quarters).toMatchObject({
      from: [at("2026-04-10T10:15:00Z"), at("2026-04-19T22:00:00Z")],
      to: [at("2026-04-10T22:00:00Z"), at("2026-04-20T10:30:00Z")],
    });
  });

  test("takes quarter-hours where no whole day lies in a bucket, and where the days are not to be used", () => {
    const hours = chooseRollups(seriesBoundaries(april, "HOUR", berlin, 3000), berlin);
    expect([hours.days, hours.quarters]).toEqual([null, { from: [april.from], to: [april.to], sums: true }]);
    const unready = chooseRollups([april.from, april.to], null);
    expect([unready.days, unready.quarters]).toEqual([null, { from: [april.from], to: [april.to], sums: true }]);
  });

  test("uses days of another zone than the buckets'", () => {
    const plan = chooseRollups(seriesBoundaries(april, "WEEK", tokyo, 3000), berlin);
    expect(plan.days?.buckets).toEqual([0, null, 1, null, 2, null, 3, null, 4]);
    expect(plan.quarters?.from).toHaveLength(4);
  });

  test("has nothing to read for an empty range", () => {
    expect(chooseRollups([april.from, april.from], berlin)).toMatchObject({
      days: null,
      quarters: null,
      bucketCount: 1,
    });
  });
});

describe("the numbers", () => {
  const subject = metricsUnderTest();
  const ROLLUP_ZONES = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Apia",
  ].map(zoneOf);
  const QUERY_ZONES = [...ROLLUP_ZONES, ...["America/St_Johns", "Pacific/Chatham", "America/Havana"].map(zoneOf)];
  // Daylight saving begins or ends in most of these zones in the first; Apia left out 30 December in the second.
  const WINDOWS = [
    between("2018-09-25T00:00:00Z", "2018-11-25T00:00:00Z"),
    between("2011-12-25T00:00:00Z", "2012-01-06T00:00:00Z"),
  ];
  const CAMPAIGNS = 3;
  const CURRENCIES = ["EUR", "USD"];

  interface Subject {
    readonly tenantId: TenantId;
    readonly campaignIds: readonly CampaignId[];
    readonly cells: readonly TestCell[];
  }
  const tenants = new Map<string, Subject>();

  const instantIn = fc
    .constantFrom(...WINDOWS)
    .chain(({ from, to }) => fc.integer({ min: from, max: to - 1 }))
    .map((instant) => instant as EpochMicros);
  const cellData = fc.record({
    campaign: fc.nat(CAMPAIGNS - 1),
    basis: fc.constantFrom<Basis>(...BASES),
    at: instantIn,
    measures: fc.array(fc.integer({ min: -3, max: 9 }), { minLength: MEASURES.length, maxLength: MEASURES.length }),
    revenue: fc.option(fc.tuple(fc.constantFrom(...CURRENCIES), fc.nat(9999)), { nil: null, freq: 3 }),
  });

  beforeAll(async () => {
    const data = fc.sample(cellData, { numRuns: 500, seed: 20_181_028 });
    for (const zone of ROLLUP_ZONES) {
      const tenantId = newTenant();
      const campaignIds = Array.from({ length: CAMPAIGNS }, newCampaign);
      const cells = data.map(({ campaign, basis, at: instant, measures, revenue }) => ({
        campaignId: campaignIds[campaign]!,
        basis,
        at: (Math.floor(instant / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS) as EpochMicros,
        measures,
        revenue: revenue === null ? {} : { [revenue[0]]: (revenue[1] / 100).toFixed(2) },
      }));
      tenants.set(zone, { tenantId, campaignIds, cells });
      await subject.addCells(tenantId, zone, cells);
    }
  });

  const range = fc
    .tuple(
      instantIn,
      fc.oneof(fc.integer({ min: 1, max: 3 * MICROS_PER_DAY }), fc.integer({ min: 1, max: 45 * MICROS_PER_DAY })),
    )
    .map(([from, length]) => answeredRange({ from, to: (from + length) as EpochMicros }));

  test("are the same whichever rollups answer, for every zone, range, granularity and basis", async () => {
    await fc.assert(
      fc.asyncProperty(
        range,
        fc.constantFrom("ONE", "QUARTER_HOUR", "HOUR", "DAY", "DAY", "WEEK", "MONTH"),
        fc.constantFrom(...QUERY_ZONES),
        fc.constantFrom(...ROLLUP_ZONES),
        fc.boolean(),
        fc.constantFrom<Basis>(...BASES),
        async (asked, granularity, zone, rollupZone, daysAreReady, basis) => {
          const short =
            granularity === "QUARTER_HOUR"
              ? { ...asked, to: Math.min(asked.to, asked.from + 5 * MICROS_PER_DAY) as EpochMicros }
              : asked;
          const boundaries =
            granularity === "ONE" ? [asked.from, asked.to] : seriesBoundaries(short, granularity, zone, 3000);
          const plan = chooseRollups(boundaries, daysAreReady ? rollupZone : null);
          const { tenantId, campaignIds, cells } = tenants.get(rollupZone)!;
          const ofBasis = cells.filter((cell) => cell.basis === basis);

          const campaigns = await subject.read(subject.metrics, tenantId, (session) =>
            readBuckets(session, tenantId, campaignIds, plan, basis, ALL_MEASURES),
          );
          const tenant = await subject.read(subject.metrics, tenantId, (session) =>
            readTenantBuckets(session, tenantId, plan, basis, ALL_MEASURES, null),
          );

          for (const id of campaignIds) {
            expect(campaigns.result.get(id)).toEqual(
              expected(
                ofBasis.filter((cell) => cell.campaignId === id),
                boundaries,
              ),
            );
          }
          expect(tenant.result).toEqual(expected(ofBasis, boundaries));
          expect([campaigns.statements.length, tenant.statements.length]).toEqual([1, 1]);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("of all time there is are those of everything", async () => {
    const boundaries = [EARLIEST_INSTANT, (END_OF_TIME - QUARTER_HOUR_MICROS) as EpochMicros];
    for (const zone of ROLLUP_ZONES) {
      const { tenantId, cells } = tenants.get(zone)!;
      const { result } = await subject.read(subject.metrics, tenantId, (session) =>
        readTenantBuckets(session, tenantId, chooseRollups(boundaries, zone), "SEND", ALL_MEASURES, null),
      );
      expect(result).toEqual(
        expected(
          cells.filter((cell) => cell.basis === "SEND"),
          boundaries,
        ),
      );
    }
  });
});
