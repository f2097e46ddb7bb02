import { expect, test } from "vitest";
import { orderedJson } from "../src/ordered-json.js";

test("objects with equal members are the same text in whatever order they came, lists are not", () => {
  expect(orderedJson({ b: [{ d: 1, c: 2 }], a: 3 })).toBe('{"a":3,"b":[{"c":2,"d":1}]}');
  expect(orderedJson([1, 2])).not.toBe(orderedJson([2, 1]));
});

test("a null is content, unless it was asked to mean nothing; within a list it always is", () => {
  expect(orderedJson({ a: null })).not.toBe(orderedJson({}));
  expect(orderedJson({ a: null, b: { c: null } }, { withoutNulls: true })).toBe('{"b":{}}');
  expect(orderedJson([null], { withoutNulls: true })).toBe("[null]");
});
