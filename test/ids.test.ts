import { expect, test } from "vitest";
import { isUuid, orderedUuidv7 } from "../src/ids.js";

test("ordered ids of one millisecond sort as they were made, and after those of the one before", () => {
  const ids = [1_763_000_000_000, 1_763_000_000_001].flatMap((ms) =>
    Array.from({ length: 500 }, () => orderedUuidv7(ms)),
  );
  expect(ids.toSorted()).toEqual(ids);
  expect(ids.every((id) => isUuid(id) && id[14] === "7")).toBe(true);
  expect(new Set(ids).size).toBe(1000);
});
