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
    fc.jsonValue().map((plain) => ({ plain, withTexts: text(JSON.stringify(plain)) })),
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
      expect(printJson({ data: withTexts }).take("", 0).toString()).toBe(printed);
      expect(JSON.stringify({ data: withTexts })).toBe(printed);
    }),
    { numRuns: PROPERTY_RUNS },
  );
});

test("what is printed ends with what is put in place of its end, whether it holds texts or not, short or long", () => {
  const long = "é".repeat(2_000);
  for (const value of [1, long, text("[1]"), [text("1"), long, text(JSON.stringify(long))]]) {
    const pieces = printJson({ data: value });
    const whole = pieces.take(',"extensions":{"ü":1}}\n', "}".length).toString();
    expect(whole).toBe(`${JSON.stringify({ data: value, extensions: { ü: 1 } })}\n`);
    expect(() => pieces.take("", 0)).toThrow(/taken before/);
  }
});

test("after a value that cannot be printed the next one is", () => {
  const around: unknown[] = [text("1")];
  around.push(around);
  expect(() => printJson(around)).toThrow(/circular/);
  expect(
    printJson([text("[2]"), text("3")])
      .take("", 0)
      .toString(),
  ).toBe("[[2],3]");
  expect(JSON.stringify(text("[2]"))).toBe("[2]");
});

function text(json: string): JsonText {
  return new JsonText(Buffer.from(json), null);
}
