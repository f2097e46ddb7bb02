/** What a benchmark is: a name, and rows that say how far something is from its target. */
import type { Scene } from "./scene/scene.js";

/** A ratio's target: at least so much, or at most. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

export interface Row {
  /** What was measured, the same in every run: `reads, 16 connections`. */
  readonly name: string;
  /** The absolute figure. */
  readonly value: number;
  /** Such as `requests/CPU-s`, `events/s`, `ms`, `MB`. */
  readonly unit: string;
  /** What it is compared with, and how that did; null where the target is an absolute. */
  readonly against: { readonly name: string; readonly value: number } | null;
  /** Ours to theirs, such that the target can be read off it; null where the value itself is held against the target. */
  readonly ratio: number | null;
  /** Null where the figure is told and nothing is asked of it. */
  readonly target: Target | null;
}

export interface Benchmark {
  readonly name: string;
  /** One line for the list of names. */
  readonly about: string;
  run(scene: Scene): Promise<readonly Row[]>;
}

/** Null where nothing is asked. */
export function isMet({ value, ratio, target }: Row): boolean | null {
  if (target === null) return null;
  const measured = ratio ?? value;
  return "atLeast" in target ? measured >= target.atLeast : measured <= target.atMost;
}
