/** Two or more variants measured by turns, so that whatever else the machine does meets all of them alike. */

/** Runs every variant once a round and gives each one's figures in order. One round beforehand warms up and is thrown away. */
export async function alternate<Name extends string, Figure>(
  variants: Readonly<Record<Name, () => Promise<Figure>>>,
  rounds: number,
): Promise<Record<Name, Figure[]>> {
  const names = Object.keys(variants) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, [] as Figure[]])) as Record<Name, Figure[]>;
  for (let round = -1; round < rounds; round += 1) {
    // Whoever comes second meets a warmer machine: each other round begins at the other end.
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const figure = await variants[name]();
      if (round >= 0) figures[name].push(figure);
    }
  }
  return figures;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 1 ? middle : middle - 1], sorted[middle]];
  if (low === undefined || high === undefined) throw new Error("Nothing was measured");
  return (low + high) / 2;
}

/** The value that the given share of all values does not exceed, by nearest rank. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new Error("Nothing was measured");
  return found;
}
