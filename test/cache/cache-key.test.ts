import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { addressOf, type CacheKey } from "../../src/cache/cache-key.js";
import type { JsonValue } from "../../src/cache/json-value.js";
import { orderedJson } from "../../src/ordered-json.js";
import { newTenantId, questionOf } from "../support/cache-rig.js";

const tenant = newTenantId();
const keyOf = (changes: Partial<CacheKey>): CacheKey => ({ ...questionOf(tenant), version: 3, ...changes });

test("arguments that are equal but for the order of their members have one address", () => {
  const one = keyOf({ args: { a: 1, b: { c: [1, 2], d: null }, e: undefined } });
  const other = keyOf({ args: { b: { d: null, c: [1, 2] }, a: 1 } });
  expect(addressOf(one)).toBe(addressOf(other));
});

test("parts cannot run into each other", () => {
  const one = keyOf({ authority: 'a","b', name: "c" });
  const other = keyOf({ authority: "a", name: 'b","c' });
  expect(addressOf(one)).not.toBe(addressOf(other));
});

test("each part of a key, the version among them, changes its address", () => {
  const keys = [
    keyOf({}),
    keyOf({ version: 4 }),
    keyOf({ version: 33 }),
    keyOf({ tenantId: newTenantId() }),
    keyOf({ authority: "key 2, READ_METRICS" }),
    keyOf({ name: "series" }),
    keyOf({ args: { campaign: 2 } }),
  ];
  expect(new Set(keys.map(addressOf)).size).toBe(keys.length);
});

test("values that differ have texts that differ, and a text is the value", () => {
  const json = fc.jsonValue() as fc.Arbitrary<JsonValue>;
  fc.assert(
    fc.property(json, json, (a, b) => {
      expect(JSON.parse(orderedJson(a))).toEqual(JSON.parse(JSON.stringify(a)));
      expect(orderedJson(a) === orderedJson(b)).toBe(isDeepStrictEqual(...ofJson(a, b)));
    }),
  );
});

test("a number that JSON does not have is refused rather than taken for null", () => {
  expect(() => orderedJson({ from: Number.NaN }, { finite: true })).toThrow(TypeError);
  expect(() => orderedJson([Infinity], { finite: true })).toThrow(TypeError);
});

/** The values as JSON keeps them: it has no -0. */
function ofJson(...values: readonly [JsonValue, JsonValue]): [unknown, unknown] {
  return JSON.parse(JSON.stringify(values)) as [unknown, unknown];
}
