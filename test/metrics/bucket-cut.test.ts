import { expect, test } from "vitest";
import { BucketCut, BucketCuts } from "../../src/metrics/bucket-cut.js";
import { seriesBoundaries } from "../../src/metrics/ranges.js";
import { chooseRollups } from "../../src/metrics/rollup-choice.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { instantFromMillis } from "../../src/time/instant.js";
import type { TimeZoneId } from "../../src/time/time-zone.js";

const at = (text: string) => instantFromMillis(Date.parse(text));
const zoneOf = (name: string) => name as TimeZoneId;
const april = { from: at("2026-04-01T00:00:00Z"), to: at("2026-05-01T00:00:00Z") };

test("who asks for the same gets the same cut, and who asks for anything else another one", () => {
  const cuts = new BucketCuts(3_000);
  const berlin = cuts.series(april, "DAY", zoneOf("Europe/Berlin"));
  expect(cuts.series({ ...april }, "DAY", zoneOf("Europe/Berlin"))).toBe(berlin);
  expect(berlin.boundaries).toEqual(seriesBoundaries(april, "DAY", zoneOf("Europe/Berlin"), 3_000));

  const others = [
    cuts.series(april, "DAY", zoneOf("Asia/Tokyo")),
    cuts.series(april, "WEEK", zoneOf("Europe/Berlin")),
    cuts.series({ ...april, to: at("2026-04-30T00:00:00Z") }, "DAY", zoneOf("Europe/Berlin")),
    cuts.series({ ...april, from: at("2026-04-02T00:00:00Z") }, "DAY", zoneOf("Europe/Berlin")),
    cuts.whole(april),
  ];
  expect(new Set([berlin, ...others].map(({ text }) => text)).size).toBe(others.length + 1);
});

test("a cut chooses the rollups of each zone that is asked for, whichever was asked for before", () => {
  const { boundaries } = new BucketCuts(3_000).series(april, "DAY", zoneOf("Europe/Berlin"));
  const cut = new BucketCut(boundaries);
  for (const zone of [zoneOf("Europe/Berlin"), null, zoneOf("Asia/Tokyo"), zoneOf("Europe/Berlin"), null]) {
    expect(cut.planFor(zone)).toEqual(chooseRollups(boundaries, zone));
  }
});

test("what is refused is refused each time, and keeps nothing that was cut before from being found", () => {
  const cuts = new BucketCuts(30);
  const days = cuts.series(april, "DAY", zoneOf("UTC"));
  for (let time = 0; time < 2; time++) {
    expect(() => cuts.series(april, "HOUR", zoneOf("UTC"))).toThrow(/more than 30 buckets/);
    expect(() => cuts.whole({ from: april.to, to: april.from })).toThrow(/range/i);
  }
  expect(cuts.series(april, "DAY", zoneOf("UTC"))).toBe(days);
});

test("cuts that nobody asks for any more make room", () => {
  const cuts = new BucketCuts(3_000);
  const series = (day: number) => {
    const from = (april.from + day * 86_400_000_000) as EpochMicros;
    return cuts.series({ from, to: (from + 2_000 * 3_600_000_000) as EpochMicros }, "HOUR", zoneOf("UTC"));
  };
  const first = series(0);
  expect(series(0)).toBe(first);
  for (let day = 1; day <= 6; day++) series(day);
  expect(series(0)).not.toBe(first);
  expect(series(0)).toEqual(first);
});
