/**
 * How often variants take turns, and by how many processes of each program: one is some percent faster or slower than its like for
 * as long as it lives, and a machine is for minutes.
 */
import type { Scene } from "../scene/scene.js";

interface Turns {
  readonly rounds: number;
  /** An odd number: each meets rounds of both directions. */
  readonly copies: number;
}

const QUICK: Turns = { rounds: 5, copies: 1 };
const FULL: Turns = { rounds: 24, copies: 3 };

export function turnsOf({ full }: Scene): Turns {
  return full ? FULL : QUICK;
}

/** Starts so many of a program beside each other: one at least. */
export function startCopies<Process>(copies: number, start: () => Promise<Process>): Promise<[Process, ...Process[]]> {
  return Promise.all([start(), ...Array.from({ length: copies - 1 }, start)]);
}

/** Each time by the next, and after the last by the first again. */
export function inTurn<Figure>(each: readonly (() => Promise<Figure>)[]): () => Promise<Figure> {
  let next = 0;
  return async () => {
    const run = each[next++ % each.length];
    if (run === undefined) throw new Error("Nobody takes turns");
    return run();
  };
}
