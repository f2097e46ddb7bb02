import * as fc from "fast-check";
import { expect, test } from "vitest";
import { orderedJson } from "../src/ordered-json.js";
import { PROPERTY_RUNS } from "./support/property-runs.js";

test("objects with equal members are the same text in whatever order they came, lists are not", () => {
  expect(orderedJson({ b: [{ d: 1, c: 2 }], a: 3 })).toBe('{"a":3,"b":[{"c":2,"d":1}]}');
  expect(orderedJson([1, 2])).not.toBe(orderedJson([2, 1]));
});

test("a null is content, unless it was asked to mean nothing; within a list it always is", () => {
  expect(orderedJson({ a: null })).not.toBe(orderedJson({}));
  expect(orderedJson({ a: null, b: { c: null } }, { withoutNulls: true })).toBe('{"b":{}}');
  expect(orderedJson([null], { withoutNulls: true })).toBe("[null]");
});

/** As calls under idempotency keys, and cursors, were told apart from the first release on. */
function throughReplacer(value: unknown, withoutNulls: boolean): string {
  return JSON.stringify(value, (_member, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    const members = withoutNulls ? Object.entries(inner).filter(([, held]) => held !== null) : Object.entries(inner);
    return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

test("whatever the content, the text is to the byte what it always was", () => {
  const names = fc.oneof(
    fc.string(),
    fc.nat().map(String),
    fc.constantFrom("__proto__", "01", "4294967295", "-1", "a"),
  );
  const leaf = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.double(),
    fc.integer(),
    fc.constantFrom(null, true, -0, undefined),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie("value"), { maxLength: 4 }),
      fc
        .array(fc.tuple(names, tie("value")), { maxLength: 5 })
        .map((members) => Object.fromEntries(members) as unknown),
    ),
  }));
  fc.assert(
    fc.property(value, fc.boolean(), (content, withoutNulls) => {
      fc.pre(content !== undefined);
      expect(orderedJson(content, { withoutNulls })).toBe(throughReplacer(content, withoutNulls));
    }),
    { numRuns: PROPERTY_RUNS },
  );
});

test("where a number has to be finite, none that JSON cannot write passes", () => {
  expect(() => orderedJson({ a: [Number.NaN] }, { finite: true })).toThrow(TypeError);
  expect(() => orderedJson(-Infinity, { finite: true })).toThrow(TypeError);
});

test("what has another way to be written is refused: two dates must not be one", () => {
  expect(() => orderedJson({ a: new Date() })).toThrow(TypeError);
});
