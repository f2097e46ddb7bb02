import { readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { mintKeySecret, parseKeySecret } from "../../src/access/key-secret.js";

test("a secret has the form that scanners look for, and gives the same fingerprint again", () => {
  const { secret, prefix, hash } = mintKeySecret();
  expect(secret).toMatch(/^mt_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}$/);
  expect(secret.slice(3, 11)).toBe(prefix);
  expect(hash).toHaveLength(32);
  expect(parseKeySecret(secret)).toEqual({ prefix, hash });
});

test("the expression that operators are given for their scanners finds every secret, and only whole ones", async () => {
  const page = await readFile(path.join(import.meta.dirname, "../../docs/operations.md"), "utf8");
  const [, expression = ""] = /```regex\n(.+)\n```/.exec(page) ?? [];
  const scanner = new RegExp(expression, "g");
  const minted = Array.from({ length: 200 }, () => mintKeySecret().secret);
  const leaks = minted.map((secret, at) => [`KEY=${secret}\n`, `"Bearer ${secret}",`, `?key=${secret}&`][at % 3] ?? "");
  expect(leaks.join("").match(scanner)).toEqual(minted);
  const [secret = ""] = minted;
  expect([`x${secret}`, `${secret}x`, secret.slice(0, -1)].join(" ").match(scanner)).toBeNull();
});

test("no two secrets share a prefix, a body or a hash", () => {
  const minted = Array.from({ length: 500 }, mintKeySecret);
  expect(new Set(minted.map((key) => key.prefix)).size).toBe(500);
  expect(new Set(minted.map((key) => key.secret.slice(12, 55))).size).toBe(500);
  expect(new Set(minted.map((key) => key.hash.toString("hex"))).size).toBe(500);
});

test("a secret with any one character changed is refused without the database", () => {
  const { secret } = mintKeySecret();
  for (let position = 0; position < secret.length; position++) {
    const other = secret[position] === "a" ? "b" : "a";
    expect(parseKeySecret(secret.slice(0, position) + other + secret.slice(position + 1))).toBeNull();
  }
});

test.each(["", "mt_", "mt_abcdefgh_", "x".repeat(61), `mt_${"é".repeat(58)}`, "mt_\u0000", "a".repeat(1_000_000)])(
  "what is no secret is refused (%#)",
  (text) => {
    expect(parseKeySecret(text)).toBeNull();
  },
);

test("a secret with something before, after or inside it is refused", () => {
  const { secret } = mintKeySecret();
  for (const text of [
    ` ${secret}`,
    `${secret} `,
    `${secret}\n`,
    `${secret}0`,
    secret.slice(0, -1),
    secret.toUpperCase(),
  ]) {
    expect(parseKeySecret(text)).toBeNull();
  }
});
