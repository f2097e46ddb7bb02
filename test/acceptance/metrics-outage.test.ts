import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { RECORD_EVENTS, type RecordedEvents } from "../support/record-events.js";
import { type SeverableProxy, startSeverableProxy } from "../support/severable-proxy.js";
import { waitFor } from "../support/wait-for.js";

let proxy: SeverableProxy;
let product: Product;
beforeAll(async () => {
  product = await startProduct({
    metricsUrl: async (directUrl) => {
      proxy = await startSeverableProxy(directUrl);
      return proxy.url;
    },
  });
});
afterAll(async () => {
  await product.stop();
  await proxy.stop();
});

const record = (key: string, recipient: string, campaignExternalId: string) =>
  product.graphql<RecordedEvents>(key, RECORD_EVENTS, {
    input: { events: [{ type: "SENT", campaignExternalId, recipient, occurredAt: "2026-11-01T10:00:00Z" }] },
  });

const RANGE = `{ from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }`;
const KPIS = `{ kpis(range: ${RANGE}) { metrics { sent { total } } } }`;
const EVENTS = `{ events(filter: { occurredAt: ${RANGE} }) { nodes { id } } }`;

test("without the metrics database events are accepted, reads say so, and afterwards everything is counted", async () => {
  const { tenantId, key } = await product.createTenant();
  const writer = await product.createKey(tenantId, ["WRITE_EVENTS"]);
  await record(key, "a@example.com", "old");
  await record(writer, "b@example.com", "old");
  await product.settled(key);
  const before = await product.graphql(key, KPIS);
  expect(before.data).toEqual({ kpis: { metrics: { sent: { total: 2 } } } });

  await proxy.sever();
  // A key stays known for half a second, and events are read from the other database.
  await waitFor(async () => (await product.graphql(key, EVENTS)).status === 503, { what: "the outage to be noticed" });
  for (const [writing, name] of [
    [key, "c"],
    [writer, "d"],
  ] as const) {
    for (const campaign of ["old", "made-meanwhile"]) {
      const { data } = await record(writing, `${name}@example.com`, campaign);
      expect(data.recordEvents).toMatchObject({ acceptedCount: 1, refused: [], receipt: { status: "QUEUED" } });
    }
  }
  const reads = [
    KPIS,
    "{ campaigns { nodes { id } } }",
    "{ viewer { scopes } }",
    EVENTS,
    `mutation { createCampaign(input: { name: "n" }) { userErrors { code } } }`,
    `mutation { createApiKey(input: { name: "n", scopes: [READ_METRICS] }) { secret userErrors { code } } }`,
  ];
  for (const query of reads) {
    const { status, errors } = await product.graphql(key, query);
    expect([status, errors?.map((error) => error.extensions)], query).toEqual([
      503,
      [{ code: "UNAVAILABLE", retryAfter: 1 }],
    ]);
  }
  const forbidden = await product.graphql(writer, KPIS);
  expect(forbidden.errors?.[0]?.extensions).toEqual({ code: "FORBIDDEN" });
  expect((await fetch(`${product.url}/healthz`)).status).toBe(200);
  // Still ready: it takes events.
  const ready = await fetch(`${product.url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    200,
    expect.objectContaining({ status: "degraded", dependencies: expect.objectContaining({ metrics: false }) }),
  ]);

  await proxy.restore();
  await product.settled(key);
  expect((await product.graphql(key, KPIS)).data).toEqual({ kpis: { metrics: { sent: { total: 6 } } } });
  const made = await product.graphql(key, `{ campaign(externalId: "made-meanwhile") { metrics { sent { total } } } }`);
  expect(made.data).toEqual({ campaign: { metrics: { sent: { total: 2 } } } });
});
