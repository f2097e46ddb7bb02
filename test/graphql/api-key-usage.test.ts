import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { TenantId } from "../../src/ids.js";
import { serve } from "../../src/serve.js";
import { type Product, startProduct } from "../support/product.js";

let product: Product;
let tenantId: TenantId;
/** Asks for the usage of the others. */
let manager: string;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.stop());
beforeEach(async () => {
  ({ tenantId, key: manager } = await product.createTenant());
});

interface Usage {
  readonly from: string;
  readonly to: string;
  readonly requests: number;
  readonly events: number;
  readonly days: readonly { readonly start: string; readonly requests: number; readonly events: number }[];
}

const USAGE = "from to requests events days { start requests events }";
const DAY_MS = 86_400_000;

async function makeKey(scopes: string): Promise<{ id: string; secret: string }> {
  const { data } = await product.graphql<{ createApiKey: { apiKey: { id: string }; secret: string } }>(
    manager,
    `mutation { createApiKey(input: { name: "n", scopes: [${scopes}] }) { apiKey { id } secret } }`,
  );
  return { id: data.createApiKey.apiKey.id, secret: data.createApiKey.secret };
}

function askUsage(id: string, range = "", as = manager) {
  const query = `query ($id: ID!) { node(id: $id) { ... on ApiKey { usage${range} { ${USAGE} } } } }`;
  return product.graphql<{ node: { usage: Usage } | null }>(as, query, { id });
}

async function usageOf(id: string): Promise<Usage> {
  const { data, errors } = await askUsage(id);
  expect(errors).toBeUndefined();
  if (data.node === null) throw new Error("The key exists");
  return data.node.usage;
}

async function post(url: string, secret: string, body: string): Promise<number> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${secret}` };
  const response = await fetch(`${url}/graphql`, { method: "POST", headers, body });
  await response.text();
  return response.status;
}

const asBody = (query: string, variables: unknown = {}) => JSON.stringify({ query, variables });
const event = (recipient: string) => ({
  type: "SENT",
  campaignExternalId: "c",
  recipient,
  occurredAt: "2026-11-01T10:00:00Z",
});

test("after two servers have stopped each request and each accepted event of a key is in its usage", async () => {
  const { id, secret } = await makeKey("READ_METRICS, WRITE_EVENTS");
  const other = await makeKey("READ_METRICS");
  const servers = [await serve(product.runtime), await serve(product.runtime)];
  const record = "mutation ($input: RecordEventsInput!) { recordEvents(input: $input) { acceptedCount } }";
  const good = [event("a@example.com"), event("b@example.com")];
  const calls: readonly (readonly [body: string, status: number])[] = [
    // From the third time on the answer is given again whole.
    ...Array.from({ length: 20 }, () => [asBody("{ campaigns(first: 1) { totalCount } }"), 200] as const),
    [asBody("{ viewer { scopes } }"), 200],
    [asBody("{ deadLetters(first: 1) { nodes { id } } }"), 403],
    [asBody("{ nothing }"), 200],
    ["{ no JSON", 400],
    [asBody(record, { input: { events: [...good, { ...event("no address"), campaignExternalId: "" }] } }), 200],
    // Both servers take part in the one call that counts.
    [asBody(record, { input: { events: good, idempotencyKey: "once" } }), 200],
    [asBody(record, { input: { events: good, idempotencyKey: "once" } }), 200],
  ];
  for (const { url } of servers) {
    for (const [body, status] of calls) expect(await post(url, secret, body)).toBe(status);
    expect(await post(url, `${secret.slice(0, -1)}_`, asBody("{ viewer { scopes } }"))).toBe(401);
    expect(await post(url, other.secret, asBody("{ viewer { scopes } }"))).toBe(200);
  }
  for (const server of servers) await server.stop();
  const { requests, events, days } = await usageOf(id);
  expect({ requests, events }).toEqual({ requests: 2 * calls.length, events: 2 + 2 + 2 });
  expect(days.filter((day) => day.requests > 0)).toHaveLength(1);
  expect(await usageOf(other.id)).toMatchObject({ requests: 2, events: 0 });
});

test("without a range the usage is of today and the 29 days before", async () => {
  const { id } = await makeKey("READ_METRICS");
  const { from, to, days } = await usageOf(id);
  expect(days).toHaveLength(30);
  expect(days.map(({ start }) => Date.parse(start) - Date.parse(from))).toEqual(days.map((_, day) => day * DAY_MS));
  expect(Date.parse(to) - Date.parse(from)).toBe(30 * DAY_MS);
  expect(Date.parse(to) - Date.now()).toBeGreaterThan(-60_000);
  expect(Date.parse(to) - Date.now()).toBeLessThanOrEqual(DAY_MS);
});

test("a range is widened to the days in UTC that it touches", async () => {
  const { id } = await makeKey("READ_METRICS");
  const { data } = await askUsage(
    id,
    `(range: { from: "2026-11-03T23:59:59+01:00", to: "2026-11-05T00:00:00.000001Z" })`,
  );
  expect(data.node?.usage).toMatchObject({
    from: "2026-11-03T00:00:00.000Z",
    to: "2026-11-06T00:00:00.000Z",
    days: [{ start: "2026-11-03T00:00:00.000Z" }, { start: "2026-11-04T00:00:00.000Z" }, {}],
  });
});

test.each([
  ["0001-01-01T00:00:00Z", "0001-01-01T00:00:01Z", null],
  ["9999-12-31T23:59:58Z", "9999-12-31T23:59:59Z", null],
  ["2026-01-01T00:00:00Z", "2027-02-05T00:00:00Z", null],
  ["2026-01-01T00:00:00Z", "2027-02-05T00:00:01Z", "BAD_INPUT"],
  ["2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", "BAD_INPUT"],
])("from %s to %s: %s", async (from, to, code) => {
  const { id } = await makeKey("READ_METRICS");
  const { errors } = await askUsage(id, `(range: { from: "${from}", to: "${to}" })`);
  expect(errors?.[0]?.extensions["code"] ?? null).toBe(code);
});

test("another tenant is shown neither the key nor its usage", async () => {
  const { id } = await makeKey("READ_METRICS");
  const stranger = await product.createTenant();
  expect((await askUsage(id, "", stranger.key)).data).toEqual({ node: null });
  expect((await askUsage(id, "", await product.createKey(tenantId, ["READ_METRICS"]))).data).toEqual({ node: null });
});
