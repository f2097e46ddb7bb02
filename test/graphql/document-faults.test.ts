import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config.js";
import { documentLimitsOf, faultsOfDocument } from "../../src/graphql/document-faults.js";
import { buildPublicSchema } from "../../src/graphql/schema.js";

const schema = buildPublicSchema();
const faults = (document: string, env: Readonly<Record<string, string>> = {}) =>
  faultsOfDocument(schema, document, documentLimitsOf(readConfig(env).http));

const PAGES = "{ campaigns(first: 1) { nodes { name links { nodes { url } } } } }";
const TWO_NAMES = "{ one: __typename two: __typename }";

describe("a limit of the servers holds for what is registered:", () => {
  test.each([
    ["MAX_QUERY_DEPTH", "4", PAGES],
    ["MAX_QUERY_NESTED_PAGES", "1", PAGES],
    ["MAX_QUERY_ALIASES", "1", TWO_NAMES],
    ["MAX_QUERY_DIRECTIVES", "1", "{ __typename @skip(if: true) viewer @skip(if: true) { scopes } }"],
    ["MAX_QUERY_TOKENS", "100", `{ ${"__typename ".repeat(101)} }`],
  ])("%s", (name, value, document) => {
    expect(faults(document, { [name]: value })).toHaveLength(1);
    // Each is refused for that alone.
    expect(faults(document, { MAX_QUERY_ALIASES: "1000" })).toEqual([]);
  });
});

test.each([
  ["what does not parse", "query {", /^1:8 Syntax Error/],
  ["a field that there is not", "{ viewer { scopes password } }", /^1:19 Cannot query field "password"/],
  ["a variable of another type", "query ($id: Int) { node(id: $id) { id } }", /^1:8 Variable "\$id" of type "Int"/],
  ["fragments without an operation", "fragment F on Viewer { scopes }", /no operation/],
  ["a subscription", "subscription { viewer { scopes } }", /no subscription/],
  ["types", "type A { a: Int }", /no operation/],
  ["what PostgreSQL cannot hold", '{ campaign(externalId: "\u0000") { id } }', /NUL/],
  ["what has no SHA-256 of its own", '{ campaign(externalId: "\uD800") { id } }', /surrogate/],
])("%s is told as a fault", (_what, document, message) => {
  expect(faults(document)).toEqual([expect.stringMatching(message)]);
});

test("a document with several operations has none", () => {
  expect(faults("query A { viewer { scopes } } mutation B { archiveCampaign(id: 1) { userErrors { code } } }")).toEqual(
    [],
  );
});
