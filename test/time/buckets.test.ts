import * as fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import { bucketBoundaries, type Granularity, TooManyBucketsError } from "../../src/time/buckets.js";
import { type EpochMicros, formatInstant } from "../../src/time/instant.js";
import { InvalidTimeError } from "../../src/time/invalid-time-error.js";
import { QUARTER_HOUR_MICROS, type TimeRange } from "../../src/time/range.js";
import { at, between, ODD_ZONES, SAMPLED_ZONES, zoneOf } from "./times.js";

const HOUR = 3600e6;

function boundaries(range: TimeRange, granularity: Granularity, zone: string, maxPoints = 3000): string[] {
  return bucketBoundaries(range, granularity, zoneOf(zone), maxPoints).map((instant) =>
    formatInstant(instant).replace(":00.000Z", "Z"),
  );
}

/** How long each bucket lasts, in hours. */
function hours(range: TimeRange, granularity: Granularity, zone: string): number[] {
  const ends = bucketBoundaries(range, granularity, zoneOf(zone), 3000);
  return ends.slice(1).map((end, index) => (end - ends[index]!) / HOUR);
}

describe("days", () => {
  test.each([
    ["Europe/Berlin", "2026-03-27T23:00Z", "2026-03-30T22:00Z", [24, 23, 24]],
    ["Europe/Berlin", "2026-10-23T22:00Z", "2026-10-26T23:00Z", [24, 25, 24]],
    ["America/New_York", "2026-03-07T05:00Z", "2026-03-10T04:00Z", [24, 23, 24]],
    ["America/New_York", "2026-10-31T04:00Z", "2026-11-03T05:00Z", [24, 25, 24]],
    ["Asia/Kathmandu", "2026-11-19T18:15Z", "2026-11-21T18:15Z", [24, 24]],
    ["Australia/Lord_Howe", "2026-10-02T13:30Z", "2026-10-05T13:00Z", [24, 23.5, 24]],
    ["Australia/Lord_Howe", "2026-04-03T13:00Z", "2026-04-06T13:30Z", [24, 24.5, 24]],
    ["Pacific/Chatham", "2026-04-03T10:15Z", "2026-04-06T11:15Z", [24, 25, 24]],
    ["America/Sao_Paulo", "2018-11-03T03:00Z", "2018-11-06T02:00Z", [24, 23, 24]],
    ["America/Sao_Paulo", "2018-02-17T02:00Z", "2018-02-19T03:00Z", [25, 24]],
    ["America/Havana", "2024-11-02T04:00Z", "2024-11-05T05:00Z", [24, 25, 24]],
    ["Africa/Cairo", "2024-04-24T22:00Z", "2024-04-26T21:00Z", [24, 23]],
    ["Africa/Cairo", "2024-10-30T21:00Z", "2024-11-01T22:00Z", [25, 24]],
    ["Asia/Beirut", "2024-03-29T22:00Z", "2024-03-31T21:00Z", [24, 23]],
    ["Asia/Beirut", "2024-10-25T21:00Z", "2024-10-27T22:00Z", [25, 24]],
    ["America/St_Johns", "2008-11-01T02:30Z", "2008-11-03T03:30Z", [24, 25]],
    // 30 December 2011 was left out: no bucket, neither one of no length.
    ["Pacific/Apia", "2011-12-28T10:00Z", "2012-01-01T10:00Z", [24, 24, 24, 24]],
  ])("in %s from %s to %s last %j hours", (zone, from, to, expected) => {
    expect(hours(between(from, to), "DAY", zone)).toEqual(expected);
  });

  test("are cut to the range at both ends", () => {
    expect(boundaries(between("2026-11-20T12:15Z", "2026-11-22T01:30Z"), "DAY", "Europe/Berlin")).toEqual([
      "2026-11-20T12:15Z",
      "2026-11-20T23:00Z",
      "2026-11-21T23:00Z",
      "2026-11-22T01:30Z",
    ]);
  });

  test("a range within one granule is one bucket", () => {
    for (const granularity of ["QUARTER_HOUR", "HOUR", "DAY", "WEEK", "MONTH"] as const) {
      expect(boundaries(between("2026-11-20T12:01Z", "2026-11-20T12:02Z"), granularity, "UTC")).toHaveLength(2);
    }
  });
});

