import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { JsonValue } from "../../src/cache/json-value.js";
import { AbandonedWork } from "../../src/cache/single-flight.js";
import { TenantStates } from "../../src/tenancy/tenant-states.js";
import { DEFAULT_TTL_SECONDS, type TtlClass } from "../../src/cache/ttl-class.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { testRedisUrl } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";
import {
  createTenant,
  moveVersion,
  newTenantId,
  questionOf,
  testCache,
  testPool,
  testRedisLayer,
} from "../support/cache-rig.js";

let databases: TestDatabases;
beforeAll(async () => {
  databases = await createTestDatabases();
});
afterAll(() => databases.drop());

/** Counts how often it loads, and gives that count. */
function counter(): () => Promise<number> {
  let loads = 0;
  return async () => ++loads;
}

test("an answer is loaded once and then served, with its age", async () => {
  const { pool } = testPool(databases.metricsUrl);
  let now = 1_000_000;
  const cache = testCache(pool, { now: () => now });
  const question = questionOf(await createTenant(pool));
  const load = counter();

  expect(await cache.getOrLoad(question, "CLOSED", load)).toEqual({ value: 1, ageSeconds: null });
  now += 1_500;
  expect(await cache.getOrLoad(question, "CLOSED", load)).toEqual({ value: 1, ageSeconds: 1.5 });
  expect(cache.layers).toEqual(["miss", "process"]);
});

test("the next read after a tenant's version moved loads again, and other tenants keep their answers", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool);
  const [question, other] = [questionOf(await createTenant(pool)), questionOf(await createTenant(pool))];
  const [load, loadOther] = [counter(), counter()];
  await Promise.all([cache.getOrLoad(question, "CLOSED", load), cache.getOrLoad(other, "CLOSED", loadOther)]);

  await moveVersion(pool, question.tenantId);

  expect((await cache.getOrLoad(question, "CLOSED", load)).value).toBe(2);
  expect((await cache.getOrLoad(other, "CLOSED", loadOther)).value).toBe(1);
});

test("with readings reused as in production, a moved version is seen as soon as the reading is too old", async () => {
  const { pool } = testPool(databases.metricsUrl);
  let clock = 0;
  const cache = testCache(pool, { stateOptions: { maxAgeMs: 25, now: () => clock } });
  const question = questionOf(await createTenant(pool));
  const load = counter();
  await cache.getOrLoad(question, "CLOSED", load);
  await moveVersion(pool, question.tenantId);
  clock += 25.1;
  expect((await cache.getOrLoad(question, "CLOSED", load)).value).toBe(2);
});

test("whoever asks under the version from now on is not served what was stored under a reading from before", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool, { stateOptions: { maxAgeMs: 25, now: () => 0 } });
  const question = questionOf(await createTenant(pool));
  const load = counter();
  await cache.getOrLoad(question, "CLOSED", load);
  await moveVersion(pool, question.tenantId);
  expect((await cache.getOrLoad(question, "CLOSED", load)).value).toBe(1);
  expect((await cache.getOrLoad(question, "CLOSED", load, { versionFromNowOn: true })).value).toBe(2);
});

test("a tenant that does not exist has no cached answers, and nothing is loaded for it", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool);
  const load = counter();
  await expect(cache.getOrLoad(questionOf(newTenantId()), "CLOSED", load)).rejects.toThrow("no such tenant");
  expect(await load()).toBe(1);
});

test("a load that runs while the version moves is not shared with those who know the new version, nor found by them", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool);
  const question = questionOf(await createTenant(pool));
  const slow = Promise.withResolvers<string>();
  const started = Promise.withResolvers<void>();
  const before = cache.getOrLoad(question, "CLOSED", () => {
    started.resolve();
    return slow.promise;
  });
  await started.promise;
  await moveVersion(pool, question.tenantId);

  expect((await cache.getOrLoad(question, "CLOSED", async () => "after")).value).toBe("after");
  slow.resolve("before");
  expect((await before).value).toBe("before");
  expect((await cache.getOrLoad(question, "CLOSED", async () => "again")).value).toBe("after");
});

