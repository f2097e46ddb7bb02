import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { AnswerCache, type WholeAnswer } from "../../src/cache/answer-cache.js";
import type { CacheLayer } from "../../src/cache/cache.js";
import type { Place } from "../../src/cache/cache-key.js";
import { KeptBody } from "../../src/cache/kept-body.js";
import { newTenantId, testRedisLayer } from "../support/cache-rig.js";
import { startRedis, testRedisUrl } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";

const answer = (text: string): WholeAnswer => ({
  contentType: "application/json; charset=utf-8",
  requestedCost: 7,
  body: new KeptBody(Buffer.from(text)),
});
const newPlace = (tenantId = newTenantId(), version = 1): Place => ({
  address: `mailtally:test:${randomUUID()}`,
  tenantId,
  version,
});
/** All of it, for comparison. */
const told = (found: WholeAnswer | null) => found && { ...found, body: found.body.plain.toString() };
const soon = () => Date.now() + 60_000;

function process(
  options: { readonly redisUrl?: string; readonly maxBytes?: number; readonly now?: () => number } = {},
) {
  const { redisUrl, maxBytes = 1_000_000, now } = options;
  const layers: CacheLayer[] = [];
  const redis = redisUrl === undefined ? null : testRedisLayer(redisUrl);
  const cache = new AnswerCache({ redis, maxBytes, onHit: (layer) => layers.push(layer), ...(now && { now }) });
  return { cache, layers };
}

/** The text of a kept answer, once there is one: what is set is only on its way to Redis. */
async function read({ cache }: { readonly cache: AnswerCache }, place: Place): Promise<WholeAnswer> {
  let found: WholeAnswer | null = null;
  await waitFor(async () => (found = await cache.get(place)) !== null, { what: "the answer" });
  return found!;
}

test("another process finds an answer in Redis, byte for byte, and keeps it", async () => {
  const place = newPlace();
  const [one, other] = [process({ redisUrl: testRedisUrl() }), process({ redisUrl: testRedisUrl() })];
  const text = '{"data":{"name":"Ünïcode\\n🦦"}}\n';
  await waitFor(
    async () => {
      one.cache.set(place, answer(text), soon());
      return (await other.cache.get(place)) !== null;
    },
    { what: "Redis" },
  );
  expect(told(await read(other, place))).toEqual(told(answer(text)));
  expect(other.layers.slice(-2)).toEqual(["redis", "process"]);
});

test("a body with other extensions has the same data, and with the same ones is the same bytes", () => {
  const body = new KeptBody(Buffer.from('{"data":{"a":"}"}}\n'));
  const first = body.with('{"cost":1}');
  expect(first.toString()).toBe('{"data":{"a":"}"},"extensions":{"cost":1}}\n');
  expect(body.with('{"cost":1}')).toBe(first);
  expect(body.with('{"cost":"}"}').toString()).toBe('{"data":{"a":"}"},"extensions":{"cost":"}"}}\n');
  expect(body.with("{}").toString()).toBe('{"data":{"a":"}"},"extensions":{}}\n');
  expect(first.toString()).toBe('{"data":{"a":"}"},"extensions":{"cost":1}}\n');
  expect(body.plain.toString()).toBe('{"data":{"a":"}"}}\n');
});

test("an answer is gone when its time is over, in the process and in Redis", async () => {
  let now = Date.now();
  const one = process({ now: () => now });
  const place = newPlace();
  one.cache.set(place, answer("{}"), now + 1_000);
  now += 999;
  expect(told(await one.cache.get(place))).toEqual(told(answer("{}")));
  now += 1;
  expect(await one.cache.get(place)).toBeNull();
  one.cache.set(place, answer("{}"), now);
  expect(await one.cache.get(place)).toBeNull();
});

describe("what lies in Redis and is no answer is a miss:", () => {
  test.each(["", "\n", "{}", "soon application/json\n{}", `${"9".repeat(500)}`, "123"])("%j", async (text) => {
    const redis = new Redis(testRedisUrl());
    onTestFinished(() => redis.disconnect());
    const one = process({ redisUrl: testRedisUrl() });
    const place = newPlace();
    await redis.set(place.address, text, "PX", 60_000);
    await waitFor(async () => (await one.cache.get(place)) === null && one.layers.length > 0, { what: "an answer" });
    expect(one.layers).toEqual(["miss"]);
  });
});

test("answers past the room there is are not kept, and a very large one never is", async () => {
  const small = process({ maxBytes: 5_000 });
  const places = [newPlace(), newPlace(), newPlace()] as const;
  for (const place of places) small.cache.set(place, answer(`{"data":"${"x".repeat(1_500)}"}`), soon());
  expect(await small.cache.get(places[0])).toBeNull();
  expect(await small.cache.get(places[2])).not.toBeNull();
  const large = process({ maxBytes: 10_000_000 });
  large.cache.set(places[0], answer(`{"data":"${"x".repeat(1_000_001)}"}`), soon());
  expect(await large.cache.get(places[0])).toBeNull();
  const none = process({ maxBytes: 0 });
  none.cache.set(places[0], answer("{}"), soon());
  expect(await none.cache.get(places[0])).toBeNull();
});

test("without Redis, as with one that dies, answers are kept in the process", async () => {
  const redis = await startRedis();
  const one = process({ redisUrl: redis.url });
  await redis.kill();
  const place = newPlace();
  one.cache.set(place, answer("{}"), soon());
  expect(told(await one.cache.get(place))).toEqual(told(answer("{}")));
});

test("a kept answer holds no more memory than its bytes, whichever block it was cut from", async () => {
  const place = newPlace();
  const [one, other] = [process({ redisUrl: testRedisUrl() }), process({ redisUrl: testRedisUrl() })];
  // Node cuts what is as small as this from a block that others share.
  const cut = Buffer.from(`{"data":"${"x".repeat(2_000)}"}`);
  expect(cut.buffer.byteLength).toBeGreaterThan(cut.length);
  const small = { ...answer("{}"), body: new KeptBody(cut) };
  await waitFor(
    async () => {
      one.cache.set(place, small, soon());
      return (await other.cache.get(place)) !== null;
    },
    { what: "Redis" },
  );
  for (const { cache } of [one, other]) {
    const { body } = await read({ cache }, place);
    for (const bytes of [body.with("{}"), body.with('{"a":1}')]) expect(bytes.buffer.byteLength).toBe(bytes.length);
  }
});
