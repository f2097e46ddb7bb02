import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bucketBoundaries, type Granularity } from "../../src/time/buckets.js";
import { previousPeriod, previousYear } from "../../src/time/comparison.js";
import { type EpochMicros, formatInstant, MICROS_PER_DAY } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS, type TimeRange } from "../../src/time/range.js";
import { localDate, startOfDay, type TimeZoneId } from "../../src/time/time-zone.js";
import { PROPERTY_RUNS, PROPERTY_TIMEOUT_MS } from "../support/property-runs.js";
import {
  COMPARED_ZONES,
  END,
  FIRST,
  instantOf,
  microsOf,
  providePostgresZones,
  transitionsOf,
} from "./postgres-zones.js";
import { at, between, zoneOf } from "./times.js";

const postgres = providePostgresZones();
const LONG = { timeout: PROPERTY_TIMEOUT_MS };
const runs = { numRuns: PROPERTY_RUNS };

const quarterOf = (instant: number) => (Math.floor(instant / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS) as EpochMicros;

/** Turns of years and Februaries' ends: where dates are odd in every zone. */
const CALENDAR = Array.from({ length: 35 }, (_, index) => 2000 + index).flatMap((year) => [
  at(`${year + 1}-01-01T00:00:00Z`),
  at(`${year}-03-01T00:00:00Z`),
]);

/** A zone and an instant: near a change of its clock, near an odd date, or anywhere from 2000 to 2035. */
const places = fc.constantFrom(...COMPARED_ZONES).chain((zone) => {
  const transitions = transitionsOf(zone);
  const near = (instants: readonly EpochMicros[], days: number) =>
    fc
      .tuple(fc.constantFrom(...instants), fc.integer({ min: -days * MICROS_PER_DAY, max: days * MICROS_PER_DAY }))
      .map(([instant, distance]) => instant + distance);
  return fc.record({
    zone: fc.constant(zone),
    instant: fc
      .oneof(
        ...(transitions.length === 0 ? [] : [near(transitions, 2), near(transitions, 2)]),
        near(CALENDAR, 2),
        fc.integer({ min: FIRST, max: END - 1 }),
      )
      .map((instant) => Math.min(Math.max(instant, FIRST + 400 * MICROS_PER_DAY), END - 1) as EpochMicros),
  });
});

/** Whether the two agree on the zone's clock up to this instant. */
const isComparable = (zone: TimeZoneId, last: number) => last < (postgres.differsFrom.get(zone) ?? 0);

test("PostgreSQL's time zone data is the program's up to 2021 at least, in every zone that is compared", () => {
  const early = COMPARED_ZONES.filter((zone) => !isComparable(zone, at("2021-12-01T00:00:00Z")));
  expect(early).toEqual([]);
});

/** What PostgreSQL says of the wall clock at a quarter-hour with which a bucket begins. */
const CUTS = {
  QUARTER_HOUR: "true",
  // An hour begins wherever the clock reads a full one, also for the second time.
  HOUR: "extract(minute from local) = 0",
  // The others begin with a date that was not shown before.
  DAY: "local::date > max(local::date) over earlier",
  WEEK: "to_char(local, 'IYYYIW') > max(to_char(local, 'IYYYIW')) over earlier",
  MONTH: "date_trunc('month', local) > max(date_trunc('month', local)) over earlier",
} as const satisfies Record<Granularity, string>;

/** The starts of buckets within a range, by PostgreSQL: it puts every quarter-hour on the zone's wall clock, from days before. */
async function postgresStarts(range: TimeRange, granularity: Granularity, zone: TimeZoneId): Promise<number[]> {
  const [row] = await postgres.query<{ starts: string[] | null }>(
    `select array_agg(${microsOf("instant")} order by instant) filter (where begins and instant > ${instantOf("$1")}) as starts
     from (
       select instant, ${CUTS[granularity]} as begins
       from (
         select instant, instant at time zone $3 as local
         from generate_series(
           ${instantOf("$1")} - interval '2 days', ${instantOf("$2")} - interval '15 minutes', interval '15 minutes'
         ) as instant
       ) as quarter
       window earlier as (order by instant rows between unbounded preceding and 1 preceding)
     ) as cut`,
    [range.from, range.to, zone],
  );
  return (row?.starts ?? []).map(Number);
}

/**
 * The starts that date_trunc() puts elsewhere, unless the clock reads the same there: it takes the second of two midnights.
 * An hour that the clock shows twice is one to it, and one of Lord Howe's lasts 90 minutes, so it has no say in hours.
 */
async function truncatedElsewhere(starts: readonly number[], granularity: Granularity, zone: TimeZoneId) {
  if (granularity === "QUARTER_HOUR" || granularity === "HOUR") return [];
  return await postgres.query(
    `select start, truncated from unnest($1::bigint[]) as micros, lateral (select ${instantOf("micros")} as start) as given,
       lateral (select date_trunc($2, start, $3) as truncated) as cut
     where truncated <> start and truncated at time zone $3 <> start at time zone $3`,
    [starts, granularity.toLowerCase(), zone],
  );
}

async function expectPostgresBuckets(range: TimeRange, granularity: Granularity, zone: TimeZoneId): Promise<void> {
  const starts = bucketBoundaries(range, granularity, zone, 1_000_000).slice(1, -1);
  expect(starts.map(formatInstant)).toEqual(
    (await postgresStarts(range, granularity, zone)).map((start) => formatInstant(start as EpochMicros)),
  );
  expect(await truncatedElsewhere(starts, granularity, zone)).toEqual([]);
}

const GRANULARITIES = Object.keys(CUTS) as Granularity[];
/** How long a range of each may be, in quarter-hours: PostgreSQL looks at all of them. */
const MOST_QUARTERS = { QUARTER_HOUR: 100, HOUR: 300, DAY: 1_500, WEEK: 6_000, MONTH: 9_000 } as const;

describe("a day is PostgreSQL's", () => {
  test(
    "for any zone and instant: its date, where it begins, and date_trunc() but for a second midnight",
    LONG,
    async () => {
      await fc.assert(
        fc.asyncProperty(places, async ({ zone, instant }) => {
          fc.pre(isComparable(zone, instant));
          const date = localDate(instant, zone);
          const [row] = await postgres.query<{ date: string; shown: boolean; start: string; same: boolean }>(
            `select latest.date::text as date, (instant at time zone $2)::date = latest.date as shown,
             ${microsOf("first.start")} as start,
             cut.truncated = first.start or cut.truncated at time zone $2 = first.start at time zone $2 as same
           from (select ${instantOf("$1")} as instant, ${instantOf("$3")} as quarter) as given,
             lateral (
               select max((moment at time zone $2)::date) as date
               from generate_series(quarter - interval '2 days', quarter, interval '15 minutes') as moment
             ) as latest,
             lateral (
               select min(moment) as start
               from generate_series(quarter - interval '3 days', quarter, interval '15 minutes') as moment
               where (moment at time zone $2)::date >= latest.date
             ) as first,
             lateral (select date_trunc('day', instant, $2) as truncated) as cut`,
            [instant, zone, quarterOf(instant)],
          );
          expect(row?.date).toBe(date);
          expect(Number(row?.start)).toBe(startOfDay(date, zone));
          // Minutes of a date that the clock shows again belong to the later date, whatever date_trunc() says.
          expect(row?.same === true || row?.shown === false).toBe(true);
        }),
        runs,
      );
    },
  );

  test("for any zone, range and granularity: every bucket begins where it says, and nowhere else", LONG, async () => {
    const asked = fc.constantFrom(...GRANULARITIES).chain((granularity) =>
      fc.record({
        granularity: fc.constant(granularity),
        place: places,
        quarters: fc.integer({ min: 1, max: MOST_QUARTERS[granularity] }),
        before: fc.nat(MOST_QUARTERS[granularity]),
      }),
    );
    await fc.assert(
      fc.asyncProperty(asked, async ({ granularity, place: { zone, instant }, quarters, before }) => {
        const from = quarterOf(instant) - Math.min(before, quarters) * QUARTER_HOUR_MICROS;
        const range = { from: from as EpochMicros, to: (from + quarters * QUARTER_HOUR_MICROS) as EpochMicros };
        fc.pre(isComparable(zone, range.to));
        await expectPostgresBuckets(range, granularity, zone);
      }),
      runs,
    );
  });
});

describe.each([
  ["a day of 23 hours", "Europe/Berlin", "2025-03-29T00:00:00Z", "2025-04-01T00:00:00Z"],
  ["a day of 25 hours", "America/New_York", "2025-11-01T00:00:00Z", "2025-11-04T00:00:00Z"],
  ["+05:45", "Asia/Kathmandu", "2024-12-30T00:00:00Z", "2025-01-03T00:00:00Z"],
  ["+12:45, and its summer", "Pacific/Chatham", "2025-04-04T00:00:00Z", "2025-04-08T00:00:00Z"],
  ["+13:45, and its winter", "Pacific/Chatham", "2025-09-26T00:00:00Z", "2025-09-30T00:00:00Z"],
  ["a shift of half an hour ahead", "Australia/Lord_Howe", "2025-10-03T00:00:00Z", "2025-10-07T00:00:00Z"],
  ["a shift of half an hour back", "Australia/Lord_Howe", "2025-04-04T00:00:00Z", "2025-04-08T00:00:00Z"],
  ["days that begin at 01:00", "America/Sao_Paulo", "2018-11-02T00:00:00Z", "2018-11-06T00:00:00Z"],
  ["days that begin at 01:00", "Africa/Cairo", "2024-04-24T00:00:00Z", "2024-04-28T00:00:00Z"],
  ["days that begin at 01:00", "Asia/Beirut", "2024-03-29T00:00:00Z", "2024-04-02T00:00:00Z"],
  ["days that begin at 01:00", "Atlantic/Azores", "2025-03-29T00:00:00Z", "2025-04-01T00:00:00Z"],
  ["days that begin at 01:00", "America/Asuncion", "2023-09-30T00:00:00Z", "2023-10-03T00:00:00Z"],
  ["a midnight that comes twice", "America/Havana", "2024-11-02T00:00:00Z", "2024-11-05T00:00:00Z"],
  ["a clock turned back at 00:01", "America/St_Johns", "2008-11-01T00:00:00Z", "2008-11-04T00:00:00Z"],
  ["a date left out", "Pacific/Apia", "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z"],
  ["a year's end in week 53", "Europe/Berlin", "2020-12-20T00:00:00Z", "2021-01-12T00:00:00Z"],
  ["a year's end in week 1", "America/New_York", "2024-12-20T00:00:00Z", "2025-01-12T00:00:00Z"],
  ["a leap day", "Asia/Kathmandu", "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z"],
  ["no leap day", "Pacific/Chatham", "2025-02-26T00:00:00Z", "2025-03-04T00:00:00Z"],
] as const)("%s in %s", (_, name, from, to) => {
  test.each(GRANULARITIES)("is PostgreSQL's, by %s", async (granularity) => {
    await expectPostgresBuckets(between(from, to), granularity, zoneOf(name));
  });
});

/**
 * The first instant at which the clock reads this or more, by PostgreSQL: a quarter-hour, or a minute before it where the clock
 * jumped over what was asked for, which Casey's did at 00:01.
 */
async function firstAt(wallClock: string, zone: TimeZoneId): Promise<number> {
  const [row] = await postgres.query<{ first: string }>(
    `select ${microsOf("min(moment)")} as first
     from (
       select min(moment) as quarter
       from generate_series(
         ($1::timestamp at time zone 'UTC') - interval '2 days', ($1::timestamp at time zone 'UTC') + interval '2 days',
         interval '15 minutes'
       ) as moment
       where moment at time zone $2 >= $1::timestamp
     ) as reached,
       lateral generate_series(quarter - interval '14 minutes', quarter, interval '1 minute') as moment
     where moment at time zone $2 >= $1::timestamp`,
    [wallClock, zone],
  );
  return Number(row?.first);
}

/** What the clock reads at a quarter-hour, the date that it is part of, and whether that date begins there. */
async function clockAt(instant: EpochMicros, zone: TimeZoneId) {
  const date = localDate(instant, zone);
  const [row] = await postgres.query<{ clock: string; year_before: string; midnight_before: string }>(
    `select (${instantOf("$1")} at time zone $2)::text as clock,
       (${instantOf("$1")} at time zone $2 - interval '1 year')::text as year_before,
       ($3::date - interval '1 year')::text as midnight_before`,
    [instant, zone, date],
  );
  return { ...row!, date, beginsDay: (await firstAt(`${date} 00:00`, zone)) === instant };
}

describe("a comparison is PostgreSQL's", () => {
  const compared = fc.record({
    place: places,
    // Whole days half of the time: ends that are midnights are compared by dates.
    wholeDays: fc.boolean(),
    quarters: fc.integer({ min: 1, max: 96 * 40 }),
  });
  const rangeOf = ({
    place: { zone, instant },
    wholeDays,
    quarters,
  }: typeof compared extends fc.Arbitrary<infer T> ? T : never) => {
    const endOf = (end: number) => (wholeDays ? startOfDay(localDate(end as EpochMicros, zone), zone) : quarterOf(end));
    const from = endOf(instant);
    return { from, to: endOf(instant + quarters * QUARTER_HOUR_MICROS) };
  };

  test("with the year before: the same wall clock, the 28th for a 29th of February", LONG, async () => {
    await fc.assert(
      fc.asyncProperty(compared, async (given) => {
        const { zone } = given.place;
        const range = rangeOf(given);
        fc.pre(range.from < range.to && isComparable(zone, range.to));
        const ends = await Promise.all([range.from, range.to].map((end) => clockAt(end, zone)));
        const areDays = ends.every(({ beginsDay }) => beginsDay);
        const [from, to] = await Promise.all(
          ends.map(({ midnight_before: midnight, year_before: clock }) => firstAt(areDays ? midnight : clock, zone)),
        );
        expect(previousYear(range, zone)).toEqual({ from, to: Math.max(from!, to!) });
      }),
      runs,
    );
  });

  test("with the period before: as many dates between midnights, else as long", LONG, async () => {
    await fc.assert(
      fc.asyncProperty(compared, async (given) => {
        const { zone } = given.place;
        const range = rangeOf(given);
        fc.pre(range.from < range.to && isComparable(zone, range.to));
        const [first, last] = [await clockAt(range.from, zone), await clockAt(range.to, zone)];
        let expected = range.from - (range.to - range.from);
        for (let more = 0; first.beginsDay && last.beginsDay; more++) {
          const [row] = await postgres.query<{ date: string }>(
            "select ($1::date - ($2::date - $1::date) - $3::int)::text as date",
            [first.date, last.date, more],
          );
          expected = await firstAt(`${row?.date} 00:00`, zone);
          // A date that was left out begins with the one after it: there is nothing of it to compare with.
          if (expected < range.from) break;
        }
        expect(previousPeriod(range, zone)).toEqual({ from: expected, to: range.from });
      }),
      runs,
    );
  });
});
