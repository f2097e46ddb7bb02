/** Rows of what was measured by turns. */
import type { Row } from "../benchmark.js";
import { median } from "./alternate.js";

/** A figure of each round. */
export interface Figures {
  readonly name: string;
  readonly figures: readonly number[];
}

/**
 * The medians of both, and as their ratio the median of the rounds' ratios: the two figures of a round were taken one right
 * after the other, and what the machine did meanwhile has met them alike.
 */
export function compared(
  row: Pick<Row, "name" | "unit" | "target">,
  ours: readonly number[],
  { name, figures }: Figures,
): Row {
  const against = { name, value: median(figures) };
  return { ...row, value: median(ours), against, ratio: medianRatio(ours, figures) };
}

export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(
    ours.map((figure, round) => {
      const other = theirs[round];
      if (other === undefined) throw new Error("A round has one side alone");
      return figure / other;
    }),
  );
}
