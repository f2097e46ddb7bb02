import { readFile } from "node:fs/promises";
import {
  buildClientSchema,
  getIntrospectionQuery,
  type IntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
} from "graphql";
import { serverAudits } from "graphql-http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { withoutCost } from "../support/told-cost.js";

/**
 * The three that ask by GET without a header of their own, as any page may make a browser do: refused, as the answer to one
 * could be a mutation's or could be timed. With such a header, as a key's is, they are answered.
 */
const FORBIDDEN_TO_PAGES = ["5A70", "D6D5", "6A70"];

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct({ worker: false });
  ({ key } = await product.createTenant());
});
afterAll(() => product.stop());

interface Finding {
  readonly id: string;
  readonly status: string;
}

/** What the audit of graphql-http finds fault with, asking with these headers as well. */
async function findings(headers: Readonly<Record<string, string>>): Promise<Finding[]> {
  const audits = serverAudits({
    url: `${product.url}/graphql`,
    fetchFn: (url: string, init?: RequestInit) =>
      fetch(url, { ...init, headers: { ...(init?.headers as Record<string, string> | undefined), ...headers } }),
  });
  const found: Finding[] = [];
  for (const audit of audits) found.push(await audit.fn());
  expect(found.length).toBeGreaterThanOrEqual(61);
  return found.filter(({ status }) => status !== "ok").map(({ id, status }) => ({ id, status }));
}

const ask = (init: RequestInit & { search?: string }) =>
  fetch(`${product.url}/graphql${init.search ?? ""}`, {
    ...init,
    headers: { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) },
  });

test("the audit of GraphQL over HTTP finds nothing where a key is sent", async () => {
  expect(await findings({ authorization: `Bearer ${key}` })).toEqual([]);
});

test("without a key it finds nothing but what the guard against forged requests forbids", async () => {
  const expected = FORBIDDEN_TO_PAGES.toSorted().map((id) => ({ id, status: "notice" }));
  expect((await findings({})).toSorted((a, b) => a.id.localeCompare(b.id))).toEqual(expected);
});

test("the audit finds nothing at all of a client that says that it is no forged request", async () => {
  expect(await findings({ "apollo-require-preflight": "1" })).toEqual([]);
});

test("the schema that is told is schema.graphql, however often it was asked for", async () => {
  const committed = await readFile(new URL("../../schema.graphql", import.meta.url), "utf8");
  const query = getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true });
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query }) };
  for (let time = 0; time < 5; time++) {
    const { data } = (await (await ask(post)).json()) as { data: IntrospectionQuery };
    expect(`${printSchema(lexicographicSortSchema(buildClientSchema(data)))}\n`).toBe(committed);
  }
});

test.each([
  ["no document", { query: "{" }],
  ["a document that does not fit the schema", { query: "{ nothing }" }],
  ["variables that do not fit", { query: "query ($id: ID!) { node(id: $id) { id } }", variables: { id: null } }],
  ["the name of no operation", { query: "query A { __typename } query B { __typename }", operationName: "C" }],
])("%s is a 400 in GraphQL's own media type and a 200 in plain JSON", async (_what, body) => {
  for (const [accept, status] of [
    ["application/graphql-response+json", 400],
    ["application/graphql-response+json, application/json;q=0.9", 400],
    ["application/json, application/graphql-response+json;q=0.5", 200],
    ["application/json", 200],
    ["*/*", 200],
  ] as const) {
    const headers = { accept, "content-type": "application/json" };
    const answer = await ask({ method: "POST", headers, body: JSON.stringify(body) });
    expect(answer.status, accept).toBe(status);
    const told = JSON.parse(withoutCost(await answer.text())) as unknown;
    expect(told).toEqual({ errors: [expect.objectContaining({ extensions: { code: "BAD_INPUT" } })] });
  }
});

