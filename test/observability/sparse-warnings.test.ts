import { pino } from "pino";
import { expect, test } from "vitest";
import { SparseWarnings } from "../../src/observability/sparse-warnings.js";

test("of a kind of warning there is one in ten seconds, which tells of those before it", () => {
  const lines: unknown[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(JSON.parse(line)) });
  let now = 0;
  const warnings = new SparseWarnings(log, () => now);
  const warnTimes = (times: number, message: string): void => {
    for (let time = 0; time < times; time++) warnings.warn({ code: "UNAVAILABLE" }, message);
  };
  warnTimes(1_000, "away");
  warnTimes(1, "another");
  now = 9_999;
  warnTimes(1, "away");
  now = 10_000;
  warnTimes(1_000, "away");
  now = 20_000;
  warnTimes(1, "another");
  const line = { level: 40, code: "UNAVAILABLE" };
  expect(lines).toEqual([
    { ...line, msg: "away" },
    { ...line, msg: "another" },
    { ...line, msg: "away", unsaidBefore: 1_000 },
    { ...line, msg: "another" },
  ]);
});
