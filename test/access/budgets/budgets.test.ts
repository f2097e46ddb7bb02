import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { type Bucket, restored, secondsUntil } from "../../../src/access/budgets/bucket.js";
import { payerOf } from "../../../src/access/budgets/payer.js";
import { createPrincipal, createUserPrincipal } from "../../../src/access/principal.js";
import { type ApiKeyId, type TenantId, uuidv7 } from "../../../src/ids.js";
import { Budgets } from "../../../src/access/budgets/budgets.js";
import { RedisLayer } from "../../../src/cache/redis-layer.js";
import { freePort } from "../../../src/database/embedded-port.js";
import { silent, testRedisLayer } from "../../support/cache-rig.js";
import { PROPERTY_RUNS } from "../../support/property-runs.js";
import { startRedis, testRedisUrl } from "../../support/test-redis.js";
import { waitFor } from "../../support/wait-for.js";

const BUDGET = { maximum: 1_000, restoreRate: 100 };
const NEVER_MS = 2_000_000;

class Clock {
  ms = 0;
  readonly read = () => this.ms;
}

function server(options: { redis?: RedisLayer | null; clock?: Clock; budget?: typeof BUDGET } = {}): Budgets {
  const { redis = null, clock = new Clock(), budget = BUDGET } = options;
  const budgets = new Budgets({ budget, redis, settleIntervalMs: NEVER_MS, now: clock.read });
  onTestFinished(() => budgets.stop());
  return budgets;
}

async function redisLayer(url: string): Promise<RedisLayer> {
  return connected(testRedisLayer(url));
}

/** One that waits for its answers, however busy the machine is: what Redis does not say, the server's own account decides. */
async function patientLayer(): Promise<RedisLayer> {
  const layer = new RedisLayer({ url: testRedisUrl(), log: silent, commandTimeoutMs: 5_000 });
  onTestFinished(() => layer.stop());
  return connected(layer);
}

async function connected(layer: RedisLayer): Promise<RedisLayer> {
  await waitFor(() => layer.ping(), { what: "the connection to Redis" });
  return layer;
}

const newPayer = () => `test:${randomUUID()}`;

/** Takes so much at a time until it is refused; what was granted in all. */
async function drain(budgets: Budgets, payer: string, price: number): Promise<number> {
  for (let granted = 0; ; granted += price) {
    const { isGranted } = await budgets.take(payer, price);
    if (!isGranted) return granted;
  }
}

test("whatever is asked for and given back, no more is granted than the budget and what came back since", async () => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 5_000 }),
    price: fc.integer({ min: 1, max: BUDGET.maximum }),
    unspent: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const clock = new Clock();
      const budgets = server({ clock });
      let spent = 0;
      let left: Bucket = { available: BUDGET.maximum, at: 0 };
      for (const { waitMs, price, unspent } of steps) {
        clock.ms += waitMs;
        const before = restored(left, clock.ms, BUDGET);
        const { isGranted, available } = await budgets.take("p", price);
        // Granted exactly where it is there.
        expect(isGranted).toBe(before >= price);
        expect(available).toBeCloseTo(isGranted ? before - price : before, 6);
        const back = isGranted ? Math.floor(price * unspent) : 0;
        left = { available: budgets.spend("p", -back), at: clock.ms };
        if (isGranted) spent += price - back;
        expect(left.available).toBeLessThanOrEqual(BUDGET.maximum);
        expect(spent).toBeLessThanOrEqual(BUDGET.maximum + (clock.ms / 1000) * BUDGET.restoreRate + 1e-6);
      }
    }),
    { numRuns: PROPERTY_RUNS },
  );
});

test("what is spent comes back with time, up to the maximum, and a refusal says when it is there", async () => {
  const clock = new Clock();
  const budgets = server({ clock });
  expect(await drain(budgets, "p", 250)).toBe(1_000);
  const refused = await budgets.take("p", 250);
  expect(refused).toEqual({ isGranted: false, available: 0 });
  const seconds = secondsUntil(250, refused.available, BUDGET);
  expect(seconds).toBe(3);
  clock.ms += 2_499;
  expect((await budgets.take("p", 250)).isGranted).toBe(false);
  clock.ms = seconds * 1000;
  expect(await budgets.take("p", 250)).toEqual({ isGranted: true, available: 50 });
  clock.ms += 60_000;
  expect(await drain(budgets, "p", 100)).toBe(1_000);
  // A clock that goes back gives nothing.
  clock.ms -= 30_000;
  expect((await budgets.take("p", 1)).isGranted).toBe(false);
});

test("one payer's flood takes nothing of another's", async () => {
  const budgets = server();
  await drain(budgets, "p", 1);
  expect(await drain(budgets, "q", 1)).toBe(1_000);
});

