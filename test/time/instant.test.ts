import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EARLIEST_INSTANT,
  END_OF_TIME,
  type EpochMicros,
  formatInstant,
  instantFromMillis,
  parseInstant,
  parsePostgresTimestamp,
} from "../../src/time/instant.js";
import { InvalidTimeError } from "../../src/time/invalid-time-error.js";

const anySafeInstant = fc
  .integer({ min: Date.UTC(1685, 0, 1), max: Date.UTC(2255, 0, 1) })
  .chain((millis) => fc.integer({ min: 0, max: 999 }).map((micros) => (millis * 1000 + micros) as EpochMicros));

describe("parseInstant", () => {
  test.each([
    ["2026-11-20T12:00:00Z", "2026-11-20T12:00:00.000Z"],
    ["2026-11-20T12:00Z", "2026-11-20T12:00:00.000Z"],
    ["2026-11-20t12:00:00z", "2026-11-20T12:00:00.000Z"],
    ["2026-11-20T12:00:00+05:45", "2026-11-20T06:15:00.000Z"],
    ["2026-11-20T12:00:00-0330", "2026-11-20T15:30:00.000Z"],
    ["2026-11-20T12:00-08", "2026-11-20T20:00:00.000Z"],
    ["2026-11-20T12:00:00-00:00", "2026-11-20T12:00:00.000Z"],
    ["2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00.000Z"],
    ["2026-11-20T12:00:00.5Z", "2026-11-20T12:00:00.500Z"],
    ["2026-11-20T12:00:00.000123Z", "2026-11-20T12:00:00.000123Z"],
    ["2026-11-20T12:00:00.123456999Z", "2026-11-20T12:00:00.123456Z"],
    ["2026-11-20T12:00:00.123456789+05:45", "2026-11-20T06:15:00.123456Z"],
    ["1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"],
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"],
    // Past the safe integers the fraction goes, and never rounds into year 10000.
    ["9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.000Z"],
    ["1500-06-01T00:00:00.999999Z", "1500-06-01T00:00:00.000Z"],
  ])("reads %s", (text, expected) => {
    expect(formatInstant(parseInstant(text)!)).toBe(expected);
  });

  test.each([
    "",
    "2026-11-20",
    "2026-11-20T12:00:00",
    "2026-11-20T12Z",
    "2026-11-20 12:00:00Z",
    " 2026-11-20T12:00:00Z",
    "2026-11-20T12:00:00Z ",
    "2026-11-20T12:00:00Z\n",
    "2026-11-20T12:00:00ZZ",
    "2026-02-29T12:00:00Z",
    "1900-02-29T12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2026-04-31T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-00-01T12:00:00Z",
    "2026-01-00T12:00:00Z",
    "2026-01-32T12:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20T12:60:00Z",
    "2016-12-31T23:59:60Z",
    "2026-11-20T12:00:0Z",
    "2026-11-20T12:00:Z",
    "2026-11-20T12:00:00.Z",
    "2026-11-20T12:00:00,5Z",
    "2026-11-20T12:00:00.1234567890Z",
    "2026-11-20T12:00.5Z",
    "2026-11-20T12:00:00+5:45",
    "2026-11-20T12:00:00+05:4",
    "2026-11-20T12:00:00+24:00",
    "2026-11-20T12:00:00+05:60",
    "2026-11-20T12:00:00+",
    "2026-11-20T12:00:00\u221205:00",
    "2026-11-20T12:00:00+05:45[Asia/Kathmandu]",
    "2026-W47-5T12:00:00Z",
    "20261120T120000Z",
    "+002026-11-20T12:00:00Z",
    "-2026-11-20T12:00:00Z",
    "0000-06-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-00:01",
    "٢٠٢٦-11-20T12:00:00Z",
    "1763640000",
    "now",
  ])("refuses %j", (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  test("agrees with Date on every instant that Date can print", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
        (date) => {
          date.setUTCMilliseconds(0);
          const instant = parseInstant(date.toISOString());
          expect(instant).toBe(date.getTime() * 1000);
          expect(formatInstant(instant!)).toBe(date.toISOString());
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("a mangled date-time is refused or still what Date reads", () => {
    const mangled = fc.tuple(fc.nat({ max: 19 }), fc.constantFrom(..."0159T:.-+Z /x")).map(([at, character]) => {
      const text = "2026-11-20T12:34:56Z";
      return text.slice(0, at) + character + text.slice(at + 1);
    });
    fc.assert(
      fc.property(mangled, (text) => {
        const instant = parseInstant(text);
        expect([null, Date.parse(text) * 1000]).toContain(instant);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("formatInstant", () => {
  test("what it prints is read back as the same instant, to the microsecond", () => {
    fc.assert(
      fc.property(anySafeInstant, (instant) => {
        expect(parseInstant(formatInstant(instant))).toBe(instant);
      }),
      { numRuns: 2000 },
    );
  });

  test("whole seconds of all years survive, beyond the safe integers too", () => {
    fc.assert(
      fc.property(fc.integer({ min: EARLIEST_INSTANT / 1e6, max: END_OF_TIME / 1e6 - 1 }), (seconds) => {
        const instant = (seconds * 1e6) as EpochMicros;
        expect(parseInstant(formatInstant(instant))).toBe(instant);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([END_OF_TIME, EARLIEST_INSTANT - 1e6, Number.NaN, Infinity, 0.5])("throws for %d", (value) => {
    expect(() => formatInstant(value as EpochMicros)).toThrow(InvalidTimeError);
  });
});

describe("parsePostgresTimestamp", () => {
  test.each([
    ["2026-11-20 12:00:00+00", "2026-11-20T12:00:00.000Z"],
    ["2026-11-20 12:00:00.000123+00", "2026-11-20T12:00:00.000123Z"],
    ["2026-11-20 12:00:00.1+00", "2026-11-20T12:00:00.100Z"],
    ["1969-12-31 23:59:59.999999+00", "1969-12-31T23:59:59.999999Z"],
    ["0001-01-01 00:00:00+00", "0001-01-01T00:00:00.000Z"],
  ])("reads %s", (text, expected) => {
    expect(formatInstant(parsePostgresTimestamp(text))).toBe(expected);
  });

  test.each([
    "infinity",
    "-infinity",
    "0044-03-15 12:00:00+00 BC",
    "10000-01-01 00:00:00+00",
    "2026-11-20 12:00:00+01",
    "2026-11-20 12:00:00",
    "2026-11-20 12:00:00.+00",
    "2026-11-20 12:00:00.1234567+00",
    "2026-11-20T12:00:00+00",
    "",
  ])("throws for %j", (text) => {
    expect(() => parsePostgresTimestamp(text)).toThrow(InvalidTimeError);
  });

  test("reads every microsecond that PostgreSQL can print", () => {
    fc.assert(
      fc.property(anySafeInstant, (instant) => {
        const text = formatInstant(instant)
          .replace("T", " ")
          .replace(/\.?0*Z$/, "+00");
        expect(parsePostgresTimestamp(text)).toBe(instant);
      }),
      { numRuns: 2000 },
    );
  });
});

test("a clock's milliseconds are the same instant", () => {
  expect(formatInstant(instantFromMillis(Date.UTC(2026, 10, 20, 12, 0, 0, 7)))).toBe("2026-11-20T12:00:00.007Z");
});
