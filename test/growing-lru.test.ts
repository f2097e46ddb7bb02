import { expect, test } from "vitest";
import { growingLru } from "../src/growing-lru.js";

test("the last used entries stay, as many as may", () => {
  const kept = growingLru<string, number>(3);
  for (const [place, name] of ["a", "b", "c"].entries()) kept.set(name, place);
  kept.get("a");
  kept.set("d", 3);
  expect(["a", "b", "c", "d"].map((name) => kept.get(name))).toEqual([0, undefined, 2, 3]);
});
