import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EpochMicros } from "../../src/time/instant.js";
import { InvalidTimeError } from "../../src/time/invalid-time-error.js";
import { isAlignedToQuarterHours, QUARTER_HOUR_MICROS, widenToQuarterHours } from "../../src/time/range.js";
import { at, between } from "./times.js";

describe("widenToQuarterHours", () => {
  test.each([
    ["2026-11-20T12:00Z", "2026-11-20T13:00Z", "2026-11-20T12:00Z", "2026-11-20T13:00Z"],
    ["2026-11-20T12:00:00.000001Z", "2026-11-20T13:00:00.000001Z", "2026-11-20T12:00Z", "2026-11-20T13:15Z"],
    ["2026-11-20T12:14:59.999999Z", "2026-11-20T12:15Z", "2026-11-20T12:00Z", "2026-11-20T12:15Z"],
    ["1969-12-31T23:59:59Z", "1970-01-01T00:00:01Z", "1969-12-31T23:45Z", "1970-01-01T00:15Z"],
    ["0001-01-01T00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00Z", "9999-12-31T23:45Z"],
    ["9999-12-31T23:50Z", "9999-12-31T23:55Z", "9999-12-31T23:30Z", "9999-12-31T23:45Z"],
  ])("%s to %s is answered from %s to %s", (from, to, widenedFrom, widenedTo) => {
    expect(widenToQuarterHours(between(from, to))).toEqual(between(widenedFrom, widenedTo));
  });

  test("covers the range, by less than a quarter-hour at each end, and widening again changes nothing", () => {
    const instants = fc.integer({ min: at("1700-01-01T00:00Z"), max: at("2200-01-01T00:00Z") });
    fc.assert(
      fc.property(instants, fc.integer({ min: 1, max: 1e13 }), (from, duration) => {
        const range = { from: from as EpochMicros, to: (from + duration) as EpochMicros };
        const widened = widenToQuarterHours(range);
        expect(isAlignedToQuarterHours(widened)).toBe(true);
        expect(range.from - widened.from).toBeGreaterThanOrEqual(0);
        expect(range.from - widened.from).toBeLessThan(QUARTER_HOUR_MICROS);
        expect(widened.to - range.to).toBeGreaterThanOrEqual(0);
        expect(widened.to - range.to).toBeLessThan(QUARTER_HOUR_MICROS);
        expect(widenToQuarterHours(widened)).toEqual(widened);
      }),
    );
  });

  test.each([
    ["2026-11-20T12:00Z", "2026-11-20T12:00Z"],
    ["2026-11-20T12:00Z", "2026-11-20T11:59Z"],
  ])("throws for %s to %s", (from, to) => {
    expect(() => widenToQuarterHours(between(from, to))).toThrow(InvalidTimeError);
  });
});

test("a range is aligned only where both ends are quarter-hours", () => {
  expect(isAlignedToQuarterHours(between("2026-11-20T12:15Z", "2026-11-20T12:45Z"))).toBe(true);
  expect(isAlignedToQuarterHours(between("2026-11-20T12:15:00.000001Z", "2026-11-20T12:45Z"))).toBe(false);
  expect(isAlignedToQuarterHours(between("2026-11-20T12:15Z", "2026-11-20T12:46Z"))).toBe(false);
});
