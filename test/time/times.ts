import { type EpochMicros, parseInstant } from "../../src/time/instant.js";
import type { TimeRange } from "../../src/time/range.js";
import { parseTimeZone, type TimeZoneId } from "../../src/time/time-zone.js";

/** The instant that a test names; throws where it is none. */
export function at(text: string): EpochMicros {
  const instant = parseInstant(text);
  if (instant === null) throw new Error(`Not an instant: ${text}`);
  return instant;
}

/** The range between two instants that a test names. */
export function between(from: string, to: string): TimeRange {
  return { from: at(from), to: at(to) };
}

/** The zone that a test names; throws where it is none. */
export function zoneOf(name: string): TimeZoneId {
  const zone = parseTimeZone(name);
  if (zone === null) throw new Error(`Not a time zone: ${name}`);
  return zone;
}

/** Zones with something odd about them: halves and quarters, midnights that are skipped or shown twice, a date left out. */
export const ODD_ZONES = [
  "UTC",
  "Europe/Berlin",
  "Europe/London",
  "America/New_York",
  "America/St_Johns",
  "America/Sao_Paulo",
  "America/Havana",
  "America/Santiago",
  "America/Asuncion",
  "America/Nuuk",
  "America/Caracas",
  "Africa/Cairo",
  "Africa/Casablanca",
  "Asia/Beirut",
  "Asia/Tehran",
  "Asia/Gaza",
  "Asia/Kathmandu",
  "Asia/Kolkata",
  "Asia/Pyongyang",
  "Australia/Lord_Howe",
  "Australia/Eucla",
  "Antarctica/Troll",
  "Antarctica/Casey",
  "Pacific/Chatham",
  "Pacific/Apia",
  "Pacific/Kiritimati",
].map(zoneOf);

/** Every eleventh zone that the runtime knows, so that a new one is met sooner or later. */
export const SAMPLED_ZONES = Intl.supportedValuesOf("timeZone")
  .filter((_, index) => index % 11 === 0)
  .map(zoneOf);
