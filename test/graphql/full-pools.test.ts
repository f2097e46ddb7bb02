import { afterAll, beforeAll, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct({ env: { DATABASE_POOL_SIZE: "3", WORKER_CONCURRENCY: "1" } });
  ({ key } = await product.createTenant());
  const common = { type: "SENT", recipient: "a@example.com", occurredAt: "2026-10-30T10:00:00Z" };
  await recordEvents(
    product,
    key,
    ["c1", "c2", "c3"].map((campaignExternalId) => ({ ...common, campaignExternalId })),
  );
  await product.settled(key);
});
afterAll(() => product.stop());

test("many more requests than connections are all answered, whichever database each of them reads first", async () => {
  const range = (day: number) =>
    `{ from: "2026-09-${String(day).padStart(2, "0")}T00:00:00Z", to: "2026-11-01T00:00:00Z" }`;
  const { data } = await product.graphql<{ campaigns: { nodes: { id: string }[] } }>(
    key,
    "{ campaigns { nodes { id } } }",
  );
  // Each asks for something else, so that none is answered by another one's loads.
  const queries = Array.from({ length: 20 }, (_, n) => [
    `{ events(filter: { occurredAt: ${range(n + 1)} }) { nodes { id campaign { name metrics(range: ${range(n + 1)}) { sent { unique } } } } } }`,
    `{ campaigns { nodes { name metrics(range: ${range(n + 1)}) { sent { total } } events(first: ${n + 1}) { nodes { id } } } } }`,
    `{ campaign(id: "${data.campaigns.nodes[n % 3]!.id}") { metrics(range: ${range(n + 1)}) { delivered { total } } events(first: ${n + 1}) { nodes { id } } } }`,
    `{ kpis(range: ${range(n + 1)}) { freshness { pendingEvents } metrics { sent { unique } } } }`,
  ]).flat();
  const answers = await Promise.all(queries.map((query) => product.graphql(key, query)));
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
});

test("requests that share a load go on, whoever of them holds a turn to read and whoever has none yet", async () => {
  for (let day = 1; day <= 10; day++) {
    // Numbers that nobody has asked for before.
    const kpis = `kpis(range: { from: "2026-08-${String(day).padStart(2, "0")}T00:00:00Z", to: "2026-11-01T00:00:00Z" })`;
    const numbers = "metrics { sent { total } }";
    const queries = [
      `{ ${kpis} { ${numbers} freshness { pendingEvents } } }`,
      `{ ${kpis} { ${numbers} } }`,
      `{ ${kpis} { freshness { pendingEvents } ${numbers} } }`,
    ];
    const answers = await Promise.all(queries.map((query) => product.graphql(key, query)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  }
});
