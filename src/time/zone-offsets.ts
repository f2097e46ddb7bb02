/**
 * A zone as stretches of constant offset, found once through Temporal and kept. Asking Temporal costs microseconds to
 * milliseconds, a kept stretch nanoseconds; everything else in this folder is arithmetic on these stretches.
 *
 * The zones are as many as IANA names, since ids are parsed before they come here; the stretches of each are capped, so that
 * nobody can fill the memory by asking for far centuries.
 */
import { Temporal } from "temporal-polyfill";
import { type EpochMicros, MICROS_PER_DAY } from "./instant.js";

/** A stretch [from, until) in which a zone's clock is UTC plus `offset` microseconds. */
export interface OffsetStretch {
  readonly from: number;
  readonly until: number;
  readonly offset: number;
}

/** Two a year over 300 years: the longest series of months (3,000) fits. */
const MAX_STRETCHES_PER_ZONE = 600;

const stretchesByZone = new Map<string, OffsetStretch[]>();

/** The stretch that holds an instant. `zone` is an IANA name that has been parsed. */
export function offsetStretchAt(instant: number, zone: string): OffsetStretch {
  let stretches = stretchesByZone.get(zone);
  if (stretches === undefined) stretchesByZone.set(zone, (stretches = []));

  // Ordered and disjoint, with gaps where nobody asked yet: the first one that ends after the instant is its own or none is.
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (stretches[middle]!.until > instant) high = middle;
    else low = middle + 1;
  }
  const known = stretches[low];
  if (known !== undefined && known.from <= instant) return known;

  const found = findStretch(instant, zone, stretches[low - 1]);
  if (stretches.length >= MAX_STRETCHES_PER_ZONE) stretchesByZone.set(zone, [found]);
  else stretches.splice(low, 0, found);
  return found;
}

/** What the zone's clock reads at an instant, as microseconds of a clock without zone. */
export function wallClockAt(instant: number, zone: string): number {
  return instant + offsetStretchAt(instant, zone).offset;
}

/**
 * The first instant at which the zone's clock reads this or more: the earlier one where it reads it twice, and the transition
 * itself where the clock jumps over it.
 */
export function firstInstantAtWallClock(wallClock: number, zone: string): EpochMicros {
  // No offset there ever was reaches 16 hours, so 16 hours before, taken as UTC, the clock cannot have read it yet.
  let stretch = offsetStretchAt(wallClock - (2 * MICROS_PER_DAY) / 3, zone);
  for (;;) {
    const instant = Math.max(stretch.from, wallClock - stretch.offset);
    if (instant < stretch.until) return instant as EpochMicros;
    stretch = offsetStretchAt(stretch.until, zone);
  }
}

function findStretch(instant: number, zone: string, before: OffsetStretch | undefined): OffsetStretch {
  // "previous" is strictly before; a nanosecond later it finds the transition that happens at this very instant.
  const justAfter = new Temporal.ZonedDateTime(BigInt(instant) * 1000n + 1n, zone);
  const from = before?.until === instant ? instant : toMicros(justAfter.getTimeZoneTransition("previous"), -Infinity);
  const until = toMicros(justAfter.getTimeZoneTransition("next"), Infinity);
  return { from, until, offset: justAfter.offsetNanoseconds / 1000 };
}

function toMicros(transition: Temporal.ZonedDateTime | null, none: number): number {
  return transition === null ? none : transition.epochMilliseconds * 1000;
}
