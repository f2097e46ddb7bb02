import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { encodeGlobalId, type TenantId } from "../../src/ids.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

let product: Product;
beforeAll(async () => {
  // Without a worker nobody tells the metrics database of the campaigns that events make.
  product = await startProduct({ worker: false });
});
afterAll(() => product.stop());

const findIdentity = defineStatement<"events", [TenantId], { campaign_id: string }>(
  "events",
  "test.find_identity",
  "select campaign_id from campaign_identities where tenant_id = $1",
);

test("a campaign that an event made a moment ago can be seen and changed", async () => {
  const { tenantId, key } = await product.createTenant();
  await recordEvents(product, key, [
    { type: "SENT", campaignExternalId: "new", recipient: "a@example.com", occurredAt: "2026-11-01T10:00:00Z" },
  ]);
  const [identity] = await writeAsWorker(product.pools.events, (session) => session.run(findIdentity(tenantId)));
  const id = encodeGlobalId("Campaign", identity?.campaign_id ?? "");
  const seen = await product.graphql(key, `{ node(id: "${id}") { ... on Campaign { name externalId } } }`);
  expect(seen.data).toEqual({ node: { name: "new", externalId: "new" } });

  const changed = await product.graphql(
    key,
    `mutation { updateCampaign(input: { id: "${id}", subject: "Hello" }) {
       campaign { name subject externalId } userErrors { code } } }`,
  );
  expect(changed.data).toEqual({
    updateCampaign: { campaign: { name: "new", subject: "Hello", externalId: "new" }, userErrors: [] },
  });
});
