import { createHash, randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { pino } from "pino";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { addressOf } from "../../src/cache/cache-key.js";
import { RedisLayer } from "../../src/cache/redis-layer.js";
import type { Pool } from "../../src/database/pool.js";
import { freePort } from "../../src/database/embedded-port.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { startRedis, type StartedRedis, testRedisUrl } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";
import { createTenant, questionOf, silent, testCache, testPool, testRedisLayer } from "../support/cache-rig.js";

let databases: TestDatabases;
beforeAll(async () => {
  databases = await createTestDatabases();
});
afterAll(() => databases.drop());

/** Far more than the requests need, and far less than they need when each of them waits for Redis. */
const FAST_ENOUGH_MS = 8_000;
const REQUESTS = 300;

async function ownRedis(port?: number): Promise<StartedRedis> {
  const redis = await startRedis(port);
  onTestFinished(() => redis.stop());
  return redis;
}

async function readyLayer(url: string): Promise<RedisLayer> {
  const layer = testRedisLayer(url);
  await waitFor(() => layer.ping(), { what: "Redis" });
  return layer;
}

/** Asks many different questions one after another; all must be answered, each rightly, and in time. */
async function answerMany(
  pool: Pool<"metrics">,
  redis: RedisLayer,
  during?: (asked: number) => unknown,
): Promise<void> {
  const cache = testCache(pool, { redis });
  const tenant = await createTenant(pool);
  const started = performance.now();
  for (let campaign = 0; campaign < REQUESTS; campaign++) {
    await during?.(campaign);
    const answer = await cache.getOrLoad(questionOf(tenant, { args: { campaign } }), "CLOSED", async () => campaign);
    expect(answer).toEqual({ value: campaign, ageSeconds: null });
  }
  expect(performance.now() - started).toBeLessThan(FAST_ENOUGH_MS);
}

/** Whether what one process stores is found by another. */
async function expectSharing(pool: Pool<"metrics">, redis: RedisLayer): Promise<void> {
  await waitFor(
    async () => {
      const [one, other] = [testCache(pool, { redis }), testCache(pool, { redis })];
      const asked = questionOf(await createTenant(pool));
      await one.getOrLoad(asked, "CLOSED", async () => 1);
      const { value } = await other.getOrLoad<number>(asked, "CLOSED", async () => 2);
      return value === 1 && other.layers[0] === "redis";
    },
    { what: "an answer shared through Redis" },
  );
}

test("another process finds the answer in Redis, with its age, and keeps it", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const redis = await readyLayer(testRedisUrl());
  let now = 1_000_000;
  const [one, other] = [1, 2].map(() => testCache(pool, { redis, now: () => now })) as [
    ReturnType<typeof testCache>,
    ReturnType<typeof testCache>,
  ];
  const question = questionOf(await createTenant(pool));
  const answer = { opened: 3, rate: 0.25, days: ["2026-11-20", null] };
  await one.getOrLoad(question, "CLOSED", async () => answer);
  await waitFor(() => redis.get(addressOf({ ...question, version: 0 })), { what: "the answer to arrive" });

  now += 2_000;
  const never = () => Promise.reject<typeof answer>(new Error("loaded"));
  expect(await other.getOrLoad(question, "CLOSED", never)).toEqual({ value: answer, ageSeconds: 2 });
  expect(await other.getOrLoad(question, "CLOSED", never)).toEqual({ value: answer, ageSeconds: 2 });
  expect(other.layers).toEqual(["redis", "process"]);
});

test("Redis holds nothing readable but the tenant and the answer, and lets go of it by itself", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const own = await ownRedis();
  const redis = await readyLayer(own.url);
  const cache = testCache(pool, { redis });
  const hidden = { authority: "secret authority", args: { address: "ann@example.org" } };
  const question = questionOf(await createTenant(pool), hidden);
  await cache.getOrLoad(question, "OPEN", async () => 7);

  const client = new Redis(own.url);
  onTestFinished(() => client.disconnect());
  const [found] = await waitFor(async () => ((await client.dbsize()) > 0 ? client.keys("*") : null), { what: "a key" });
  expect(found).toMatch(new RegExp(`^mailtally:${question.tenantId}:[\\w-]{43}$`));
  const leftMs = await client.pttl(found ?? "");
  expect(leftMs).toBeGreaterThan(0);
  expect(leftMs).toBeLessThanOrEqual(30_000);
});

