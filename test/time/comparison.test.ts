import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { previousPeriod, previousYear } from "../../src/time/comparison.js";
import { type EpochMicros, formatInstant } from "../../src/time/instant.js";
import { InvalidTimeError } from "../../src/time/invalid-time-error.js";
import { isStartOfDay, localDate, localDayNumber, startOfDay, startOfDayNumber } from "../../src/time/time-zone.js";
import { at, between, ODD_ZONES, SAMPLED_ZONES, zoneOf } from "./times.js";

const zones = fc.constantFrom(...ODD_ZONES, ...SAMPLED_ZONES);
const DAY_MILLIS = 86_400_000;

function dateAt(dayNumber: number): string {
  return new Date(dayNumber * DAY_MILLIS).toISOString().slice(0, 10);
}

describe("PREVIOUS_PERIOD", () => {
  test.each([
    [
      "a 23-hour day is compared with the whole day before",
      "Europe/Berlin",
      "2026-03-28T23:00Z",
      "2026-03-29T22:00Z",
      "2026-03-27T23:00Z",
    ],
    [
      "the day after a 23-hour day with those 23 hours",
      "Europe/Berlin",
      "2026-03-29T22:00Z",
      "2026-03-30T22:00Z",
      "2026-03-28T23:00Z",
    ],
    [
      "the day after a 25-hour day with those 25 hours",
      "America/New_York",
      "2026-11-02T05:00Z",
      "2026-11-03T05:00Z",
      "2026-11-01T04:00Z",
    ],
    ["seven days with seven days", "America/New_York", "2026-11-02T05:00Z", "2026-11-09T05:00Z", "2026-10-26T04:00Z"],
    [
      "a month with as many days, not with a month",
      "UTC",
      "2026-03-01T00:00Z",
      "2026-04-01T00:00Z",
      "2026-01-29T00:00Z",
    ],
    [
      "a year of 365 days over a leap day with 365 days",
      "UTC",
      "2025-01-01T00:00Z",
      "2026-01-01T00:00Z",
      "2024-01-02T00:00Z",
    ],
    [
      "a day that begins at 01:00 is a day too",
      "America/Sao_Paulo",
      "2018-11-04T03:00Z",
      "2018-11-05T02:00Z",
      "2018-11-03T03:00Z",
    ],
    [
      "a day with two midnights begins at the first",
      "America/Havana",
      "2024-11-04T05:00Z",
      "2024-11-05T05:00Z",
      "2024-11-03T04:00Z",
    ],
    [
      "Kathmandu's midnights are at 18:15 UTC",
      "Asia/Kathmandu",
      "2026-11-19T18:15Z",
      "2026-11-20T18:15Z",
      "2026-11-18T18:15Z",
    ],
    [
      "the day after one that was left out with the one before it",
      "Pacific/Apia",
      "2011-12-30T10:00Z",
      "2011-12-31T10:00Z",
      "2011-12-29T10:00Z",
    ],
    [
      "midnights in another zone only: the same duration",
      "Europe/Berlin",
      "2026-03-30T00:00Z",
      "2026-03-31T00:00Z",
      "2026-03-29T00:00Z",
    ],
    [
      "one midnight only: the same duration",
      "Europe/Berlin",
      "2026-03-29T22:00Z",
      "2026-03-30T10:00Z",
      "2026-03-29T10:00Z",
    ],
    [
      "to the microsecond",
      "UTC",
      "2026-11-20T12:00:00.000010Z",
      "2026-11-20T12:00:00.000013Z",
      "2026-11-20T12:00:00.000007Z",
    ],
  ])("%s (%s, %s to %s)", (_, zone, from, to, expectedFrom) => {
    expect(previousPeriod(between(from, to), zoneOf(zone))).toEqual(between(expectedFrom, from));
  });

  test("of any local days is as many local days, and ends where the range begins", () => {
    fc.assert(
      fc.property(
        zones,
        fc.integer({ min: 15_500, max: 24_000 }),
        fc.integer({ min: 1, max: 400 }),
        (zone, day, days) => {
          const range = { from: startOfDay(dateAt(day), zone), to: startOfDay(dateAt(day + days), zone) };
          const previous = previousPeriod(range, zone);
          expect(previous.to).toBe(range.from);
          expect(previous.from).toBe(startOfDay(dateAt(day - days), zone));
          expect(localDate(previous.from, zone)).toBe(dateAt(day - days));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("throws before the year 1 and for what is no range", () => {
    expect(() => previousPeriod(between("0001-01-02T00:00Z", "0002-01-01T00:00Z"), zoneOf("UTC"))).toThrow(
      InvalidTimeError,
    );
    expect(() => previousPeriod(between("2026-01-02T00:00Z", "2026-01-02T00:00Z"), zoneOf("UTC"))).toThrow(
      InvalidTimeError,
    );
  });
});

describe("PREVIOUS_YEAR", () => {
  test.each([
    [
      "the same wall clock under the same offset",
      "Europe/Berlin",
      "2026-11-20T12:34:56.789012Z",
      "2025-11-20T12:34:56.789012Z",
    ],
    ["the same wall clock under another offset", "Europe/Berlin", "2026-03-29T12:00Z", "2025-03-29T13:00Z"],
    ["29 February becomes the 28th", "UTC", "2024-02-29T13:00Z", "2023-02-28T13:00Z"],
    ["28 February stays before a leap year's end", "UTC", "2025-02-28T13:00Z", "2024-02-28T13:00Z"],
    ["29 February of the zone, not of UTC", "Asia/Kathmandu", "2024-02-28T18:15Z", "2023-02-27T18:15Z"],
    // 02:30:12 on 30 March 2025 did not exist: the clock went from 02:00 to 03:00 at 01:00Z.
    ["a time that did not exist: the transition itself", "Europe/Berlin", "2026-03-30T00:30:12Z", "2025-03-30T01:00Z"],
    ["the last moment that did not exist", "Europe/Berlin", "2026-03-30T00:59:59.999999Z", "2025-03-30T01:00Z"],
    ["the first moment that did exist", "Europe/Berlin", "2026-03-30T01:00:00.000001Z", "2025-03-30T01:00:00.000001Z"],
    // 02:30 on 26 October 2025 came twice, at 00:30Z and 01:30Z.
    ["of two the earlier", "Europe/Berlin", "2026-10-26T01:30:00.5Z", "2025-10-26T00:30:00.5Z"],
    ["the second of two stands for its wall clock", "Europe/Berlin", "2026-10-25T01:30Z", "2025-10-25T00:30Z"],
    ["a midnight that did not exist", "America/Sao_Paulo", "2018-10-15T03:00Z", "2017-10-15T03:00Z"],
    [
      "the start of a day without midnight, of one with it",
      "America/Asuncion",
      "2017-10-01T04:00Z",
      "2016-10-01T04:00Z",
    ],
    ["a midnight that came twice", "America/Havana", "2025-11-03T05:00Z", "2024-11-03T04:00Z"],
    ["a day that was left out", "Pacific/Apia", "2012-12-30T03:00Z", "2011-12-30T10:00Z"],
    // In Casey the clock went from 00:01 to 03:01 on 3 October 2021, at 16:01Z.
    ["a quarter-hour that a jump at 00:01 left out", "Antarctica/Casey", "2022-10-02T13:15Z", "2021-10-02T16:01Z"],
    ["Lord Howe's half-hour", "Australia/Lord_Howe", "2026-10-04T15:15Z", "2025-10-04T15:30Z"],
  ])("%s (%s, %s)", (_, zone, from, expected) => {
    const day = localDayNumber(at(from), zoneOf(zone));
    // Whole days where it begins with one.
    const to = isStartOfDay(at(from), zoneOf(zone)) ? startOfDayNumber(day + 1, zoneOf(zone)) : at("2100-01-01T00:00Z");
    expect(formatInstant(previousYear({ from: at(from), to }, zoneOf(zone)).from)).toBe(formatInstant(at(expected)));
  });

  test("the first hour of a day that begins at one is the same hour of a day that begins at midnight", () => {
    // In Cairo the clock went from 00:00 to 01:00 on 25 April 2025.
    expect(previousYear(between("2025-04-24T22:00Z", "2025-04-24T23:00Z"), zoneOf("Africa/Cairo"))).toEqual(
      between("2024-04-24T23:00Z", "2024-04-25T00:00Z"),
    );
  });

  test("both ends move, each for itself", () => {
    expect(previousYear(between("2024-02-29T00:00Z", "2024-03-01T00:00Z"), zoneOf("UTC"))).toEqual(
      between("2023-02-28T00:00Z", "2023-03-01T00:00Z"),
    );
  });

  test("ends that meet or cross make an empty range, never a backward one", () => {
    const met = previousYear(between("2024-02-28T00:00Z", "2024-02-29T00:00Z"), zoneOf("UTC"));
    expect(met).toEqual({ from: at("2023-02-28T00:00Z"), to: at("2023-02-28T00:00Z") });
    const crossed = previousYear(between("2024-02-28T13:00Z", "2024-02-29T12:00Z"), zoneOf("UTC"));
    expect(crossed).toEqual({ from: at("2023-02-28T13:00Z"), to: at("2023-02-28T13:00Z") });
  });

  test("twelve months of local days move to the same dates a year before", () => {
    fc.assert(
      fc.property(zones, fc.integer({ min: 2013, max: 2035 }), fc.integer({ min: 1, max: 12 }), (zone, year, month) => {
        const firstOf = (someYear: number): EpochMicros =>
          startOfDay(`${someYear}-${String(month).padStart(2, "0")}-01`, zone);
        expect(previousYear({ from: firstOf(year), to: firstOf(year + 1) }, zone)).toEqual({
          from: firstOf(year - 1),
          to: firstOf(year),
        });
      }),
      { numRuns: 1000 },
    );
  });

  test("throws before the year 1", () => {
    expect(() => previousYear(between("0001-06-01T00:00Z", "2026-01-01T00:00Z"), zoneOf("UTC"))).toThrow(
      InvalidTimeError,
    );
  });
});
