/** STORE_ADDRESSES=off: recipients are known by their keys alone, and everything counts as it would with addresses. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TenantId } from "../../src/ids.js";
import { poisoned, slipIn } from "../ingest/dead-letters/poison.js";
import { type Product, startProduct } from "../support/product.js";
import { type EventFields, RECORD_EVENTS, type RecordedEvents, recordEvents } from "../support/record-events.js";
import { startRedis, type StartedRedis } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";
import { everythingStored, tablesWith } from "./everything-stored.js";
import { eventsOf } from "./person.js";

const PEOPLE = ["ann", "bob", "joann"];
const RANGE = { from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z" };
const EVENTS = PEOPLE.flatMap((name) => [...eventsOf(name), ...eventsOf(name, "autumn")]) as unknown as EventFields[];
const ADDRESSES = PEOPLE.flatMap((name) => [`${name}@example.org`, `${name}%40example.org`]);

interface Side {
  readonly product: Product;
  readonly key: string;
  readonly tenantId: TenantId;
}
let redis: StartedRedis;
let without: Side;
let beside: Side;

async function start(env: Readonly<Record<string, string>>): Promise<Side> {
  const product = await startProduct({ env });
  const { key, tenantId } = await product.createTenant();
  return { product, key, tenantId };
}

beforeAll(async () => {
  redis = await startRedis();
  [without, beside] = await Promise.all([
    start({ STORE_ADDRESSES: "off", REDIS_URL: redis.url }),
    start({ STORE_ADDRESSES: "on" }),
  ]);
  for (const { product, key } of [without, beside]) {
    await recordEvents(product, key, EVENTS);
    await product.settled(key);
    // Again: duplicates, by ids that were given; and once more by derived ones.
    await recordEvents(product, key, EVENTS);
    const derived = EVENTS.map(({ eventId: _eventId, ...event }) => event);
    await recordEvents(product, key, derived);
    await recordEvents(product, key, derived);
    // An answer that is kept, with a refusal in it.
    const events = [EVENTS[0], { ...EVENTS[1], occurredAt: "yesterday" }, { ...EVENTS[2], currency: "EUR" }];
    const { data } = await product.graphql<RecordedEvents>(key, RECORD_EVENTS, {
      input: { events, idempotencyKey: "once" },
    });
    if (data.recordEvents.refused.length !== 2) throw new Error(JSON.stringify(data));
    await product.settled(key);
  }
}, 60_000);
afterAll(async () => {
  await Promise.all([without.product.stop(), beside.product.stop()]);
  await redis.stop();
});

const EVERYTHING = `query ($range: DateTimeRange!, $recipient: String) {
  events(filter: { occurredAt: $range, recipient: $recipient }, first: 100) { nodes { eventId recipient metadata messageId } }
  campaigns(orderBy: { field: NAME, direction: ASC }) { nodes { name
    metrics { sent { total unique } opened { total unique } clicked { total unique } bounced { total unique }
      converted { total unique } revenue { amount } } } } }`;

interface Told {
  readonly events: { readonly nodes: readonly { readonly recipient: string }[] };
  readonly campaigns: { readonly nodes: unknown };
}
const ask = async ({ product, key }: Side, recipient: string | null = null) => {
  const { data, errors } = await product.graphql<Told>(key, EVERYTHING, { range: RANGE, recipient });
  expect(errors).toBeUndefined();
  return data;
};

test("no table of either database and nothing in Redis holds an address, whatever was asked and recorded", async () => {
  for (const name of PEOPLE) await ask(without, `${name}@example.org`);
  const stored = await everythingStored(without.product.databases);
  expect(stored.length).toBeGreaterThan(100);
  expect(tablesWith(stored, ...ADDRESSES)).toEqual([]);
  // The same search finds them where they are.
  expect(tablesWith(await everythingStored(beside.product.databases), ...ADDRESSES).length).toBeGreaterThan(10);

  const client = new Redis(redis.url);
  const kept: string[] = [];
  await waitFor(
    async () => {
      // As often as it takes for answers to be kept: a busy machine may be too slow for Redis now and then.
      await ask(without);
      const budgets = await client.keys("mailtally:cost:*");
      for (const key of budgets) kept.push(key, JSON.stringify(await client.hgetall(key)));
      const answers = (await client.keys("*")).filter(
        (key) => !budgets.includes(key) && !key.startsWith("mailtally:cost:"),
      );
      for (const key of answers) kept.push(key, (await client.getBuffer(key))?.toString("latin1") ?? "");
      return budgets.length > 0 && answers.length > 0;
    },
    { what: "answers and budgets to be kept in Redis" },
  );
  client.disconnect();
  expect(kept.filter((text) => ADDRESSES.some((address) => text.includes(address)))).toEqual([]);
});

test("every count, unique ones as well, is what it is with addresses", async () => {
  const [told, expected] = [await ask(without), await ask(beside)];
  expect(told.campaigns).toEqual(expected.campaigns);
  expect(told.events.nodes).toHaveLength(expected.events.nodes.length);
});

test("recipients are called by their keys, and found by key and by address", async () => {
  const { events } = await ask(without);
  const names = new Set(events.nodes.map(({ recipient }) => recipient));
  expect(names.size).toBe(PEOPLE.length);
  for (const name of names) expect(name).toMatch(/^key:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const ofAnn = await ask(without, "ann@example.org");
  expect(ofAnn.events.nodes.length).toBeGreaterThan(20);
  const [first] = ofAnn.events.nodes;
  expect((await ask(without, first?.recipient ?? "")).events).toEqual(ofAnn.events);
});

test("an event for a key counts as the same person's", async () => {
  const { product, key } = without;
  const [first] = (await ask(without, "bob@example.org")).events.nodes;
  const before = await ask(without);
  await recordEvents(product, key, [
    {
      type: "OPENED",
      campaignExternalId: "autumn",
      recipient: first?.recipient,
      occurredAt: "2026-11-09T00:00:00Z",
    },
  ]);
  await product.settled(key);
  const after = await ask(without);
  const uniques = ({ campaigns }: Told) =>
    (campaigns.nodes as { metrics: { opened: { total: number; unique: number } } }[]).map(
      ({ metrics }) => metrics.opened.unique,
    );
  expect(uniques(after)).toEqual(uniques(before));
});

test("a dead letter's event names its recipient by the key, and can be sent again so", async () => {
  const { product, key, tenantId } = without;
  await slipIn(product.pools.events, tenantId, [poisoned("keyed", { address: undefined })]);
  await product.settled(key);
  const { data } = await product.graphql<{ deadLetters: { nodes: { event: EventFields }[] } }>(
    key,
    "{ deadLetters { nodes { event } } }",
  );
  const [letter] = data.deadLetters.nodes;
  expect(letter?.event["recipient"]).toMatch(/^key:[0-9a-f-]{36}$/);
  const { type, recipient } = letter?.event ?? {};
  await recordEvents(product, key, [
    { type, recipient, campaignExternalId: "spring", occurredAt: "2026-11-10T00:00:00Z" },
  ]);
  await product.settled(key);
  expect((await ask(without, String(recipient))).events.nodes).toHaveLength(1);
});

test("a person is erased without an address as with one", async () => {
  const { product, key } = without;
  const { data } = await product.graphql<{ eraseRecipient: { erasure: { id: string } } }>(
    key,
    `mutation { eraseRecipient(input: { recipient: "joann@example.org" }) { erasure { id } } }`,
  );
  await waitFor(
    async () =>
      (
        await product.graphql<{ node: { completedAt: string | null } }>(
          key,
          "query ($id: ID!) { node(id: $id) { ... on RecipientErasure { completedAt } } }",
          { id: data.eraseRecipient.erasure.id },
        )
      ).data.node.completedAt,
    { what: "the erasure to be completed" },
  );
  expect((await ask(without, "joann@example.org")).events.nodes).toEqual([]);
  const names = (await ask(without)).events.nodes.map(({ recipient }) => recipient);
  expect(names.filter((name) => name === "(erased)").length).toBeGreaterThan(20);
});