test("a key pays for all its secrets, a user for all their tokens, and nobody for anybody else", () => {
  const [tenantId, otherTenant] = [uuidv7(), uuidv7()] as TenantId[];
  if (tenantId === undefined || otherTenant === undefined) throw new Error("There are two");
  const keyId = uuidv7() as ApiKeyId;
  const ann = { issuer: "https://a.example/", subject: "ann" };
  const payers = [
    createPrincipal(tenantId, keyId, ["READ_METRICS"]),
    createPrincipal(tenantId, uuidv7() as ApiKeyId, ["READ_METRICS"]),
    createUserPrincipal(tenantId, ann, ["READ_METRICS"]),
    createUserPrincipal(tenantId, { ...ann, subject: "bob" }, ["READ_METRICS"]),
    createUserPrincipal(tenantId, { ...ann, issuer: "https://b.example/" }, ["READ_METRICS"]),
    createUserPrincipal(otherTenant, ann, ["READ_METRICS"]),
  ].map(payerOf);
  expect(new Set(payers).size).toBe(payers.length);
  expect(payerOf(createPrincipal(tenantId, keyId, ["WRITE_EVENTS"]))).toBe(payers[0]);
  expect(payerOf(createUserPrincipal(tenantId, { ...ann }, ["READ_EVENTS"]))).toBe(payers[2]);
  expect(payers.join("")).not.toMatch(/ann|bob|example/);
});

test("two servers share one budget", async () => {
  const redis = await redisLayer(testRedisUrl());
  const [one, other] = [server({ redis }), server({ redis })];
  const payer = newPayer();
  // More than a twentieth at a time: asked for in Redis each time.
  let granted = 0;
  for (let turn = 0; turn < 20; turn += 1) {
    for (const each of [one, other]) if ((await each.take(payer, 80)).isGranted) granted += 80;
  }
  // Some points may come back meanwhile: Redis's clock is the real one.
  expect(granted).toBeGreaterThanOrEqual(960);
  expect(granted).toBeLessThanOrEqual(1_040);
});

test("ten servers grant at most a twentieth of the budget each beyond it, and it is paid back first", async () => {
  const redis = await patientLayer();
  // As good as nothing comes back while the test runs.
  const budget = { maximum: 1_000, restoreRate: 0.001 };
  const servers = Array.from({ length: 10 }, () => server({ redis, budget }));
  const payer = newPayer();
  const granted = await Promise.all(servers.map((each) => drain(each, payer, 1)));
  const sum = granted.reduce((total, each) => total + each, 0);
  expect(sum).toBeGreaterThanOrEqual(1_000);
  expect(sum).toBeLessThanOrEqual(1_000 + 10 * 50);
  for (const each of servers) await each.settle();
  const late = server({ redis, budget });
  await late.take(payer, 51);
  expect(late.spend(payer, 0)).toBeCloseTo(1_000 - sum, 0);
});

test("calls at once are granted no more than calls one after another: by ten servers, of an empty bucket and of a full one", async () => {
  const redis = await patientLayer();
  const budget = { maximum: 1_000, restoreRate: 0.001 };
  const grantedAtOnce = async (payer: string, price: number, servers: number) => {
    const calls = Array.from({ length: servers }, () => server({ redis, budget })).flatMap((each) =>
      Array.from({ length: 70 }, () => each.take(payer, price)),
    );
    return (await Promise.all(calls)).filter(({ isGranted }) => isGranted).length * price;
  };
  const [emptied, full] = [newPayer(), newPayer()];
  await server({ redis, budget }).take(emptied, 1_000);
  expect(await grantedAtOnce(emptied, 40, 10)).toBeLessThanOrEqual(10 * 50);
  expect(await grantedAtOnce(full, 40, 10)).toBeLessThanOrEqual(1_000 + 10 * 50);
  const alone = await grantedAtOnce(newPayer(), 36, 1);
  // Every point that is there can be had, whoever else asks meanwhile.
  expect(alone).toBeGreaterThan(1_000 - 36);
  expect(alone).toBeLessThanOrEqual(1_000 + 50);
});

