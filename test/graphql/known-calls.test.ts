import { HeaderMap } from "@apollo/server";
import { parse } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KnownCalls } from "../../src/graphql/known-calls.js";
import { ParsedDocuments } from "../../src/graphql/parsed-documents.js";
import { type Product, startProduct } from "../support/product.js";
import { withoutCost } from "../support/told-cost.js";

const TEXT = "query A($first: Int) { campaigns(first: $first) { totalCount } } query B { __typename }";
const HASH = "5".repeat(64);
const JSON_TYPE = "application/json; charset=utf-8";

async function knownCalls(): Promise<KnownCalls> {
  const documents = new ParsedDocuments();
  await documents.set(`schema:${HASH}`, parse(TEXT));
  const calls = new KnownCalls(documents);
  calls.learn(posted({}), JSON_TYPE);
  return calls;
}

function posted(body: unknown, { method = "POST", accept = "*/*", contentType = "application/json" } = {}) {
  return {
    method,
    headers: new HeaderMap([
      ["accept", accept],
      ["content-type", contentType],
    ]),
    search: "",
    body,
  };
}

test("a call with a document that came before is known, with all that it says", async () => {
  const known = await knownCalls();
  const body = { query: TEXT, operationName: "A", variables: { first: 3 }, extensions: { cost: { dryRun: true } } };
  expect(known.find(posted(body))).toMatchObject({
    source: TEXT,
    documentHash: HASH,
    operation: { name: { value: "A" } },
    operationName: "A",
    variables: { first: 3 },
    extensions: { cost: { dryRun: true } },
    contentType: JSON_TYPE,
  });
  const least = known.find(posted({ query: TEXT, operationName: "B", variables: null, extensions: null }));
  expect(least).toMatchObject({ operationName: "B", variables: {}, extensions: undefined });
});

test.each<[string, ReturnType<typeof posted>]>([
  ["by GET", posted({ query: TEXT, operationName: "A" }, { method: "GET" })],
  ["with an Accept that was never answered", posted({ query: TEXT, operationName: "A" }, { accept: "text/html" })],
  ["of another type", posted({ query: TEXT, operationName: "A" }, { contentType: "text/plain" })],
  ["with another document", posted({ query: `${TEXT} `, operationName: "A" })],
  ["without a document", posted({ operationName: "A" })],
  ["that is a list", posted([{ query: TEXT, operationName: "A" }])],
  ["that is no object", posted("text")],
  ["that names no operation of several", posted({ query: TEXT })],
  ["that names an operation that is not there", posted({ query: TEXT, operationName: "C" })],
  ["whose operation's name is no text", posted({ query: TEXT, operationName: 1 })],
  ["whose variables are a text", posted({ query: TEXT, operationName: "A", variables: "{}" })],
  ["whose variables are a list", posted({ query: TEXT, operationName: "A", variables: [] })],
  ["whose extensions are a text", posted({ query: TEXT, operationName: "A", extensions: "{}" })],
  ["that registers its document", posted({ query: TEXT, operationName: "A", extensions: { persistedQuery: {} } })],
])("a call %s is Apollo's to answer", async (_what, call) => {
  expect((await knownCalls()).find(call)).toBeNull();
});

test("what a client accepts is not learned from what is not posted", async () => {
  const known = await knownCalls();
  const call = posted({ query: TEXT, operationName: "A" }, { accept: "text/html,*/*;q=0.8" });
  known.learn({ ...call, method: "GET" }, "text/html");
  expect(known.find(call)).toBeNull();
});

test("a document that made room for others is not known any more", async () => {
  const documents = new ParsedDocuments();
  const keep = (name: string, chars: number) => {
    const text = `{ ${name} }${" ".repeat(chars)}`;
    return documents.set(`schema:${name.padEnd(64)}`, parse(text)).then(() => text);
  };
  const first = await keep("first", 100);
  expect(documents.find(first)).toBeDefined();
  const others = [];
  for (let at = 0; at < 30; at += 1) others.push(await keep(`other${at}`, 10_000));
  expect(documents.find(first)).toBeUndefined();
  expect(others.filter((text) => documents.find(text) !== undefined)).toHaveLength(24);
});

