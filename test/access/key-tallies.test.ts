import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { findKeyDays, type KeyCounts } from "../../src/access/key-days.js";
import { KeyTallies } from "../../src/access/key-tallies.js";
import type { Pool } from "../../src/database/pool.js";
import { type ApiKeyId, type TenantId, uuidv7 } from "../../src/ids.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { type EpochMicros, MICROS_PER_DAY } from "../../src/time/instant.js";
import { startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { metricsPool, silent, START, TestClock } from "./access-fixture.js";

const NEVER_MS = 2_000_000;
const TODAY = Math.floor(START / MICROS_PER_DAY);
let databases: TestDatabases;
let pool: Pool<"metrics">;

beforeAll(async () => {
  databases = await createTestDatabases();
  ({ pool } = metricsPool(databases.metricsUrl));
});
afterAll(async () => {
  await pool.stop();
  await databases.drop();
});

interface Key {
  readonly tenantId: TenantId;
  readonly keyId: ApiKeyId;
}

const newKey = (tenantId = uuidv7() as TenantId): Key => ({ tenantId, keyId: uuidv7() as ApiKeyId });

function tallies(options: { metrics?: Pool<"metrics">; clock?: TestClock; flushIntervalMs?: number } = {}): KeyTallies {
  const { metrics = pool, clock = new TestClock(), flushIntervalMs = NEVER_MS } = options;
  return new KeyTallies({ metrics, now: clock.read, log: silent, flushIntervalMs });
}

async function daysOf({ tenantId, keyId }: Key, as = tenantId): Promise<Record<number, KeyCounts>> {
  const span = { from: TODAY - 10, to: TODAY + 10 };
  const found = await writeAsTenant(pool, as, (session) => findKeyDays(session, tenantId, [keyId], span));
  return Object.fromEntries(found.get(keyId) ?? []);
}

test("what several servers count of the same keys at once adds up to the last request", async () => {
  const tenants = [uuidv7(), uuidv7()] as TenantId[];
  const keys = tenants.flatMap((tenantId) => Array.from({ length: 20 }, () => newKey(tenantId)));
  const servers = [tallies(), tallies(), tallies()];
  for (let round = 0; round < 10; round++) {
    for (const [index, server] of servers.entries()) {
      // Each server meets the keys in another order.
      const met = index % 2 === 0 ? keys : keys.toReversed();
      for (const key of met) {
        server.countRequest(key);
        server.countEvents(key, 7);
        server.countCost(key, 5);
      }
    }
    await Promise.all(servers.map((server) => server.flush()));
  }
  for (const server of servers) await server.stop();
  for (const key of keys) expect(await daysOf(key)).toEqual({ [TODAY]: { requests: 30, events: 210, cost: 150 } });
});

test("a request counts on the day in UTC on which it began", async () => {
  const clock = new TestClock();
  const server = tallies({ clock });
  const key = newKey();
  clock.now = ((TODAY + 1) * MICROS_PER_DAY - 1) as EpochMicros;
  server.countRequest(key);
  clock.now = ((TODAY + 1) * MICROS_PER_DAY) as EpochMicros;
  server.countRequest(key);
  server.countEvents(key, 3);
  server.countCost(key, 9);
  // Back, as clocks go.
  clock.now = ((TODAY + 1) * MICROS_PER_DAY - 1) as EpochMicros;
  server.countRequest(key);
  await server.stop();
  expect(await daysOf(key)).toEqual({
    [TODAY]: { requests: 2, events: 0, cost: 0 },
    [TODAY + 1]: { requests: 1, events: 3, cost: 9 },
  });
});

test("what was counted is written by the timer, each request once", async () => {
  const server = tallies({ flushIntervalMs: 5 });
  const key = newKey();
  for (let time = 1; time <= 3; time++) {
    server.countRequest(key);
    await waitFor(async () => (await daysOf(key))[TODAY]?.requests === time, { what: "the timer to write" });
  }
  await server.stop();
  expect(await daysOf(key)).toEqual({ [TODAY]: { requests: 3, events: 0, cost: 0 } });
});

test("what could not be written waits, and is added once with what came meanwhile", async () => {
  const proxy = await startSeverableProxy(databases.metricsUrl);
  const severed = metricsPool(proxy.url).pool;
  const clock = new TestClock();
  const server = tallies({ metrics: severed, clock });
  const keys = [newKey(), newKey()];
  const countAll = () => keys.forEach((key) => server.countRequest(key));
  await proxy.sever();
  countAll();
  await server.flush();
  countAll();
  clock.advance(86_400_000);
  countAll();
  await server.flush();
  for (const key of keys) expect(await daysOf(key)).toEqual({});
  await proxy.restore();
  await server.flush();
  await server.stop();
  for (const key of keys) {
    expect(await daysOf(key)).toEqual({
      [TODAY]: { requests: 2, events: 0, cost: 0 },
      [TODAY + 1]: { requests: 1, events: 0, cost: 0 },
    });
  }
  await proxy.stop();
  await severed.stop();
});

test("what the keys of 150 tenants did is written in two transactions, each tenant's to its own days", async () => {
  const keys = Array.from({ length: 150 }, () => newKey());
  const begin = vi.spyOn(pool, "begin");
  const server = tallies();
  keys.forEach((key, place) => server.countEvents(key, place + 1));
  await server.stop();
  expect(begin).toHaveBeenCalledTimes(2);
  begin.mockRestore();
  for (const [place, key] of keys.entries()) {
    expect(await daysOf(key)).toEqual({ [TODAY]: { requests: 0, events: place + 1, cost: 0 } });
  }
});

test("a tenant reads and adds to the days of its own keys alone", async () => {
  const [mine, theirs] = [newKey(), newKey()];
  const server = tallies();
  server.countRequest(theirs);
  await server.stop();
  expect(await daysOf(theirs, mine.tenantId)).toEqual({});
  expect(await daysOf(theirs)).toEqual({ [TODAY]: { requests: 1, events: 0, cost: 0 } });
});