test("no answer is older than what was committed before it was asked for, in two processes while the data changes", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const url = testRedisUrl();
  const redisLayers = [testRedisLayer(url), testRedisLayer(url)];
  for (const redis of redisLayers) await waitFor(() => redis.ping(), { what: "Redis" });
  const caches = redisLayers.map((redis) => testCache(pool, { redis }));
  const question = questionOf(await createTenant(pool));
  const data = new TenantStates({ pool, maxAgeMs: 0 });
  const load = async () => (await data.read(question.tenantId)).version;
  const changes = { committed: 0, wanted: 40 };
  let answers = 0;
  const change = async () => {
    while (changes.committed < changes.wanted) {
      await waitFor(() => answers >= changes.committed * 20, { what: "answers between two changes" });
      changes.committed = await moveVersion(pool, question.tenantId);
    }
  };
  const ask = async (cache: (typeof caches)[number]) => {
    while (changes.committed < changes.wanted) {
      const atLeast = changes.committed;
      const { value } = await cache.getOrLoad(question, "CLOSED", load);
      expect(value).toBeGreaterThanOrEqual(atLeast);
      answers++;
    }
  };
  await Promise.all([change(), ...caches.flatMap((one) => [ask(one), ask(one), ask(one)])]);
  // Or else nothing was shown but that loading works.
  expect(new Set(caches.flatMap(({ layers }) => layers))).toEqual(new Set(["miss", "process", "redis"]));
});

test("whatever differs in authority, question, arguments or tenant shares no answer", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool);
  const tenant = await createTenant(pool);
  const questions = [
    questionOf(tenant),
    questionOf(await createTenant(pool)),
    questionOf(tenant, { authority: "key 1, READ_METRICS, READ_EVENTS" }),
    questionOf(tenant, { authority: "key 2, READ_METRICS" }),
    questionOf(tenant, { name: "series" }),
    questionOf(tenant, { args: { campaign: 2 } }),
    questionOf(tenant, { args: { campaign: "1" } }),
    questionOf(tenant, { args: { campaign: 1, tag: null } }),
  ];
  for (const [position, question] of questions.entries()) {
    expect((await cache.getOrLoad(question, "CLOSED", async () => position)).value).toBe(position);
  }
  expect(cache.layers).toEqual(questions.map(() => "miss"));
  for (const [position, question] of questions.entries()) {
    expect((await cache.getOrLoad(question, "CLOSED", async () => -1)).value).toBe(position);
  }
});

test("a stampede of 100 is one load, and one statement that reads the version", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const cache = testCache(pool, { redis: testRedisLayer(testRedisUrl()) });
  const question = questionOf(await createTenant(pool));
  const load = counter();
  const answers = await Promise.all(Array.from({ length: 100 }, () => cache.getOrLoad(question, "OPEN", load)));
  expect(answers).toEqual(Array.from({ length: 100 }, () => ({ value: 1, ageSeconds: null })));
  expect(cache.layers.filter((layer) => layer === "miss")).toHaveLength(1);
  expect(statements).toEqual(["test.insert_tenant", "tenants.read_states"]);
});

test("a failed load reaches all who wait for it and is not kept", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool);
  const question = questionOf(await createTenant(pool));
  let loads = 0;
  const failing = async (): Promise<string> => {
    loads++;
    throw new Error("no such table");
  };
  const failed = await Promise.allSettled(Array.from({ length: 10 }, () => cache.getOrLoad(question, "OPEN", failing)));
  expect(failed.map((one) => one.status === "rejected" && String(one.reason))).toEqual(
    Array.from({ length: 10 }, () => "Error: no such table"),
  );
  expect(loads).toBe(1);
  expect(await cache.getOrLoad(question, "OPEN", async () => "well")).toEqual({ value: "well", ageSeconds: null });
});

test.for<TtlClass>(["OPEN", "RECENT", "CLOSED"])(
  "an answer about a range that is %s is gone when its time is over",
  async (ttlClass) => {
    const { pool } = testPool(databases.metricsUrl);
    let now = 5_000_000;
    const redis = testRedisLayer(testRedisUrl());
    await waitFor(() => redis.ping(), { what: "Redis" });
    const [one, other] = [testCache(pool, { redis, now: () => now }), testCache(pool, { redis, now: () => now })];
    const question = questionOf(await createTenant(pool));
    const load = counter();
    await one.getOrLoad(question, ttlClass, load);

    now += DEFAULT_TTL_SECONDS[ttlClass] * 1000 - 1;
    expect((await one.getOrLoad(question, ttlClass, load)).value).toBe(1);
    // Time spent in Redis counts: what this process takes over there lives no longer than the rest.
    await waitFor(async () => (await other.getOrLoad(question, ttlClass, load)).value === 1, { what: "the answer" });
    expect(other.layers).toEqual(["redis"]);
    now += 1;
    expect((await one.getOrLoad(question, ttlClass, load)).value).toBe(2);
    expect((await other.getOrLoad(question, ttlClass, load)).value).not.toBe(1);
  },
);

