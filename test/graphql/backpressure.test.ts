import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { work } from "../../src/work.js";
import { type Product, startProduct } from "../support/product.js";
import { RECORD_EVENTS, type RecordedEvents, recordEvents } from "../support/record-events.js";
import { withoutCost } from "../support/told-cost.js";

const names: string[] = [];
let product: Product;
let full: string;
let other: string;

const sent = (count: number, name = "c") =>
  Array.from({ length: count }, (_, index) => ({
    type: "SENT",
    campaignExternalId: "c",
    recipient: `${name}${index}@example.com`,
    occurredAt: "2026-11-01T10:00:00Z",
  }));

beforeAll(async () => {
  product = await startProduct({
    worker: false,
    env: { MAX_WAITING_EVENTS_PER_TENANT: "10" },
    onStatement: (name) => names.push(name),
  });
});
afterAll(() => product.stop());
beforeEach(async () => {
  [{ key: full }, { key: other }] = [await product.createTenant(), await product.createTenant()];
  await recordEvents(product, full, sent(10));
});

test("past its mark recordEvents answers OVERLOADED, 503 and when to come again, and records nothing", async () => {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${full}` },
    body: JSON.stringify({ query: RECORD_EVENTS, variables: { input: { events: sent(1, "late") } } }),
  });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(JSON.parse(withoutCost(await response.text()))).toEqual({
    data: null,
    errors: [
      {
        message: expect.stringContaining("Nothing of this call was recorded; send it again in 1 second."),
        path: ["recordEvents"],
        locations: expect.anything(),
        extensions: { code: "OVERLOADED", retryAfter: 1 },
      },
    ],
  });
  await recordEvents(product, other, sent(1));
  const { text } = await product.runtime.telemetry.render();
  expect(text).toContain('mailtally_calls_refused_total{scope="tenant",measure="count"} 1');
});

test("a tenant at its mark reads at the cost of any other", async () => {
  const costOf = async (key: string): Promise<string[]> => {
    const query = `{ campaigns(first: 5) { nodes { name } }
      kpis(range: { from: "2026-10-20T00:00:00Z", to: "2026-11-19T00:00:00Z" }) {
        metrics { sent { unique } } freshness { pendingEvents } } }`;
    names.length = 0;
    const { errors } = await product.graphql(key, query);
    expect(errors).toBeUndefined();
    return names.filter((name) => !/^(?:api_keys|tenants|inbox)\./.test(name)).toSorted();
  };
  const refused = Array.from({ length: 20 }, () =>
    product.graphql(full, RECORD_EVENTS, { input: { events: sent(1) } }),
  );
  const cost = await costOf(full);
  expect((await Promise.all(refused)).map(({ status }) => status)).toEqual(Array(20).fill(503));
  expect(cost).not.toEqual([]);
  expect(cost).toEqual(await costOf(other));
});

test("when workers come everything acknowledged counts, and the refused call is taken when it is sent again", async () => {
  const record = () => product.graphql<RecordedEvents>(full, RECORD_EVENTS, { input: { events: sent(5, "again") } });
  expect((await record()).status).toBe(503);
  const working = work(product.runtime);
  try {
    await product.settled(full);
    await expect.poll(async () => (await record()).status, { timeout: 10_000 }).toBe(200);
    await product.settled(full);
  } finally {
    await working.stop();
  }
  const { data } = await product.graphql<{ campaign: { metrics: { sent: { total: number } } } }>(
    full,
    `{ campaign(externalId: "c") { metrics { sent { total } } } }`,
  );
  expect(data.campaign.metrics.sent.total).toBe(15);
});
