import { expect, test } from "vitest";
import { PublicError } from "../../src/errors.js";
import { answeredRange, comparedRange, seriesBoundaries } from "../../src/metrics/ranges.js";
import { at, between, zoneOf } from "../time/times.js";

const MAX_POINTS = 3000;
const berlin = zoneOf("Europe/Berlin");

function refusal(work: () => unknown): { code: string; field: readonly string[] | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof PublicError) return { code: error.code, field: error.field };
    throw error;
  }
  throw new Error("Nothing was refused");
}

test("a range is answered outwards to the quarter-hours that it touches", () => {
  expect(answeredRange(between("2026-05-01T10:07:00Z", "2026-05-01T10:15:00.000001Z"))).toEqual(
    between("2026-05-01T10:00:00Z", "2026-05-01T10:30:00Z"),
  );
});

test.each([
  ["ends before it begins", "2026-05-02T00:00:00Z", "2026-05-01T00:00:00Z"],
  ["ends where it begins", "2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z"],
])("a range that %s is refused by its name", (_, from, to) => {
  expect(refusal(() => answeredRange(between(from, to)))).toEqual({ code: "BAD_INPUT", field: ["range"] });
});

test("the previous period of whole local days is as many local days", () => {
  const march = between("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
  expect(comparedRange(march, "PREVIOUS_PERIOD", berlin)).toEqual(
    between("2026-01-28T23:00:00Z", "2026-02-28T23:00:00Z"),
  );
});

test("a year before 28 February of a leap year is an empty range, not an error", () => {
  const leapYears = between("2028-02-28T00:00:00Z", "2028-02-29T00:00:00Z");
  expect(comparedRange(leapYears, "PREVIOUS_YEAR", zoneOf("UTC"))).toEqual(
    between("2027-02-28T00:00:00Z", "2027-02-28T00:00:00Z"),
  );
});

test("a comparison before the year 1 is refused by its name", () => {
  const range = between("0001-01-02T00:00:00Z", "0001-02-01T00:00:00Z");
  const expected = { code: "BAD_INPUT", field: ["compareTo"] };
  expect(refusal(() => comparedRange(range, "PREVIOUS_PERIOD", zoneOf("UTC")))).toEqual(expected);
  expect(refusal(() => comparedRange(range, "PREVIOUS_YEAR", zoneOf("UTC")))).toEqual(expected);
});

test("a series of too many points is refused by its granularity", () => {
  const from = at("2026-01-01T00:00:00Z");
  const range = (points: number) => answeredRange({ from, to: (from + points * 900_000_000) as typeof from });
  expect(seriesBoundaries(range(MAX_POINTS), "QUARTER_HOUR", berlin, MAX_POINTS)).toHaveLength(MAX_POINTS + 1);
  expect(refusal(() => seriesBoundaries(range(MAX_POINTS + 1), "QUARTER_HOUR", berlin, MAX_POINTS))).toEqual({
    code: "BAD_INPUT",
    field: ["granularity"],
  });
});