describe("hours", () => {
  test("begin at a quarter past UTC in Kathmandu and in Chatham", () => {
    const range = between("2026-11-20T12:00Z", "2026-11-20T14:00Z");
    const expected = ["2026-11-20T12:00Z", "2026-11-20T12:15Z", "2026-11-20T13:15Z", "2026-11-20T14:00Z"];
    expect(boundaries(range, "HOUR", "Asia/Kathmandu")).toEqual(expected);
    expect(boundaries(range, "HOUR", "Pacific/Chatham")).toEqual(expected);
  });

  test("an hour that the clock shows twice is two buckets, one that it skips none", () => {
    expect(hours(between("2026-10-24T22:00Z", "2026-10-25T23:00Z"), "HOUR", "Europe/Berlin")).toEqual(
      Array<number>(25).fill(1),
    );
    expect(hours(between("2026-03-28T23:00Z", "2026-03-29T22:00Z"), "HOUR", "Europe/Berlin")).toEqual(
      Array<number>(23).fill(1),
    );
  });

  test("Lord Howe's half-hour shifts leave one bucket of 90 minutes each", () => {
    expect(hours(between("2026-10-03T13:30Z", "2026-10-03T18:00Z"), "HOUR", "Australia/Lord_Howe")).toEqual([
      1, 1.5, 1, 1,
    ]);
    expect(hours(between("2026-04-04T13:00Z", "2026-04-04T17:30Z"), "HOUR", "Australia/Lord_Howe")).toEqual([
      1, 1.5, 1, 1,
    ]);
  });
});

describe("weeks and months", () => {
  test("ISO weeks begin on Monday, week 53 and the turn of the year included", () => {
    expect(boundaries(between("2026-12-20T00:00Z", "2027-01-12T00:00Z"), "WEEK", "UTC")).toEqual([
      "2026-12-20T00:00Z",
      "2026-12-21T00:00Z",
      "2026-12-28T00:00Z",
      "2027-01-04T00:00Z",
      "2027-01-11T00:00Z",
      "2027-01-12T00:00Z",
    ]);
  });

  test("a range that begins on a Monday begins with a whole week", () => {
    expect(hours(between("2026-03-22T23:00Z", "2026-04-05T22:00Z"), "WEEK", "Europe/Berlin")).toEqual([167, 168]);
  });

  test("months are as long as they are, leap Februaries and daylight saving included", () => {
    expect(hours(between("2023-12-31T23:00Z", "2024-04-30T22:00Z"), "MONTH", "Europe/Berlin")).toEqual([
      744, 696, 743, 720,
    ]);
  });
});

describe("limits", () => {
  test("as many buckets as allowed pass, one more throws", () => {
    const range = between("2026-01-01T00:00Z", "2026-01-11T00:00Z");
    expect(boundaries(range, "DAY", "UTC", 10)).toHaveLength(11);
    expect(() => boundaries(range, "DAY", "UTC", 9)).toThrow(TooManyBucketsError);
    expect(() => boundaries(between("2026-01-01T01:00Z", "2026-01-11T01:00Z"), "DAY", "UTC", 10)).toThrow(
      TooManyBucketsError,
    );
  });

  test.each(["QUARTER_HOUR", "HOUR", "DAY", "WEEK", "MONTH"] as const)(
    "ten thousand years by %s are refused at the cost of the limit",
    (granularity) => {
      const range = between("0001-01-01T00:00Z", "9999-12-31T23:45Z");
      const started = performance.now();
      expect(() => boundaries(range, granularity, "Europe/Berlin")).toThrow(TooManyBucketsError);
      expect(performance.now() - started).toBeLessThan(1000);
    },
  );

  test.each([
    ["2026-11-20T12:00Z", "2026-11-20T12:00Z"],
    ["2026-11-20T12:00Z", "2026-11-20T11:00Z"],
  ])("%s to %s is no range", (from, to) => {
    expect(() => boundaries(between(from, to), "HOUR", "UTC")).toThrow(InvalidTimeError);
  });
});

