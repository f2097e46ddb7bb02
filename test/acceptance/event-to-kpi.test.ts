import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.stop());

const RECORD = `mutation ($input: RecordEventsInput!) {
  recordEvents(input: $input) { acceptedCount receipt { status } refused { index code field message } }
}`;

test("what recordEvents accepts shows in the KPIs, and what it refuses is named by its index", async () => {
  const { key } = await product.createTenant();
  const common = { campaignExternalId: "spring", recipient: "ann@example.com" };
  const { data: recorded } = await product.graphql(key, RECORD, {
    input: {
      events: [
        { ...common, type: "SENT", occurredAt: "2026-11-01T10:00:00Z" },
        { ...common, type: "OPENED", occurredAt: "yesterday" },
        { ...common, type: "OPENED", occurredAt: "2026-11-01T11:00:00Z" },
      ],
    },
  });
  expect(recorded).toEqual({
    recordEvents: {
      acceptedCount: 2,
      receipt: { status: "QUEUED" },
      refused: [{ index: 1, code: "INVALID", field: "occurredAt", message: expect.any(String) }],
    },
  });
  await product.settled(key);
  const { data } = await product.graphql(
    key,
    `{ kpis(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }) {
         metrics { sent { total unique } delivered { total unique } openRate { value numerator denominator } }
       } }`,
  );
  expect(data).toEqual({
    kpis: {
      metrics: {
        sent: { total: 1, unique: 1 },
        delivered: { total: 0, unique: 1 },
        openRate: { value: 1, numerator: 1, denominator: 1 },
      },
    },
  });
});