test.for(["no JSON", "null", "7", '{"value":1}', '{"storedAt":1,"expiresAt":9e15}'])(
  "what lies in Redis and is no answer is a miss: %s",
  async (text) => {
    const { pool } = testPool(databases.metricsUrl);
    const redis = await readyLayer(testRedisUrl());
    const cache = testCache(pool, { redis });
    const question = questionOf(await createTenant(pool));
    const address = addressOf({ ...question, version: 0 });
    redis.set(address, text, 60_000);
    await waitFor(() => redis.get(address), { what: "the text to arrive" });
    expect(await cache.getOrLoad(question, "OPEN", async () => "loaded")).toEqual({
      value: "loaded",
      ageSeconds: null,
    });
  },
);

test("without a Redis at the address, answers are right and prompt, and the log is not flooded", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const lines: string[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  const redis = new RedisLayer({ url: `redis://127.0.0.1:${await freePort()}`, log });
  onTestFinished(() => redis.stop());
  await answerMany(pool, redis);
  expect(await redis.ping()).toBe(false);
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.length).toBeLessThanOrEqual(2);
});

test("a Redis that is killed in the middle costs no answer, and is used again when it is back", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const own = await ownRedis();
  const redis = await readyLayer(own.url);
  await answerMany(pool, redis, (asked) => (asked === 50 ? own.kill() : undefined));
  expect(await redis.ping()).toBe(false);

  await ownRedis(Number(new URL(own.url).port));
  await waitFor(() => redis.ping(), { what: "Redis" });
  await expectSharing(pool, redis);
});

test("a Redis that freezes in the middle costs no answer and hardly any time, and is used again when it thaws", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const own = await ownRedis();
  const redis = await readyLayer(own.url);
  await answerMany(pool, redis, (asked) => (asked === 50 ? own.freeze() : undefined));
  expect(await redis.ping()).toBe(false);

  own.thaw();
  await expectSharing(pool, redis);
});

test("of the requests to a frozen Redis one waits its time limit, and the next ones do not wait", async () => {
  const own = await ownRedis();
  const commandTimeoutMs = 500;
  const redis = new RedisLayer({ url: own.url, log: silent, commandTimeoutMs });
  onTestFinished(() => redis.stop());
  await waitFor(() => redis.ping(), { what: "Redis" });
  own.freeze();
  expect(await redis.get("mailtally:any")).toBeNull();

  const started = performance.now();
  for (let request = 0; request < 10; request++) expect(await redis.get("mailtally:any")).toBeNull();
  expect(performance.now() - started).toBeLessThan(commandTimeoutMs);
});

test("a command to a frozen Redis ends at its time limit, not with the connection", async () => {
  const own = await ownRedis();
  const redis = await readyLayer(own.url);
  own.freeze();
  const started = performance.now();
  expect(await redis.get("mailtally:any")).toBeNull();
  expect(performance.now() - started).toBeLessThan(1_500);
});

test("a stall of the server's own, however long, is not taken for a Redis that does not answer", async () => {
  const commandTimeoutMs = 200;
  const redis = new RedisLayer({ url: testRedisUrl(), log: silent, commandTimeoutMs });
  onTestFinished(() => redis.stop());
  await waitFor(() => redis.ping(), { what: "Redis" });
  const key = `mailtally:test:${randomUUID()}`;
  redis.set(key, "here", 60_000);
  const lua = "return 1";
  const script = { lua, sha: createHash("sha1").update(lua).digest("hex") };
  const stalled = Promise.all([redis.get(key), redis.getBytes(key), redis.run(script, key, []), redis.ping()]);
  const until = performance.now() + 2 * commandTimeoutMs;
  while (performance.now() < until);
  expect(await stalled).toEqual(["here", Buffer.from("here"), 1, true]);
  expect(await redis.get(key)).toBe("here");
});

test("a stampede while Redis is frozen is one load, and a Redis frozen from the start is no Redis", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const own = await ownRedis();
  const met = await readyLayer(own.url);
  own.freeze();
  const unmet = testRedisLayer(own.url);
  for (const redis of [met, unmet]) {
    const cache = testCache(pool, { redis });
    const question = questionOf(await createTenant(pool));
    let loads = 0;
    const load = async () => ++loads;
    const answers = await Promise.all(Array.from({ length: 100 }, () => cache.getOrLoad(question, "OPEN", load)));
    expect(new Set(answers.map(({ value }) => value))).toEqual(new Set([1]));
  }
  own.thaw();
  await expectSharing(pool, unmet);
});