test("an answer that is to be kept for no time is loaded each time, and Redis, which would refuse it, is not sent it", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const [redis, watcher] = [testRedisLayer(testRedisUrl()), new Redis(testRedisUrl())];
  onTestFinished(() => watcher.disconnect());
  await waitFor(() => redis.ping(), { what: "Redis" });
  const cache = testCache(pool, { redis, ttlSeconds: { ...DEFAULT_TTL_SECONDS, OPEN: 0 } });
  const question = questionOf(await createTenant(pool));
  const seen: string[] = [];
  const monitor = await watcher.monitor();
  onTestFinished(() => monitor.disconnect());
  monitor.on("monitor", (_time: string, [command = "", key = ""]: string[]) => {
    if (key.includes(question.tenantId)) seen.push(command.toLowerCase());
  });
  const load = counter();
  for (const value of [1, 2]) {
    expect(await cache.getOrLoad(question, "OPEN", load)).toEqual({ value, ageSeconds: null });
  }
  redis.set(`the end of ${question.tenantId}`, "", 1_000);
  await waitFor(() => seen.includes("set"), { what: "the last command" });
  expect(seen).toEqual(["get", "get", "set"]);
});

test("a caller cannot change what others are served", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool);
  const question = questionOf(await createTenant(pool));
  const { value } = await cache.getOrLoad(question, "OPEN", async () => ({ rows: [{ opened: 1 }] }));
  expect(() => value.rows.push({ opened: 2 })).toThrow(TypeError);
  expect(() => Object.assign(value.rows[0] ?? {}, { opened: 2 })).toThrow(TypeError);
});

test("the process keeps no more bytes than it may", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const tenant = await createTenant(pool);
  const question = (campaign: number) => questionOf(tenant, { args: { campaign } });
  const ask = async (cache: ReturnType<typeof testCache>, campaign: number, value: JsonValue) =>
    cache.getOrLoad(question(campaign), "CLOSED", async () => value);

  const small = testCache(pool, { maxBytes: 50_000 });
  const large = "x".repeat(10_000);
  for (const campaign of [1, 2, 3, 2, 1]) await ask(small, campaign, large);
  expect(small.layers).toEqual(["miss", "miss", "miss", "process", "miss"]);
  expect((await ask(small, 4, large.repeat(10))).value).toHaveLength(100_000);
  expect((await ask(small, 1, large)).ageSeconds).not.toBeNull();

  const none = testCache(pool, { maxBytes: 0 });
  for (const campaign of [1, 1]) expect(await ask(none, campaign, campaign)).toEqual({ value: 1, ageSeconds: null });
  expect(none.layers).toEqual(["miss", "miss"]);
});

test("who joined a load that its own request has given up loads by itself, once for all of them", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const cache = testCache(pool);
  const question = questionOf(await createTenant(pool));
  const { promise: givenUp, reject: giveUp } = Promise.withResolvers<number>();
  const began = Promise.withResolvers<void>();
  const first = cache.getOrLoad(question, "CLOSED", () => {
    began.resolve();
    return givenUp;
  });
  await began.promise;
  const load = counter();
  const others = [1, 2, 3].map(() => cache.getOrLoad(question, "CLOSED", load));
  giveUp(new AbandonedWork("The request has ended"));
  await expect(first).rejects.toThrow("The request has ended");
  expect((await Promise.all(others)).map(({ value }) => value)).toEqual([1, 1, 1]);
});

test("with the database away nothing is served, however fresh", async () => {
  const own = await createTestDatabases();
  const { pool } = testPool(own.metricsUrl);
  const cache = testCache(pool);
  const question = questionOf(await createTenant(pool));
  const load = counter();
  await cache.getOrLoad(question, "CLOSED", load);
  await own.drop();
  await expect(cache.getOrLoad(question, "CLOSED", load)).rejects.toThrow(/does not exist|terminat/i);
  expect(await load()).toBe(2);
});
