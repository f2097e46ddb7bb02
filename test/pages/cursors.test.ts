import { createSecretKey } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { TenantId } from "../../src/ids.js";
import { type CursorBinding, type CursorPosition, Cursors } from "../../src/pages/cursors.js";

const cursors = new Cursors(createSecretKey(Buffer.alloc(32, 1)));
const binding: CursorBinding = {
  tenantId: "0191c2b4-0000-7000-8000-000000000001" as TenantId,
  list: "events",
  filter: { types: ["SENT"], metadata: { a: 1, b: null } },
  order: "NEWEST_FIRST",
};
const position: CursorPosition = [1_790_000_000_000_000, "key"];
const refused = expect.objectContaining({ name: "PublicError", code: "BAD_CURSOR", field: ["after"] });

function decoding(cursor: string, of: CursorBinding = binding, by: Cursors = cursors): () => CursorPosition {
  return () => by.decode(of, cursor, "after");
}

test("every position comes back as it went in, floats to the last bit", () => {
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constant(null),
  );
  fc.assert(
    fc.property(fc.array(value), (given) => {
      const found = cursors.decode(binding, cursors.encode(binding, given), "after");
      // JSON has one zero.
      expect(found).toEqual(given.map((item) => (item === 0 ? 0 : item)));
    }),
  );
});

test("a cursor is opaque text that needs no escaping in a URL", () => {
  expect(cursors.encode(binding, ["a/b+c?", 1])).toMatch(/^[\w-]+$/);
});

test("a filter means the same whatever the order of its keys", () => {
  const same = { ...binding, filter: { metadata: { b: null, a: 1 }, types: ["SENT"] } };
  expect(decoding(cursors.encode(binding, position), same)()).toEqual(position);
});

test.each<[string, Partial<CursorBinding>]>([
  ["tenant", { tenantId: "0191c2b4-0000-7000-8000-000000000002" as TenantId }],
  ["list", { list: "campaigns" }],
  ["filter", { filter: { types: ["SENT"], metadata: { a: 1 } } }],
  ["order", { order: "OLDEST_FIRST" }],
])("a cursor of another %s is refused", (_, other) => {
  expect(decoding(cursors.encode(binding, position), { ...binding, ...other })).toThrow(refused);
});

test("a cursor under another secret is refused", () => {
  const other = new Cursors(createSecretKey(Buffer.alloc(32, 2)));
  expect(decoding(other.encode(binding, position))).toThrow(refused);
});

test("no bit of a cursor can be changed", () => {
  const bytes = Buffer.from(cursors.encode(binding, position), "base64url");
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const forged = Buffer.from(bytes);
    forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(decoding(forged.toString("base64url"))).toThrow(refused);
  }
});

test("no cursor can be shortened or lengthened", () => {
  const bytes = Buffer.from(cursors.encode(binding, position), "base64url");
  for (let length = 0; length < bytes.length; length++) {
    expect(decoding(bytes.subarray(0, length).toString("base64url"))).toThrow(refused);
  }
  expect(decoding(Buffer.concat([bytes, Buffer.from(" ")]).toString("base64url"))).toThrow(refused);
});

test("anything that is no cursor is refused, and nothing else happens", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.base64String()), (text) => {
      expect(decoding(text)).toThrow(refused);
    }),
  );
  expect(decoding("A".repeat(1_000_000))).toThrow(refused);
});

test("the argument at fault is named", () => {
  expect(() => cursors.decode(binding, "", "before")).toThrow(expect.objectContaining({ field: ["before"] }));
});
