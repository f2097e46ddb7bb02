/**
 * Which of a rollup's measures are read. A dashboard asks for three of 28: reading these alone takes PostgreSQL a third of
 * the time, and revenue, which lies in tables of its own, nothing at all where nobody asks for it.
 */
import { type Measure, MEASURES } from "../rollups/measures.js";

export interface MeasureSet {
  /** The same for the same measures: part of statements' names and of cache keys. */
  readonly key: string;
  /** In the order of MEASURES. */
  readonly measures: readonly Measure[];
  readonly revenue: boolean;
  /** Where each of MEASURES stands among these; -1 where it is not read. */
  readonly indexes: readonly number[];
}

/** The set of these measures, by position in MEASURES. */
export function measureSet(positions: Iterable<number>, revenue: boolean): MeasureSet {
  const wanted = new Set(positions);
  const measures = MEASURES.filter((_, position) => wanted.has(position));
  let index = 0;
  const indexes = MEASURES.map((_, position) => (wanted.has(position) ? index++ : -1));
  // As many bits as there are measures, and one for revenue: exact as a number far beyond 28.
  const bits = MEASURES.reduce((sum, _, position) => sum + (wanted.has(position) ? 2 ** position : 0), 0);
  const key = (bits + (revenue ? 2 ** MEASURES.length : 0)).toString(36);
  return { key, measures, revenue, indexes };
}

export const ALL_MEASURES = measureSet(MEASURES.keys(), true);

/** Whether reading these reads nothing. */
export function isEmpty({ measures, revenue }: MeasureSet): boolean {
  return measures.length === 0 && !revenue;
}