describe("the answer is the same whether Apollo gives it or not", () => {
  let product: Product;
  let key: string;
  beforeAll(async () => {
    product = await startProduct();
    ({ key } = await product.createTenant());
  });
  afterAll(() => product.stop());

  const ACCEPTS = [
    undefined,
    "application/json",
    "application/graphql-response+json",
    "application/graphql-response+json, application/json;q=0.9",
    "text/html",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  ];
  const RANGE = `{ from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }`;
  const CALLS: Readonly<Record<string, object>> = {
    "a question": { query: `{ kpis(range: ${RANGE}) { metrics { sent { unique } } } }` },
    "variables that fit": {
      query: "query Q($first: Int!) { campaigns(first: $first) { totalCount nodes { id } } }",
      variables: { first: 2 },
    },
    "variables that do not fit": {
      query: "query Q($first: Int!) { campaigns(first: $first) { totalCount } }",
      variables: { first: "two" },
    },
    "a variable that is missing": { query: "query Q($first: Int!) { campaigns(first: $first) { totalCount } }" },
    "what the resolver refuses": { query: "{ campaigns(first: -1) { totalCount } }" },
    "one part that is refused": { query: `{ __typename node(id: "nothing") { id } }` },
    "nothing there": { query: `{ campaign(externalId: "nothing") { id } }` },
    "an operation by its name": {
      query: "query A { __typename } query B { __schema { queryType { name } } }",
      operationName: "B",
    },
    "no such operation": { query: "query A { __typename } query B { __typename }", operationName: "C" },
    "no name where there are two": { query: "query A { __typename } query B { __typename }" },
    "a price alone": { query: `{ campaigns(first: 3) { totalCount } }`, extensions: { cost: { dryRun: true } } },
    "too high a price": {
      query:
        "{ " +
        Array.from(
          { length: 12 },
          (_, at) =>
            `a${at}: campaigns(first: 200) { nodes { series(range: { from: "2020-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z" }, granularity: DAY) { start } links(first: 200) { nodes { url } } } }`,
        ).join(" ") +
        " }",
    },
    "a mutation that refuses": {
      query: `mutation M($events: [EventInput!]!) { recordEvents(input: { events: $events }) { acceptedCount refused { index code message } } }`,
      variables: {
        events: [{ type: "SENT", recipient: "a@example.com", occurredAt: "never", campaignExternalId: "c" }],
      },
    },
    "variables in a text": { query: "{ campaigns(first: 1) { totalCount } }", variables: "{}" },
    "a part that nobody knows": { query: "{ campaigns(first: 1) { totalCount } }", more: true },
    "no syntax": { query: "{ campaigns(" },
  };

  async function answered(body: object, accept: string | undefined, withKey: boolean) {
    const response = await fetch(`${product.url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(accept !== undefined && { accept }),
        ...(withKey && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(body),
    });
    const own = new Set(["date", "x-request-id", "ratelimit", "content-length"]);
    return {
      status: response.status,
      headers: [...response.headers].filter(([name]) => !own.has(name)),
      text: withoutCost(await response.text()),
    };
  }

  test.each(Object.keys(CALLS))("%s", async (name) => {
    for (const accept of ACCEPTS) {
      for (const withKey of [true, false]) {
        // Nobody has sent this text before, so that the first answer is Apollo's.
        // As a browser may, without a key.
        await fetch(`${product.url}/graphql`, { headers: { ...(accept !== undefined && { accept }) } });
        const { query = "", ...rest } = CALLS[name] as { query?: string };
        const call = { query: `${query} # ${accept} ${withKey}`, ...rest };
        const byApollo = await answered(call, accept, withKey);
        for (let time = 0; time < 3; time += 1) expect(await answered(call, accept, withKey)).toEqual(byApollo);
      }
    }
  });
});
