import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TextBuffer, TextPiece } from "../../src/graphql/text-buffer.js";
import { PROPERTY_RUNS } from "../support/property-runs.js";

test("pieces of any kind and length come out as one text, however often it is begun anew", () => {
  const out = new TextBuffer();
  const piece = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 50 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    fc.constantFrom(0, -0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, Number.MAX_SAFE_INTEGER, -1, 0.5, 1e21),
    fc.string({ unit: "grapheme-ascii", maxLength: 50 }).map((fixed) => ({ fixed })),
  );
  fc.assert(
    fc.property(fc.array(piece), fc.array(piece), (pieces, givenUp) => {
      for (const each of givenUp) write(out, each);
      out.clear();
      for (const each of pieces) write(out, each);
      const text = out.read();
      for (const each of givenUp) write(out, each);
      // What comes after it lies beside it.
      expect(text.toString()).toBe(pieces.map((each) => (typeof each === "object" ? each.fixed : `${each}`)).join(""));
      out.clear();
      expect(out.read().toString()).toBe("");
    }),
    { numRuns: PROPERTY_RUNS },
  );
});

test("a text of any length fits, whatever it grows by", () => {
  const out = new TextBuffer();
  const [long, some] = ["é€".repeat(400_000), "ab".repeat(40_000)];
  for (let time = 0; time < 3; time++) {
    for (let digit = 0; digit < 20_000; digit++) out.number(digit);
    out.piece(new TextPiece(some));
    out.text(long);
    const digits = Array.from({ length: 20_000 }, (_, digit) => `${digit}`).join("");
    expect(out.read().toString() === `${digits}${some}${long}`).toBe(true);
  }
});

test("what is not of printable ASCII is no piece", () => {
  for (const text of ["é", "\u{7f}", "\n", "a\0", "€"]) expect(() => new TextPiece(text)).toThrow(TypeError);
});

function write(out: TextBuffer, piece: string | number | { readonly fixed: string }): void {
  if (typeof piece === "string") out.text(piece);
  else if (typeof piece === "number") out.number(piece);
  else out.piece(new TextPiece(piece.fixed));
}
