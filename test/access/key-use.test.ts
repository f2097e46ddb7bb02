import { afterAll, beforeAll, expect, test } from "vitest";
import { findApiKeys } from "../../src/access/api-keys.js";
import { Authenticator } from "../../src/access/authenticator.js";
import { KeyUse } from "../../src/access/key-use.js";
import type { Pool } from "../../src/database/pool.js";
import type { ApiKeyId } from "../../src/ids.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import type { Tenant } from "../../src/tenancy/tenants.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { issueKey, metricsPool, newTenant, silent, START, TestClock } from "./access-fixture.js";

const NEVER_MS = 2_000_000;
let databases: TestDatabases;
let pool: Pool<"metrics">;
let tenant: Tenant;

beforeAll(async () => {
  databases = await createTestDatabases();
  ({ pool } = metricsPool(databases.metricsUrl));
  tenant = await newTenant(pool);
});
afterAll(async () => {
  await pool.stop();
  await databases.drop();
});

async function lastUse(keyId: ApiKeyId, of: Tenant = tenant): Promise<EpochMicros | null | undefined> {
  const [key] = await writeAsTenant(pool, of.id, (session) => findApiKeys(session, of.id, [keyId]));
  return key?.lastUsedAt;
}

test("a key's use is written once a minute, however often it is used and by how many servers", async () => {
  const { apiKey, secret } = await issueKey(pool, tenant);
  const clock = new TestClock();
  const counted = metricsPool(databases.metricsUrl);
  const servers = [1, 2].map(() => {
    const keyUse = new KeyUse({ metrics: counted.pool, now: clock.read, log: silent, flushIntervalMs: NEVER_MS });
    return { keyUse, authenticator: new Authenticator({ metrics: pool, now: clock.read, log: silent, keyUse }) };
  });
  const useEverywhere = async () => {
    for (const { keyUse, authenticator } of servers) {
      await authenticator.authenticate(`Bearer ${secret}`);
      await keyUse.flush();
    }
  };
  for (let second = 0; second < 60; second += 10, clock.advance(10_000)) await useEverywhere();
  expect(await lastUse(apiKey.id)).toBe(START);
  // One for the tenant, and one for its key.
  expect(counted.statements()).toBe(2);
  await useEverywhere();
  expect(await lastUse(apiKey.id)).toBe(clock.now);
  expect(counted.statements()).toBe(4);
  for (const { keyUse } of servers) await keyUse.stop();
  await counted.pool.stop();
});

test("uses are written by the timer, and what is left when the server stops", async () => {
  const [first, second] = [await issueKey(pool, tenant), await issueKey(pool, await newTenant(pool))];
  const clock = new TestClock();
  const keyUse = new KeyUse({ metrics: pool, now: clock.read, log: silent, flushIntervalMs: 5 });
  const authenticator = new Authenticator({ metrics: pool, now: clock.read, log: silent, keyUse });
  await authenticator.authenticate(`Bearer ${first.secret}`);
  await waitFor(async () => (await lastUse(first.apiKey.id)) === START, { what: "the timer to write" });
  const { tenantId } = await authenticator.authenticate(`Bearer ${second.secret}`);
  await keyUse.stop();
  expect(await lastUse(second.apiKey.id, { ...tenant, id: tenantId })).toBe(START);
});

test("what could not be written is written when the database is back", async () => {
  const { apiKey, secret } = await issueKey(pool, tenant);
  const clock = new TestClock();
  const proxy = await startSeverableProxy(databases.metricsUrl);
  const severed = metricsPool(proxy.url).pool;
  const keyUse = new KeyUse({ metrics: severed, now: clock.read, log: silent, flushIntervalMs: NEVER_MS });
  const authenticator = new Authenticator({ metrics: pool, now: clock.read, log: silent, keyUse });
  await proxy.sever();
  await authenticator.authenticate(`Bearer ${secret}`);
  await keyUse.flush();
  expect(await lastUse(apiKey.id)).toBeNull();
  await proxy.restore();
  await keyUse.stop();
  expect(await lastUse(apiKey.id)).toBe(START);
  await proxy.stop();
  await severed.stop();
});
