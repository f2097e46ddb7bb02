import { expect, test } from "vitest";
import { RECENT_MICROS, ttlClassOf } from "../../src/cache/ttl-class.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { parseInstant } from "../../src/time/instant.js";

const now = parseInstant("2026-11-20T12:00:00Z") as EpochMicros;
const endingAt = (to: number) => ({ from: (to - 1_000_000) as EpochMicros, to: to as EpochMicros });

test("a range is open until it has ended, recent for two days, then closed", () => {
  expect(ttlClassOf(null, now)).toBe("OPEN");
  expect(ttlClassOf(endingAt(now + 5_000_000), now)).toBe("OPEN");
  expect(ttlClassOf(endingAt(now + 1), now)).toBe("OPEN");
  expect(ttlClassOf(endingAt(now), now)).toBe("RECENT");
  expect(ttlClassOf(endingAt(now - RECENT_MICROS), now)).toBe("RECENT");
  expect(ttlClassOf(endingAt(now - RECENT_MICROS - 1), now)).toBe("CLOSED");
});
