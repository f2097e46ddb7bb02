import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { revokeApiKey } from "../../src/access/api-keys.js";
import { Authenticator } from "../../src/access/authenticator.js";
import { mintKeySecret } from "../../src/access/key-secret.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import type { Pool } from "../../src/database/pool.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import type { Tenant } from "../../src/tenancy/tenants.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { type SeverableProxy, startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { forgedSecret, issueKey, metricsPool, newTenant, silent, START, TestClock } from "./access-fixture.js";

const HOUR_MS = 3_600_000;
let databases: TestDatabases;
/** Not by way of the proxy. */
let direct: Pool<"metrics">;
let tenant: Tenant;
let proxy: SeverableProxy;
let pool: Pool<"metrics">;
let clock: TestClock;
let authenticate: (secret: string) => ReturnType<Authenticator["authenticate"]>;

beforeAll(async () => {
  databases = await createTestDatabases();
  direct = metricsPool(databases.metricsUrl).pool;
  tenant = await newTenant(direct);
});
afterAll(async () => {
  await direct.stop();
  await databases.drop();
});
beforeEach(async () => {
  proxy = await startSeverableProxy(databases.metricsUrl);
  ({ pool } = metricsPool(proxy.url));
  clock = new TestClock();
  const authenticator = new Authenticator({ metrics: pool, now: clock.read, log: silent });
  authenticate = (secret) => authenticator.authenticate(`Bearer ${secret}`);
});
afterEach(async () => {
  await proxy.stop();
  await pool.stop();
});

/** Past what is cached anyway. */
const SOON_MS = 600;
/** When keys are read again in any case. */
const READ_ANEW_MS = 11_000;

test("without the database a key seen within the hour may write, and only that", async () => {
  const { apiKey, secret } = await issueKey(direct, tenant, {
    scopes: ["READ_METRICS", "WRITE_EVENTS", "MANAGE_KEYS"],
  });
  const before = await authenticate(secret);
  await proxy.sever();
  clock.advance(SOON_MS);
  const during = await authenticate(secret);
  expect(during).toMatchObject({ tenantId: tenant.id, keyId: apiKey.id });
  expect([...during.scopes]).toEqual(["WRITE_EVENTS"]);
  expect(during.authority).not.toBe(before.authority);

  clock.advance(HOUR_MS - SOON_MS - 1);
  expect([...(await authenticate(secret)).scopes]).toEqual(["WRITE_EVENTS"]);
  clock.advance(1);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

async function inDatabase(name: string, statement: string): Promise<void> {
  const url = new URL(databases.metricsUrl);
  url.pathname = name;
  const client = new Client({ connectionString: url.href });
  await client.connect();
  await client.query(statement);
  await client.end();
}

const OWNER = "set role mailtally_owner";

test.each<[what: string, change: (database: string) => [where: string, away: string, back: string]]>([
  [
    "lets nobody in",
    (database) => [
      "postgres",
      `alter database ${database} allow_connections false`,
      `alter database ${database} allow_connections true`,
    ],
  ],
  [
    "has lost what keys are looked up with",
    (database) => [
      database,
      `${OWNER}; alter function find_keys_with_limits(text) rename to lost`,
      `${OWNER}; alter function lost(text) rename to find_keys_with_limits`,
    ],
  ],
])("a database that %s is one that is away", async (_what, change) => {
  const { secret } = await issueKey(direct, tenant, { scopes: ["READ_METRICS", "WRITE_EVENTS"] });
  await authenticate(secret);
  const [where, away, back] = change(new URL(databases.metricsUrl).pathname.slice(1));
  await inDatabase(where, away);
  try {
    await proxy.sever();
    await proxy.restore();
    clock.advance(READ_ANEW_MS);
    expect([...(await authenticate(secret)).scopes]).toEqual(["WRITE_EVENTS"]);
    await expect(authenticate(forgedSecret("absent00"))).rejects.toMatchObject({ code: "UNAVAILABLE" });
  } finally {
    await inDatabase(where, back);
  }
});

test("without the database reading keys, unseen keys and forged ones cannot be checked, which is no refusal", async () => {
  const reader = await issueKey(direct, tenant, { scopes: ["READ_METRICS", "READ_EVENTS"] });
  const unseen = await issueKey(direct, tenant, { scopes: ["WRITE_EVENTS"] });
  const writer = await issueKey(direct, tenant, { scopes: ["WRITE_EVENTS"] });
  await authenticate(reader.secret);
  await authenticate(writer.secret);
  await proxy.sever();
  clock.advance(SOON_MS);
  for (const secret of [reader.secret, unseen.secret, mintKeySecret().secret, forgedSecret(writer.apiKey.prefix)]) {
    await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAVAILABLE", retryAfterSeconds: 1 });
  }
});

test("an expiry holds without the database", async () => {
  const expiresAt = (START + 60_000_000) as EpochMicros;
  const { secret } = await issueKey(direct, tenant, { scopes: ["WRITE_EVENTS"], expiresAt });
  await authenticate(secret);
  await proxy.sever();
  clock.advance(59_999);
  await authenticate(secret);
  clock.advance(1);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("a key known to be revoked does not come back when the database goes away", async () => {
  const { apiKey, secret } = await issueKey(direct, tenant, { scopes: ["WRITE_EVENTS"] });
  await authenticate(secret);
  await writeAsTenant(direct, tenant.id, (session) => revokeApiKey(session, tenant.id, apiKey.id, OPERATOR, START));
  clock.advance(SOON_MS);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  await proxy.sever();
  clock.advance(SOON_MS);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("when the database is back keys have all their scopes again, and revocation is seen", async () => {
  const [kept, revoked] = [
    await issueKey(direct, tenant),
    await issueKey(direct, tenant, { scopes: ["WRITE_EVENTS"] }),
  ];
  await authenticate(kept.secret);
  await authenticate(revoked.secret);
  await proxy.sever();
  clock.advance(SOON_MS);
  await writeAsTenant(direct, tenant.id, (session) =>
    revokeApiKey(session, tenant.id, revoked.apiKey.id, OPERATOR, START),
  );
  await authenticate(revoked.secret);
  await proxy.restore();
  clock.advance(SOON_MS);
  expect([...(await authenticate(kept.secret)).scopes]).toEqual(["READ_METRICS"]);
  await expect(authenticate(revoked.secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("connections that a restart of the database broke are no outage", async () => {
  const { secret } = await issueKey(direct, tenant);
  await authenticate(secret);
  await proxy.sever();
  await proxy.restore();
  clock.advance(SOON_MS);
  expect([...(await authenticate(secret)).scopes]).toEqual(["READ_METRICS"]);
});

test("a database that swallows packets holds a writer for no more than two seconds, and the next one not at all", async () => {
  const { secret } = await issueKey(direct, tenant, { scopes: ["WRITE_EVENTS"] });
  await authenticate(secret);
  await proxy.swallow();
  clock.advance(SOON_MS);
  const started = performance.now();
  await authenticate(secret);
  expect(performance.now() - started).toBeLessThan(2_500);
  const again = performance.now();
  await authenticate(secret);
  expect(performance.now() - again).toBeLessThan(500);
});
