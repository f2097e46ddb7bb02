import { expect, test } from "vitest";
import { copyToKeep } from "../src/copy-to-keep.js";

test("a part of a larger block is kept without the block", () => {
  const part = Buffer.alloc(64_000, "x").subarray(1_000, 1_100);
  const kept = copyToKeep(part);
  expect(kept).toEqual(part);
  expect(kept.buffer.byteLength).toBe(100);
});

test("what has its memory to itself is kept as it is", () => {
  const whole = Buffer.alloc(100, "x");
  expect(copyToKeep(whole)).toBe(whole);
});
