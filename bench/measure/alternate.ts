/** Two or more variants measured by turns, so that whatever else the machine does meets all of them alike. */

/** How many rounds beforehand warm up and are thrown away: one, but for variants that warm up by themselves or run in turn. */
interface AlternateOptions {
  readonly warmUpRounds?: number;
}

/** Runs every variant once a round and gives each one's figures in order. */
export async function alternate<Variants extends Readonly<Record<string, () => Promise<unknown>>>>(
  variants: Variants,
  rounds: number,
  { warmUpRounds = 1 }: AlternateOptions = {},
): Promise<{ [Name in keyof Variants]: Awaited<ReturnType<Variants[Name]>>[] }> {
  const names = Object.keys(variants);
  const figures: Record<string, unknown[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    // Whoever comes second meets a warmer machine: each other round begins at the other end.
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const figure = await variants[name]?.();
      if (round >= 0) figures[name]?.push(figure);
    }
  }
  return figures as { [Name in keyof Variants]: Awaited<ReturnType<Variants[Name]>>[] };
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
