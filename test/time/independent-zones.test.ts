// oxlint-disable-next-line import/no-unassigned-import -- brings the time zones in, and exports nothing
import "@js-joda/timezone";
import { ChronoUnit, DayOfWeek, Instant, TemporalAdjusters, type ZonedDateTime, ZoneId } from "@js-joda/core";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { bucketBoundaries, type Granularity } from "../../src/time/buckets.js";
import { previousYear } from "../../src/time/comparison.js";
import { type EpochMicros, formatInstant, MICROS_PER_DAY } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS } from "../../src/time/range.js";
import { localDate, startOfDay, type TimeZoneId } from "../../src/time/time-zone.js";
import { offsetStretchAt } from "../../src/time/zone-offsets.js";
import { PROPERTY_RUNS, PROPERTY_TIMEOUT_MS } from "../support/property-runs.js";
import { COMPARED_ZONES, END, FIRST, transitionsOf } from "./postgres-zones.js";
import { at } from "./times.js";

// js-joda is JSR 310 with a time zone database of its own: neither Temporal's rules nor ICU's data.

const runs = { numRuns: PROPERTY_RUNS };
const LONG = { timeout: PROPERTY_TIMEOUT_MS };

const zoned = (instant: number, zone: TimeZoneId): ZonedDateTime =>
  Instant.ofEpochMilli(Math.floor(instant / 1000)).atZone(ZoneId.of(zone));
const micros = (moment: ZonedDateTime): EpochMicros => (moment.toInstant().toEpochMilli() * 1000) as EpochMicros;

/** The first instant at which the two believe different things of a zone's clock. */
function differsFrom(zone: TimeZoneId): number {
  const instants = transitionsOf(zone).flatMap((instant) => [instant - 1000, instant]);
  for (let instant: number = FIRST; instant < END; instant += 10 * MICROS_PER_DAY) instants.push(instant);
  const different = instants
    .toSorted((a, b) => a - b)
    .find((instant) => zoned(instant, zone).offset().totalSeconds() * 1e6 !== offsetStretchAt(instant, zone).offset);
  return different === undefined ? END : different - 10 * MICROS_PER_DAY;
}

const knownUntil = new Map(COMPARED_ZONES.map((zone) => [zone, differsFrom(zone)]));

test("js-joda's time zone data is the program's up to 2021 at least, in every zone that is compared", () => {
  const early = [...knownUntil].filter(([, until]) => until < at("2021-12-01T00:00:00Z")).map(([zone]) => zone);
  expect(early).toEqual([]);
});

const places = fc.constantFrom(...COMPARED_ZONES).chain((zone) => {
  const last = (knownUntil.get(zone) ?? FIRST) - 450 * MICROS_PER_DAY;
  const anywhere = fc.integer({ min: FIRST + 400 * MICROS_PER_DAY, max: last });
  const transitions = transitionsOf(zone).filter((instant) => instant < last && instant > FIRST + 400 * MICROS_PER_DAY);
  const near = fc
    .tuple(
      fc.constantFrom(...(transitions.length === 0 ? [last] : transitions)),
      fc.integer({ min: -2 * MICROS_PER_DAY, max: 2 * MICROS_PER_DAY }),
    )
    .map(([instant, distance]) => instant + distance);
  return fc.record({
    zone: fc.constant(zone),
    instant: fc.oneof(near, anywhere).map((instant) => instant as EpochMicros),
  });
});

test(
  "for any zone and instant the date is js-joda's, but in minutes of a date shown again, and so is its start",
  LONG,
  () => {
    fc.assert(
      fc.property(places, ({ zone, instant }) => {
        const shown = zoned(instant, zone).toLocalDate();
        const date = localDate(instant, zone);
        const isShownAgain = shown.toString() < date && startOfDay(date, zone) <= instant;
        expect(date === shown.toString() || isShownAgain).toBe(true);
        expect(startOfDay(shown.toString(), zone)).toBe(micros(shown.atStartOfDay(ZoneId.of(zone))));
      }),
      runs,
    );
  },
);

/** The start of a calendar granule that comes after a date, in js-joda's words. */
const NEXT = {
  DAY: (date) => date.plusDays(1),
  WEEK: (date) => date.with(TemporalAdjusters.next(DayOfWeek.MONDAY)),
  MONTH: (date) => date.with(TemporalAdjusters.firstDayOfNextMonth()),
} as const satisfies Partial<
  Record<Granularity, (date: ReturnType<ZonedDateTime["toLocalDate"]>) => ReturnType<ZonedDateTime["toLocalDate"]>>
>;

test("for any zone and range the days, ISO weeks and months are js-joda's", LONG, () => {
  fc.assert(
    fc.property(
      places,
      fc.constantFrom("DAY", "WEEK", "MONTH"),
      fc.integer({ min: 1, max: 400 }),
      ({ zone, instant }, granularity, days) => {
        const range = { from: instant, to: (instant + days * MICROS_PER_DAY) as EpochMicros };
        const expected: EpochMicros[] = [];
        const first = zoned(startOfDay(localDate(instant, zone), zone), zone).toLocalDate();
        for (let date = NEXT[granularity](first); ; date = NEXT[granularity](date)) {
          const start = micros(date.atStartOfDay(ZoneId.of(zone)));
          if (start >= range.to) break;
          // A date that was left out begins with the one after it.
          if (start > range.from && start !== expected.at(-1)) expected.push(start);
        }
        const found = bucketBoundaries(range, granularity, zone, 3000).slice(1, -1);
        expect(found.map(formatInstant)).toEqual(expected.map(formatInstant));
      },
    ),
    runs,
  );
});

test("the same wall clock a year before is js-joda's, where the clock read it once", LONG, () => {
  fc.assert(
    fc.property(places, ({ zone, instant }) => {
      const quarter = (Math.floor(instant / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS) as EpochMicros;
      const wallClock = zoned(quarter, zone).toLocalDateTime().minus(1, ChronoUnit.YEARS);
      fc.pre(ZoneId.of(zone).rules().validOffsets(wallClock).length === 1);
      // The first instant of a day is compared with that of the other, also where one of them began at 01:00.
      fc.pre(startOfDay(localDate(quarter, zone), zone) !== quarter);
      const range = { from: quarter, to: (quarter + 400 * MICROS_PER_DAY) as EpochMicros };
      expect(previousYear(range, zone).from).toBe(micros(wallClock.atZone(ZoneId.of(zone))));
    }),
    runs,
  );
});
