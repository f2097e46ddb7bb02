import { createHmac, createSecretKey } from "node:crypto";
import { assert, constantFrom, nat, oneof, property, string } from "fast-check";
import { expect, test } from "vitest";
import { normalizeAddress, RecipientKeys } from "../../src/events/event-key.js";
import { hashToUuid, type TenantId, uuidOfBytes, uuidv7 } from "../../src/ids.js";

const SECRET = createSecretKey(Buffer.alloc(32, 7));

test("a recipient's key is the HMAC-SHA256 of the address under a secret derived for the tenant, cut to 128 bits", () => {
  const keys = new RecipientKeys(SECRET);
  const tenants = [uuidv7() as TenantId, uuidv7() as TenantId];
  const secrets = tenants.map((tenantId) => createHmac("sha256", SECRET).update(`recipients of ${tenantId}`).digest());
  const address = oneof(
    string({ unit: "binary", maxLength: 400 }),
    constantFrom("", "é".repeat(5_000), "x".repeat(960)),
  );
  assert(
    property(nat(1), address, (which, text) => {
      const expected = createHmac("sha256", secrets[which] as Buffer)
        .update(text)
        .digest();
      expect(keys.keyOf(tenants[which] as TenantId, text)).toBe(uuidOfBytes(expected));
    }),
  );
});

test("a hash in the form of a UUID is the start of the text's SHA-256", () => {
  expect(hashToUuid("abc")).toBe("ba7816bf-8f01-cfea-4141-40de5dae2223");
});

test("an address that is normalised stays as it is when it is normalised again", () => {
  assert(
    property(string({ unit: "binary" }), (text) => {
      const address = normalizeAddress(text);
      expect(normalizeAddress(address)).toBe(address);
    }),
    { examples: [["J\u030C@x"], ["\u0130@x"], [" A @x "]], numRuns: 1_000 },
  );
});
