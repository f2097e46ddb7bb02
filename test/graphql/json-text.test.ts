import * as fc from "fast-check";
import { expect, test } from "vitest";
import { JsonText, printJson } from "../../src/graphql/json-text.js";
import { PROPERTY_RUNS } from "../support/property-runs.js";

/** Any JSON, and the same with some of its parts as texts. */
interface Both {
  readonly plain: unknown;
  readonly withTexts: unknown;
}

const { tree } = fc.letrec<{ tree: Both }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc
      .oneof(fc.jsonValue({ maxDepth: 1 }), fc.string({ unit: "binary" }))
      .map((plain) => ({ plain, withTexts: plain })),
    fc.jsonValue().map((plain) => ({ plain, withTexts: new JsonText(JSON.stringify(plain), null) })),
    fc.array(tie("tree"), { maxLength: 4 }).map((items) => ({
      plain: items.map(({ plain }) => plain),
      withTexts: items.map(({ withTexts }) => withTexts),
    })),
    fc.array(fc.tuple(fc.string(), tie("tree")), { maxLength: 4 }).map((members) => ({
      plain: Object.fromEntries(members.map(([name, { plain }]) => [name, plain])),
      withTexts: Object.fromEntries(members.map(([name, { withTexts }]) => [name, withTexts])),
    })),
  ),
}));

test("what holds texts is printed as JSON.stringify prints the same without them, by both", () => {
  fc.assert(
    fc.property(tree, ({ plain, withTexts }) => {
      const printed = JSON.stringify({ data: plain });
      expect(printJson({ data: withTexts })).toBe(printed);
      expect(JSON.stringify({ data: withTexts })).toBe(printed);
    }),
    { numRuns: PROPERTY_RUNS },
  );
});

test("after a value that cannot be printed the next one is", () => {
  const around: unknown[] = [new JsonText("1", null)];
  around.push(around);
  expect(() => printJson(around)).toThrow(/circular/);
  expect(printJson([new JsonText("[2]", 1), new JsonText("3", null)])).toBe("[[2],3]");
  expect(JSON.stringify(new JsonText("[2]", 1))).toBe("[2]");
});