test("a type that nobody writes is a 406, however often it is asked for", async () => {
  const headers = { accept: "text/html", "content-type": "application/json" };
  const body = JSON.stringify({ query: "{ campaigns(first: 1) { totalCount } }" });
  for (let time = 0; time < 4; time++) expect((await ask({ method: "POST", headers, body })).status).toBe(406);
});

test("a null that a variable brings where none may be is BAD_INPUT, at the same place however often it comes", async () => {
  const query = `query ($basis: Basis) {
    kpis(range: { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }, basis: $basis) { metrics { sent { unique } } }
  }`;
  const body = JSON.stringify({ query, variables: { basis: null } });
  for (let time = 0; time < 4; time++) {
    const answer = await ask({ method: "POST", headers: { "content-type": "application/json" }, body });
    expect(answer.status).toBe(400);
    expect(JSON.parse(withoutCost(await answer.text()))).toMatchObject({
      errors: [
        {
          message: 'Argument "basis" of non-null type "Basis!" must not be null.',
          locations: [{ line: 2, column: 86 }],
          path: ["kpis"],
          extensions: { code: "BAD_INPUT" },
        },
      ],
    });
  }
});

test.each([
  ["a DateTime", '{ kpis(range: { from: "x", to: "2026-11-01T00:00:00Z" }) { timeZone } }', 23],
  [
    "a TimeZone",
    '{ campaigns { nodes { series(granularity: DAY, timeZone: "Mars", range: { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }) { start } } } }',
    58,
  ],
])("%s in a document that is none is told with its place", async (_what, query, column) => {
  const answer = await ask({
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { errors } = (await answer.json()) as { errors: readonly unknown[] };
  expect(errors).toContainEqual(expect.objectContaining({ locations: [{ line: 1, column }] }));
});

test("an error of a resolver that leaves no data, and a call that is not well-formed, keep their status in plain JSON", async () => {
  const headers = { accept: "application/json", "content-type": "application/json" };
  const badInput = JSON.stringify({ query: `{ campaigns(first: 1000) { nodes { id } } }` });
  expect((await ask({ method: "POST", headers, body: badInput })).status).toBe(400);
  expect((await ask({ method: "POST", headers, body: "{}" })).status).toBe(400);
  expect((await ask({ method: "POST", headers, body: "{" })).status).toBe(400);
});

test("a mutation by GET is refused by its method, and the answer names the right one", async () => {
  const search = `?query=${encodeURIComponent("mutation { archiveCampaign(id: 1) { campaign { id } } }")}`;
  const answer = await ask({ search, headers: { "apollo-require-preflight": "1" } });
  expect(answer.status).toBe(405);
  expect(answer.headers.get("allow")).toBe("POST");
});

test("every answer has its request's id, whatever it is", async () => {
  const post = { method: "POST", headers: { "content-type": "application/json" } };
  const answers = [
    [200, await ask({ ...post, body: '{"query":"{ viewer { scopes } }"}' })],
    [200, await ask({ ...post, body: '{"query":"{ nothing }"}' })],
    [400, await ask({ ...post, body: "{" })],
    [401, await ask({ ...post, headers: { ...post.headers, authorization: "Bearer nobody" }, body: "{}" })],
    [404, await fetch(`${product.url}/nowhere`)],
    [405, await ask({ method: "PUT" })],
    [406, await ask({ ...post, headers: { ...post.headers, accept: "text/html" }, body: '{"query":"{__typename}"}' })],
    [413, await ask({ ...post, body: JSON.stringify({ query: " ".repeat(5_000_000) }) })],
    [415, await ask({ ...post, headers: { "content-type": "text/plain" }, body: "{}" })],
    [200, await fetch(`${product.url}/healthz`)],
  ] as const;
  expect(answers.map(([, answer]) => answer.status)).toEqual(answers.map(([status]) => status));
  const ids = answers.map(([, answer]) => answer.headers.get("x-request-id"));
  for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Set(ids).size).toBe(answers.length);
});
