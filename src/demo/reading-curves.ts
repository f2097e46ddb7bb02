/** When people read: a share soon after delivery, the others at an hour of the day that suits them, on this day or a later one. */
import type { SeededRandom } from "./seeded-random.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Of those who do not read at once. */
const STRAGGLERS = 0.17;

interface WeightedHour {
  readonly hour: number;
  readonly weight: number;
}
export interface ReadingCurve {
  /** Share that reads soon, exponentially decaying. */
  readonly soonShare: number;
  readonly soonMeanMinutes: number;
  /** Chance that somebody who reads later lets one more day pass. */
  readonly anotherDay: number;
  /** Weight of each local hour for those who read later. */
  readonly hours: readonly [WeightedHour, ...WeightedHour[]];
}

/** A small even daytime floor, with bells around the peaks. */
function hoursAround(...peaks: (readonly [hour: number, weight: number, width: number])[]): ReadingCurve["hours"] {
  const weightAt = (hour: number): WeightedHour => {
    let weight = hour >= 7 && hour <= 22 ? 0.6 : 0.06;
    for (const [peak, height, width] of peaks) weight += height * Math.exp(-(((hour - peak) / width) ** 2));
    return { hour, weight };
  };
  return [weightAt(0), ...Array.from({ length: 23 }, (_, index) => weightAt(index + 1))];
}

export const readingCurves = {
  morning: { soonShare: 0.42, soonMeanMinutes: 55, anotherDay: 0.34, hours: hoursAround([8, 6, 1.5], [12, 2, 1.2]) },
  evening: { soonShare: 0.5, soonMeanMinutes: 70, anotherDay: 0.3, hours: hoursAround([20, 7, 1.8], [8, 1.5, 1.2]) },
  weekend: { soonShare: 0.3, soonMeanMinutes: 120, anotherDay: 0.4, hours: hoursAround([11, 5, 2], [16, 3, 2]) },
  urgent: { soonShare: 0.68, soonMeanMinutes: 35, anotherDay: 0.18, hours: hoursAround([12, 2, 3], [19, 3, 2]) },
  slow: { soonShare: 0.16, soonMeanMinutes: 180, anotherDay: 0.78, hours: hoursAround([9, 2, 2], [21, 2.5, 2]) },
} as const satisfies Record<string, ReadingCurve>;

/** The time (epoch ms) at which a person at that offset first reads what arrived at `deliveredMs`; always after it. */
export function drawReadingTime(
  random: SeededRandom,
  curve: ReadingCurve,
  deliveredMs: number,
  utcOffsetHours: number,
): number {
  const offsetMs = utcOffsetHours * HOUR_MS;
  const firstSightMs = random.exponential(MINUTE_MS) + 2_000;
  if (random.chance(curve.soonShare)) {
    const soonMs = deliveredMs + firstSightMs + random.exponential(curve.soonMeanMinutes * MINUTE_MS);
    const localHour = Math.floor((soonMs + offsetMs) / HOUR_MS) % 24;
    const asleep = localHour < 6 && random.chance(0.88);
    return asleep ? soonMs + (6 - localHour) * HOUR_MS + random.exponential(50 * MINUTE_MS) : soonMs;
  }
  let days = 0;
  while (days < 21 && random.chance(curve.anotherDay)) days += 1;
  // Some only come upon it when they tidy up, weeks later: the tail that keeps old campaigns moving.
  if (random.chance(STRAGGLERS)) days += Math.floor(random.between(2, 30));
  const localMidnightMs = Math.floor((deliveredMs + offsetMs) / DAY_MS) * DAY_MS - offsetMs;
  const hourMs = (random.weighted(curve.hours).hour + random.next()) * HOUR_MS;
  const laterMs = localMidnightMs + days * DAY_MS + hourMs;
  return laterMs > deliveredMs + firstSightMs ? laterMs : laterMs + DAY_MS + firstSightMs;
}
