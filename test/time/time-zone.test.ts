import * as fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import { type EpochMicros, formatInstant, MICROS_PER_DAY } from "../../src/time/instant.js";
import { InvalidTimeError } from "../../src/time/invalid-time-error.js";
import { isStartOfDay, localDate, parseTimeZone, startOfDay, startOfDayNumber } from "../../src/time/time-zone.js";
import { offsetStretchAt } from "../../src/time/zone-offsets.js";
import { at, ODD_ZONES, SAMPLED_ZONES, zoneOf } from "./times.js";

const QUARTER_HOUR = 900_000_000;
const allZones = Intl.supportedValuesOf("timeZone");
const testedZones = fc.constantFrom(...ODD_ZONES, ...SAMPLED_ZONES);
const instants2000to2035 = fc
  .integer({ min: Date.UTC(2000, 0, 1) * 1000, max: Date.UTC(2036, 0, 1) * 1000 - 1 })
  .map((micros) => micros as EpochMicros);

describe("parseTimeZone", () => {
  test.each([
    ["Europe/Berlin", "Europe/Berlin"],
    ["europe/berlin", "Europe/Berlin"],
    ["ASIA/KOLKATA", "Asia/Kolkata"],
    ["utc", "UTC"],
    ["America/port-au-prince", "America/Port-au-Prince"],
    ["america/argentina/buenos_aires", "America/Argentina/Buenos_Aires"],
    ["antarctica/dumontdurville", "Antarctica/DumontDUrville"],
    ["etc/gmt+5", "Etc/GMT+5"],
    ["Europe/Kyiv", "Europe/Kyiv"],
  ])("takes %s as %s", (name, canonical) => {
    expect(parseTimeZone(name)).toBe(canonical);
  });

  test.each([
    "",
    " ",
    "+05:45",
    "-08:00",
    "05:45",
    "Z",
    "UTC+1",
    "GMT+5",
    "PST",
    "IST",
    "SystemV/PST8",
    "Europe/Berlin ",
    " Europe/Berlin",
    "Europe/Berlin\n",
    "Europe/Bonn",
    "Etc/Unknown",
    "2026-11-20T12:00Z",
    "2026-11-20T12:00[Europe/Berlin]",
    "Europe/Berlin\u0000",
    "../../etc/passwd",
    "a".repeat(10_000),
  ])("refuses %j", (name) => {
    expect(parseTimeZone(name)).toBeNull();
  });

  test("every zone that the runtime names is taken in any case and keeps its name", () => {
    for (const name of allZones) expect(parseTimeZone(name.toLowerCase())).toBe(name);
  });
});

describe("the ground the quarter-hour rollups stand on", () => {
  test("since 2000 every zone's offset is a multiple of 15 minutes, and every local day begins on one", () => {
    const first = Date.UTC(2000, 0, 1) * 1000;
    const end = Date.UTC(2036, 0, 1) * 1000;
    const violations: string[] = [];
    for (const zone of allZones.map(zoneOf)) {
      for (let stretch = offsetStretchAt(first, zone); ; stretch = offsetStretchAt(stretch.until, zone)) {
        if (stretch.offset % QUARTER_HOUR !== 0) violations.push(`${zone}: offset ${stretch.offset}`);
        if (stretch.until >= end) break;
        // Away from transitions a day's start is as even as the offset.
        const day = Math.floor(stretch.until / MICROS_PER_DAY);
        for (const start of [day - 1, day, day + 1, day + 2].map((near) => startOfDayNumber(near, zone))) {
          if (start % QUARTER_HOUR !== 0) violations.push(`${zone}: a day begins ${formatInstant(start)}`);
        }
      }
    }
    expect(violations).toEqual([]);
    // Finding all transitions takes 6 s of a core, which a busy machine may not have at once.
  }, 60_000);
});

