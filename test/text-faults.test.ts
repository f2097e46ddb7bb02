import { expect, test } from "vitest";
import { faultOfText, isName } from "../src/text-faults.js";

test.each([
  ["a\u0000", "a NUL character"],
  ["\ud83d", "a lone surrogate"],
  ["\udc00\ud800", "a lone surrogate"],
  ["", null],
  ["\u0001 📬 \n", null],
])("the fault of %j is %s", (text, fault) => {
  expect(faultOfText(text)).toBe(fault);
});

test("a name is one line, counted in characters as people see them in most scripts", () => {
  expect(isName("📬".repeat(3), 3)).toBe(true);
  expect(isName("📬".repeat(4), 3)).toBe(false);
  for (const bad of ["", "a\nb", "\u0085", "\u007f", "\ud83d"]) expect(isName(bad, 3)).toBe(false);
});
