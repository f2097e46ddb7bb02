/** What rounds of load say, as rows of the table: ours beside a rival's. */
import type { Row } from "../benchmark.js";
import { median } from "./alternate.js";
import { compared } from "./compared.js";
import type { LoadFigures } from "./load.js";

type Rounds = readonly LoadFigures[];

export interface Rival {
  readonly name: string;
  readonly rounds: Rounds;
  /** What the ratio of requests per CPU-second is to reach. */
  readonly target: number;
}

/** A figure of ours against a rival's, and the ratio of the two. */
export function comparedRounds(
  row: Pick<Row, "name" | "unit" | "target">,
  ours: Rounds,
  { name, rounds }: Pick<Rival, "name" | "rounds">,
  of: (figures: LoadFigures) => number,
): Row {
  return compared(row, ours.map(of), { name, figures: rounds.map(of) });
}

/** What the target is about: the same work for less of the machine, whatever else it does meanwhile. */
export function comparedPerCpuSecond(name: string, ours: Rounds, rival: Rival): Row {
  const row = { name, unit: "requests/CPU-s", target: { atLeast: rival.target } };
  return comparedRounds(row, ours, rival, (figures) => figures.requestsPerCpuSecond);
}

export function comparedPerSecond(name: string, ours: Rounds, rival: Rival): Row {
  const row = { name: `${name}: wall clock`, unit: "requests/s", target: null };
  return comparedRounds(row, ours, rival, (figures) => figures.requestsPerSecond);
}

export function latencies(name: string, ours: Rounds): Row[] {
  const row = { unit: "ms", against: null, ratio: null, target: null };
  return [
    { ...row, name: `${name}: p50`, value: median(ours.map(({ p50 }) => p50)) },
    { ...row, name: `${name}: p99`, value: median(ours.map(({ p99 }) => p99)) },
  ];
}