/** Temporal's word on whether a granule begins here. */
function isGranuleStart(instant: EpochMicros, granularity: Granularity, zone: string): boolean {
  const local = new Temporal.ZonedDateTime(BigInt(instant) * 1000n, zone);
  const wholeMinute = local.second === 0 && local.millisecond === 0 && local.microsecond === 0;
  if (granularity === "QUARTER_HOUR") return wholeMinute && local.minute % 15 === 0;
  if (granularity === "HOUR") return wholeMinute && local.minute === 0;
  const beginsDay = local.startOfDay().epochNanoseconds === local.epochNanoseconds;
  if (granularity === "DAY") return beginsDay;
  return beginsDay && (granularity === "WEEK" ? local.dayOfWeek === 1 : local.day === 1);
}

describe("for any range since 2000, any zone and any granularity", () => {
  const zones = fc.constantFrom(...ODD_ZONES, ...SAMPLED_ZONES);
  const firstQuarter = at("2000-01-01T00:00Z") / QUARTER_HOUR_MICROS;
  const lastQuarter = at("2035-01-01T00:00Z") / QUARTER_HOUR_MICROS;
  const cases = fc
    .constantFrom<[Granularity, number]>(
      ["QUARTER_HOUR", 100],
      ["HOUR", 800],
      ["DAY", 5000],
      ["WEEK", 30_000],
      ["MONTH", 60_000],
    )
    .chain(([granularity, maxQuarters]) =>
      fc.tuple(
        fc.constant(granularity),
        fc.integer({ min: firstQuarter, max: lastQuarter }),
        fc.integer({ min: 1, max: maxQuarters }),
      ),
    );

  test("the buckets cover the range exactly, in order, on quarter-hours, and each begins where its granule does", () => {
    fc.assert(
      fc.property(zones, cases, (zone, [granularity, quarter, quarters]) => {
        const range = {
          from: (quarter * QUARTER_HOUR_MICROS) as EpochMicros,
          to: ((quarter + quarters) * QUARTER_HOUR_MICROS) as EpochMicros,
        };
        const ends = bucketBoundaries(range, granularity, zone, 3000);
        expect(ends[0]).toBe(range.from);
        expect(ends.at(-1)).toBe(range.to);
        expect(ends).toEqual([...new Set(ends)].toSorted((one, other) => one - other));
        expect(ends.filter((end) => end % QUARTER_HOUR_MICROS !== 0)).toEqual([]);
        expect(ends.slice(1, -1).filter((start) => !isGranuleStart(start, granularity, zone))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  test("no granule start within the range is missed", () => {
    fc.assert(
      fc.property(zones, cases, (zone, [granularity, quarter, quarters]) => {
        const from = quarter * QUARTER_HOUR_MICROS;
        const span = Math.min(quarters, 400);
        const to = from + span * QUARTER_HOUR_MICROS;
        const found = bucketBoundaries({ from: from as EpochMicros, to: to as EpochMicros }, granularity, zone, 3000);
        const expected = Array.from(
          { length: span - 1 },
          (_, index) => (from + (index + 1) * QUARTER_HOUR_MICROS) as EpochMicros,
        );
        expect(found.slice(1, -1)).toEqual(expected.filter((instant) => isGranuleStart(instant, granularity, zone)));
      }),
      { numRuns: 150 },
    );
  });
});
