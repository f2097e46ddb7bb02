import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct();
  ({ key } = await product.createTenant());
  const sent = {
    type: "SENT",
    campaignExternalId: "c",
    recipient: "a@example.com",
    occurredAt: "2026-11-01T10:00:00Z",
  };
  await recordEvents(product, key, [sent]);
  await product.settled(key);
  const owner = new Client({ connectionString: product.databases.metricsUrl });
  await owner.connect();
  await owner.query("revoke all on campaign_totals, campaign_links from mailtally_api");
  await owner.end();
});
afterAll(() => product.stop());

/** What only the server may know: SQL, names of tables and roles, places in the code. */
const INTERNALS =
  /campaign_totals|campaign_links|permission|denied|mailtally_|select |sql|postgres|\.[jt]s\b|node_modules|\bat /i;

test("a statement that fails is INTERNAL, with nothing of the server in it but the request's id", async () => {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, "x-request-id": "my-request" },
    body: JSON.stringify({ query: `{ campaigns { nodes { name metrics { sent { total } } } } }` }),
  });
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(response.headers.get("x-request-id")).toBe("my-request");
  expect(text).not.toMatch(INTERNALS);
  expect((JSON.parse(text) as { errors: unknown[] }).errors).toEqual([
    {
      message: expect.any(String),
      locations: [{ line: 1, column: 28 }],
      path: ["campaigns", "nodes", 0, "metrics"],
      extensions: { code: "INTERNAL", requestId: "my-request" },
    },
  ]);
});

test("a failed part leaves the others as they are", async () => {
  const { status, data, errors } = await product.graphql(
    key,
    `{ viewer { scopes } campaign(externalId: "c") { name links { nodes { url } } } }`,
  );
  expect(status).toBe(200);
  expect(data).toMatchObject({ viewer: { scopes: expect.any(Array) }, campaign: null });
  expect(errors?.map(({ extensions }) => extensions["code"])).toEqual(["INTERNAL"]);
  expect(JSON.stringify(errors)).not.toMatch(INTERNALS);
});

test.each([
  ["{ campagins { nodes { id } } }", 400],
  ["{ campaigns {", 400],
  ["", 400],
])("what is wrong with the document is told, and nothing else of the schema: %s", async (query, expected) => {
  const { status, errors } = await product.graphql(key, query);
  expect(status).toBe(expected);
  expect(errors?.[0]?.extensions).toEqual({ code: "BAD_INPUT" });
  expect(JSON.stringify(errors)).not.toMatch(/did you mean|stacktrace|node_modules/i);
});
