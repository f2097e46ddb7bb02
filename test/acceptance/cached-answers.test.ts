import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { type StartedRedis, startRedis } from "../support/test-redis.js";

const QUERY = `{
  campaign(externalId: "c") { metrics { sent { total } } }
  campaigns { nodes { metrics(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }) { sent { total } } } }
  kpis(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }) { metrics { sent { total } } }
}`;

/** Records one event and asks for it at once, many times over; each answer must hold it. */
async function expectNoLag(product: Product, key: string, rounds: readonly number[]): Promise<void> {
  for (const round of rounds) {
    const occurredAt = "2026-11-01T10:00:00Z";
    await recordEvents(product, key, [
      { type: "SENT", campaignExternalId: "c", recipient: `r${round}@example.com`, occurredAt },
    ]);
    await product.settled(key);
    const metrics = { sent: { total: round } };
    for (let repeated = 0; repeated < 2; repeated++) {
      const { data, errors } = await product.graphql(key, QUERY);
      expect(errors).toBeUndefined();
      expect(data).toEqual({ campaign: { metrics }, campaigns: { nodes: [{ metrics }] }, kpis: { metrics } });
    }
  }
}

describe("a cached answer holds what freshness said is rolled up", () => {
  test("without Redis", async () => {
    const product = await startProduct();
    try {
      await expectNoLag(product, (await product.createTenant()).key, [1, 2, 3, 4, 5]);
    } finally {
      await product.stop();
    }
  });

  describe("with a Redis", () => {
    let redis: StartedRedis;
    let product: Product;
    beforeAll(async () => {
      redis = await startRedis();
      product = await startProduct({ env: { REDIS_URL: redis.url } });
    });
    afterAll(async () => {
      await product.stop();
      await redis.stop();
    });

    test("that is killed in the middle", async () => {
      const { key } = await product.createTenant();
      await expectNoLag(product, key, [1, 2, 3]);
      await redis.kill();
      await expectNoLag(product, key, [4, 5, 6]);
    });
  });

  test("with a Redis that was never there", async () => {
    const redis = await startRedis();
    await redis.kill();
    const product = await startProduct({ env: { REDIS_URL: redis.url } });
    try {
      await expectNoLag(product, (await product.createTenant()).key, [1, 2]);
    } finally {
      await product.stop();
    }
  });
});
