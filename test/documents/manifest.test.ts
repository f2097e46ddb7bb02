/** Manifests as the tools write them; test/clients has the tools themselves write some. */
import { describe, expect, test } from "vitest";
import { parseDocumentId, sha256IdOf } from "../../src/documents/document-id.js";
import { readManifest } from "../../src/documents/manifest.js";

const DOCUMENT = "query Viewer { viewer { scopes } }";

describe("what is read from the manifest of", () => {
  test.each([
    [
      "generate-persisted-query-manifest",
      {
        format: "apollo-persisted-query-manifest",
        version: 1,
        operations: [{ id: "abc", name: "Viewer", type: "query", body: DOCUMENT }],
      },
    ],
    ["relay-compiler and graphql-codegen", { abc: DOCUMENT }],
  ])("%s is each document under its id", (_tool, manifest) => {
    expect(readManifest(JSON.stringify(manifest))).toEqual([{ id: "abc", document: DOCUMENT }]);
    expect(readManifest(`\uFEFF${JSON.stringify(manifest, null, 2)}\n`)).toHaveLength(1);
  });
});

test.each([
  ["no JSON", "{"],
  ["nothing", ""],
  ["an empty object", "{}"],
  ["Apollo's without operations", `{ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [] }`],
  ["Apollo's of another version", `{ "format": "apollo-persisted-query-manifest", "version": 2, "operations": [] }`],
  [
    "an operation without a body",
    `{ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [{ "id": "a" }] }`,
  ],
  ["a list", `["query { viewer { scopes } }"]`],
  ["documents that are no texts", `{ "a": { "query": "{ viewer { scopes } }" } }`],
])("%s is refused as bad input", (_what, text) => {
  expect(() => readManifest(text)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
});

describe("an id of a document", () => {
  const digits = "0123456789abcdef".repeat(4);

  test("is the SHA-256 of its text in UTF-8, as the appendix of GraphQL over HTTP has it", () => {
    // Its own example.
    expect(sha256IdOf("query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}")).toBe(
      "sha256:7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e",
    );
  });

  test("may leave the prefix of a SHA-256 out", () => {
    expect(parseDocumentId(digits)).toBe(`sha256:${digits}`);
  });

  test.each([
    `sha256:${digits}`,
    "9396637dbcb10a72095ed574363b1de2",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "x-team:dashboard:7",
    "web~1.2.3_a-b",
    "app/1.0/abc",
  ])("is %s as it stands", (text) => {
    expect(parseDocumentId(text)).toBe(text);
  });

  test.each([
    "",
    "sha256:",
    `sha256:${digits.toUpperCase()}`,
    `sha256:${digits}0`,
    "md5:abc",
    "a b",
    "a\u0000",
    "ä",
    "x".repeat(256),
  ])("is not %j", (text) => {
    expect(parseDocumentId(text)).toBeNull();
  });
});
