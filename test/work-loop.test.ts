import { pino } from "pino";
import { expect, test } from "vitest";
import { WorkLoop } from "../src/work-loop.js";
import { waitFor } from "./support/wait-for.js";

test("a piece of work that took long is done again after many times as long", async () => {
  const pieces: { readonly began: number; readonly ended: number }[] = [];
  const loop = new WorkLoop({
    name: "costly",
    step: () => {
      const began = performance.now();
      while (performance.now() - began < 20);
      pieces.push({ began, ended: performance.now() });
      return Promise.resolve(false);
    },
    idleMs: 1,
    restFactor: 10,
    log: pino({ level: "silent" }),
  });
  await waitFor(() => pieces.length > 1, { what: "a second piece" });
  await loop.stop();
  const [first, second] = pieces;
  expect((second?.began ?? 0) - (first?.ended ?? 0)).toBeGreaterThan(190);
});