describe("startOfDay", () => {
  test.each([
    ["Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z"],
    ["Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00.000Z"],
    ["Europe/Berlin", "2026-10-26", "2026-10-25T23:00:00.000Z"],
    ["America/New_York", "2026-03-09", "2026-03-09T04:00:00.000Z"],
    ["America/New_York", "2026-11-02", "2026-11-02T05:00:00.000Z"],
    ["Asia/Kathmandu", "2026-11-20", "2026-11-19T18:15:00.000Z"],
    ["Pacific/Chatham", "2026-07-01", "2026-06-30T11:15:00.000Z"],
    ["Pacific/Chatham", "2026-12-01", "2026-11-30T10:15:00.000Z"],
    ["Australia/Lord_Howe", "2026-07-01", "2026-06-30T13:30:00.000Z"],
    ["Australia/Lord_Howe", "2026-12-01", "2026-11-30T13:00:00.000Z"],
    // Midnight does not exist: the day begins at 01:00.
    ["America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00.000Z"],
    ["Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00.000Z"],
    ["Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00.000Z"],
    ["America/Havana", "2024-03-10", "2024-03-10T05:00:00.000Z"],
    // Midnight comes twice: the earlier one.
    ["America/Havana", "2024-11-03", "2024-11-03T04:00:00.000Z"],
    // 23:00 to 24:00 comes twice, midnight once.
    ["America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00.000Z"],
    ["Asia/Beirut", "2024-10-27", "2024-10-26T22:00:00.000Z"],
    // 00:00 comes, at 00:01 the clock goes back to 23:01, 00:00 comes again.
    ["America/St_Johns", "2008-11-02", "2008-11-02T02:30:00.000Z"],
    // The date was skipped: the start of the next one.
    ["Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00.000Z"],
    ["Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00.000Z"],
    ["UTC", "0001-01-01", "0001-01-01T00:00:00.000Z"],
    ["UTC", "9999-12-31", "9999-12-31T00:00:00.000Z"],
  ])("in %s %s begins %s", (zone, date, expected) => {
    expect(formatInstant(startOfDay(date, zoneOf(zone)))).toBe(expected);
  });

  test.each(["2026-02-29", "2026-13-01", "0000-01-01", "2026-1-1", "2026-11-20T00:00:00Z", "", "2026-11-20\n"])(
    "throws for %j",
    (date) => {
      expect(() => startOfDay(date, zoneOf("UTC"))).toThrow(InvalidTimeError);
    },
  );

  test("is Temporal's start of the day for any date and zone", () => {
    fc.assert(
      fc.property(testedZones, fc.integer({ min: 10_957, max: 24_105 }), (zone, day) => {
        const date = Temporal.PlainDate.from("1970-01-01").add({ days: day });
        const expected = date.toZonedDateTime(zone).epochMilliseconds * 1000;
        expect(startOfDay(date.toString(), zone)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });
});

describe("localDate", () => {
  test.each([
    ["Europe/Berlin", "2026-12-31T22:59:59.999999Z", "2026-12-31"],
    ["Europe/Berlin", "2026-12-31T23:00:00Z", "2027-01-01"],
    ["Asia/Kathmandu", "2026-11-20T18:14:59.999999Z", "2026-11-20"],
    ["Asia/Kathmandu", "2026-11-20T18:15:00Z", "2026-11-21"],
    ["Pacific/Chatham", "2026-12-01T10:14:59.999999Z", "2026-12-01"],
    ["Pacific/Chatham", "2026-12-01T10:15:00Z", "2026-12-02"],
    ["America/Sao_Paulo", "2018-11-04T02:59:59.999999Z", "2018-11-03"],
    ["America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04"],
    ["America/Havana", "2024-11-03T03:59:59.999999Z", "2024-11-02"],
    ["America/Havana", "2024-11-03T04:30:00Z", "2024-11-03"],
    ["America/Havana", "2024-11-03T05:30:00Z", "2024-11-03"],
    ["Pacific/Apia", "2011-12-30T09:59:59.999999Z", "2011-12-29"],
    ["Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"],
    // Two local days begin in this one UTC day, at 00:00Z and 23:00Z.
    ["Europe/London", "2026-03-29T00:00:00Z", "2026-03-29"],
    ["Europe/London", "2026-03-29T22:59:59.999999Z", "2026-03-29"],
    ["Europe/London", "2026-03-29T23:00:00Z", "2026-03-30"],
    ["UTC", "2024-02-29T23:59:59.999999Z", "2024-02-29"],
    ["America/New_York", "0001-01-01T00:00:00Z", "0000-12-31"],
  ])("in %s %s lies in %s", (zone, instant, expected) => {
    expect(localDate(at(instant), zoneOf(zone))).toBe(expected);
  });

  test("agrees with Temporal for any instant and zone of 2000 to 2035, but in minutes of a date shown again", () => {
    fc.assert(
      fc.property(testedZones, instants2000to2035, (zone, instant) => {
        const shown = new Temporal.ZonedDateTime(BigInt(instant) * 1000n, zone).toPlainDate().toString();
        const date = localDate(instant, zone);
        const isShownAgain = shown < date && startOfDay(date, zone) <= instant;
        expect(date === shown || isShownAgain).toBe(true);
      }),
      { numRuns: 10_000 },
    );
  });

  test("agrees with Temporal around every transition of the odd zones, but where two turned their clocks back past midnight", () => {
    const shownAgain = new Set<string>();
    for (const zone of ODD_ZONES) {
      const end = at("2036-01-01T00:00:00Z");
      for (let stretch = offsetStretchAt(at("2000-01-01T00:00:00Z"), zone); stretch.until < end;) {
        for (const minutes of [-1500, -61, -31, -1, 0, 1, 29, 59, 61, 1500]) {
          const instant = (stretch.until + minutes * 60e6 + 1) as EpochMicros;
          const expected = new Temporal.ZonedDateTime(BigInt(instant) * 1000n, zone).toPlainDate().toString();
          if (localDate(instant, zone) !== expected) shownAgain.add(zone);
        }
        stretch = offsetStretchAt(stretch.until, zone);
      }
    }
    expect([...shownAgain].toSorted()).toEqual(["America/St_Johns", "Antarctica/Casey"]);
  });

  test("minutes of a date shown again stay with the later date, so a quarter-hour never straddles two days", () => {
    const zone = zoneOf("America/St_Johns");
    expect(localDate(at("2008-11-02T02:29:59.999999Z"), zone)).toBe("2008-11-01");
    expect(localDate(at("2008-11-02T02:30:00Z"), zone)).toBe("2008-11-02");
    expect(localDate(at("2008-11-02T02:45:00Z"), zone)).toBe("2008-11-02");
    fc.assert(
      fc.property(testedZones, instants2000to2035, (anyZone, instant) => {
        const quarter = (Math.floor(instant / QUARTER_HOUR) * QUARTER_HOUR) as EpochMicros;
        expect(localDate(instant, anyZone)).toBe(localDate(quarter, anyZone));
      }),
    );
  });

  test("a day's start lies in that day and the microsecond before it does not", () => {
    fc.assert(
      fc.property(testedZones, instants2000to2035, (zone, instant) => {
        const date = localDate(instant, zone);
        const start = startOfDay(date, zone);
        expect(start).toBeLessThanOrEqual(instant);
        expect(localDate(start, zone)).toBe(date);
        expect(localDate((start - 1) as EpochMicros, zone) < date).toBe(true);
        expect(isStartOfDay(start, zone)).toBe(true);
        expect(isStartOfDay((start + 1) as EpochMicros, zone)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
