/** What rounds of load say, as rows of the table: medians, ours beside a rival's. */
import type { Row } from "../benchmark.js";
import { median } from "./alternate.js";
import type { LoadFigures } from "./load.js";

type Rounds = readonly LoadFigures[];

export interface Rival {
  readonly name: string;
  readonly rounds: Rounds;
  /** What the ratio of requests per CPU-second is to reach. */
  readonly target: number;
}

/** A figure of ours against a rival's, and the ratio of the two, without a target. */
export function compared(
  name: string,
  unit: string,
  ours: Rounds,
  rival: Pick<Rival, "name" | "rounds">,
  of: (figures: LoadFigures) => number,
): Row {
  const [value, theirs] = [median(ours.map(of)), median(rival.rounds.map(of))];
  return { name, value, unit, against: { name: rival.name, value: theirs }, ratio: value / theirs, target: null };
}

/** What the target is about: the same work for less of the machine, whatever else it does meanwhile. */
export function comparedPerCpuSecond(name: string, ours: Rounds, rival: Rival): Row {
  const row = compared(name, "requests/CPU-s", ours, rival, (figures) => figures.requestsPerCpuSecond);
  return { ...row, target: { atLeast: rival.target } };
}

export function comparedPerSecond(name: string, ours: Rounds, rival: Rival): Row {
  return compared(`${name}: wall clock`, "requests/s", ours, rival, (figures) => figures.requestsPerSecond);
}

export function latencies(name: string, ours: Rounds): Row[] {
  const row = { unit: "ms", against: null, ratio: null, target: null };
  return [
    { ...row, name: `${name}: p50`, value: median(ours.map(({ p50 }) => p50)) },
    { ...row, name: `${name}: p99`, value: median(ours.map(({ p99 }) => p99)) },
  ];
}