test("whatever several servers are asked for at once and given back, they grant no more than the budget and their twentieths", async () => {
  const redis = await patientLayer();
  const budget = { maximum: 1_000, restoreRate: 0.001 };
  const call = fc.record({
    at: fc.integer({ min: 0, max: 3 }),
    price: fc.integer({ min: 1, max: 120 }),
    unspent: fc.constantFrom(0, 0, 0.5),
  });
  const round = fc.record({ calls: fc.array(call, { minLength: 20, maxLength: 60 }), isSettled: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
      const servers = Array.from({ length: 4 }, () => server({ redis, budget }));
      const payer = newPayer();
      let spent = 0;
      for (const { calls, isSettled } of rounds) {
        const settlements = isSettled ? servers.map((each) => each.settle()) : [];
        await Promise.all(
          calls.map(async ({ at, price, unspent }) => {
            const { isGranted } = (await servers[at]?.take(payer, price)) ?? {};
            if (isGranted !== true) return;
            spent += price;
            // A point more, as some come back while the test runs.
            expect(spent).toBeLessThanOrEqual(1_000 + servers.length * 50 + 1);
            const back = Math.floor(price * unspent);
            servers[at]?.spend(payer, -back);
            spent -= back;
          }),
        );
        await Promise.all(settlements);
      }
    }),
    { numRuns: PROPERTY_RUNS },
  );
});

test("what one server gives back another can spend", async () => {
  const redis = await redisLayer(testRedisUrl());
  const budget = { maximum: 1_000, restoreRate: 0.001 };
  const [one, other] = [server({ redis, budget }), server({ redis, budget })];
  const payer = newPayer();
  expect((await one.take(payer, 1_000)).isGranted).toBe(true);
  expect((await other.take(payer, 500)).isGranted).toBe(false);
  one.spend(payer, -600);
  await one.settle();
  await other.settle();
  expect((await other.take(payer, 500)).isGranted).toBe(true);
  expect((await one.take(payer, 500)).isGranted).toBe(false);
});

test("when Redis is killed everything goes on by the server's own account, and what was spent is told once it is back", async () => {
  const first = await startRedis();
  onTestFinished(() => first.stop());
  const redis = await redisLayer(first.url);
  const budget = { maximum: 1_000, restoreRate: 0.001 };
  const [one, other] = [server({ redis, budget }), server({ redis, budget })];
  const payer = newPayer();
  await one.take(payer, 400);
  await first.kill();
  expect(await drain(one, payer, 100)).toBe(600);
  // It has not heard of the first 400, nor of anything else: open rather than closed.
  expect(await drain(other, payer, 100)).toBe(1_000);
  const second = await startRedis(Number(new URL(first.url).port));
  onTestFinished(() => second.stop());
  await waitFor(() => redis.ping(), { what: "Redis to be back" });
  // A Redis that has forgotten everything, the script too, learns what each of the two had spent and not told.
  await waitFor(
    async () => {
      await Promise.all([one.settle(), other.settle()]);
      return (await server({ redis, budget }).take(payer, 60)).isGranted === false;
    },
    { what: "the shared bucket to know" },
  );
});

test("calls that wait for a Redis that does not answer are granted no more together than the account holds", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const budgets = server({ redis: await redisLayer(redis.url) });
  const payer = newPayer();
  redis.freeze();
  const taken = await Promise.all(Array.from({ length: 40 }, () => budgets.take(payer, 190)));
  expect(taken.filter(({ isGranted }) => isGranted)).toHaveLength(5);
});

test("what has come back is not told over and over to a Redis that is away", async () => {
  let told = 0;
  class CountedLayer extends RedisLayer {
    override run(...command: Parameters<RedisLayer["run"]>): Promise<unknown> {
      told += 1;
      return super.run(...command);
    }
  }
  const redis = new CountedLayer({ url: `redis://127.0.0.1:${await freePort()}`, log: silent });
  onTestFinished(() => redis.stop());
  const clock = new Clock();
  const budgets = server({ redis, clock });
  for (let payer = 0; payer < 100; payer += 1) await budgets.take(`p${payer}`, 40);
  await budgets.settle();
  await budgets.settle();
  expect(told).toBe(200);
  clock.ms += 60_000;
  // Once more, as nothing says yet that Redis is still away.
  await budgets.settle();
  for (let again = 0; again < 5; again += 1) await budgets.settle();
  expect(told).toBe(300);
});

test("a long time without Redis leaves no debt beyond what is missing from the account", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const layer = await redisLayer(redis.url);
  const clock = new Clock();
  const budgets = server({ redis: layer, clock });
  const payer = newPayer();
  redis.freeze();
  for (let minute = 0; minute < 10; minute += 1) {
    await drain(budgets, payer, 500);
    clock.ms += 60_000;
  }
  redis.thaw();
  await waitFor(() => layer.ping(), { what: "Redis to answer" });
  // Ten thousand points were spent, and came back, meanwhile. What Redis was sent while it hung it may have done.
  await waitFor(
    async () => {
      await budgets.settle();
      return budgets.spend(payer, 0) > 500;
    },
    { what: "a bucket that fills" },
  );
  expect((await budgets.take(payer, 400)).isGranted).toBe(true);
});
