import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { revokeApiKey, rotateApiKey } from "../../src/access/api-keys.js";
import { type AuthenticationFailure, Authenticator } from "../../src/access/authenticator.js";
import { mintKeySecret } from "../../src/access/key-secret.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import type { Pool } from "../../src/database/pool.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import type { Tenant } from "../../src/tenancy/tenants.js";
import { type EpochMicros, instantFromMillis } from "../../src/time/instant.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import {
  forgedSecret,
  issueKey,
  metricsPool,
  newTenant,
  overwriteSecret,
  rotationOf,
  silent,
  START,
  type StatementCount,
  TestClock,
} from "./access-fixture.js";

let databases: TestDatabases;
let pool: Pool<"metrics">;
let statements: StatementCount;
let tenant: Tenant;

beforeAll(async () => {
  databases = await createTestDatabases();
  ({ pool, statements } = metricsPool(databases.metricsUrl));
  tenant = await newTenant(pool);
});
afterAll(async () => {
  await pool.stop();
  await databases.drop();
});

function authenticator(clock = new TestClock()) {
  const failures: AuthenticationFailure[] = [];
  const onFailure = (reason: AuthenticationFailure) => void failures.push(reason);
  const auth = new Authenticator({ metrics: pool, now: clock.read, log: silent, onFailure });
  return { authenticate: (secret: string) => auth.authenticate(`Bearer ${secret}`), auth, clock, failures };
}

const now = (): EpochMicros => instantFromMillis(Date.now());

async function refusalOf(attempt: Promise<unknown>): Promise<{ code: unknown; message: string }> {
  const error: unknown = await attempt.then(
    () => new Error("It was let in"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new TypeError("No error was thrown");
  return { code: "code" in error ? error.code : undefined, message: error.message };
}

test("a key opens its tenant with its scopes", async () => {
  const { apiKey, secret } = await issueKey(pool, tenant, { scopes: ["READ_METRICS", "WRITE_EVENTS"] });
  const { auth } = authenticator();
  for (const header of [`Bearer ${secret}`, `bearer  ${secret} `]) {
    const principal = await auth.authenticate(header);
    expect(principal).toMatchObject({ tenantId: tenant.id, keyId: apiKey.id });
    expect([...principal.scopes]).toEqual(["READ_METRICS", "WRITE_EVENTS"]);
  }
});

test("malformed, unknown, wrong, expired and revoked keys get one and the same answer", async () => {
  const { auth, failures } = authenticator();
  const expired = await issueKey(pool, tenant, { expiresAt: START }, (START - 1) as EpochMicros);
  const revoked = await issueKey(pool, tenant);
  await writeAsTenant(pool, tenant.id, (session) =>
    revokeApiKey(session, tenant.id, revoked.apiKey.id, OPERATOR, START),
  );
  const headers = [
    "",
    "Bearer",
    `Basic ${revoked.secret}`,
    `Bearer ${expired.secret.slice(0, -1)}`,
    `Bearer ${mintKeySecret().secret}`,
    `Bearer ${expired.secret}`,
    `Bearer ${revoked.secret}`,
  ];
  const refusals = [];
  for (const header of headers) refusals.push(await refusalOf(auth.authenticate(header)));
  expect(new Set(refusals.map((refusal) => JSON.stringify(refusal))).size).toBe(1);
  expect(refusals[0]?.code).toBe("UNAUTHENTICATED");
  expect(failures).toEqual(["malformed", "malformed", "malformed", "malformed", "unknown", "expired", "revoked"]);
});

test("the right prefix with the wrong secret opens nothing", async () => {
  const { apiKey, secret } = await issueKey(pool, tenant);
  const { authenticate, clock } = authenticator();
  await authenticate(secret);
  const forged = forgedSecret(apiKey.prefix);
  expect(forged.slice(0, 12)).toBe(secret.slice(0, 12));
  await expect(authenticate(forged)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  clock.advance(501);
  await expect(authenticate(forged)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  await expect(authenticate(secret)).resolves.toBeDefined();
});

test("two keys of two tenants under one prefix open each its own tenant", async () => {
  const [mine, theirs] = [await issueKey(pool, tenant), await issueKey(pool, await newTenant(pool))];
  const shared = mine.apiKey.prefix;
  const twin = forgedSecret(shared);
  await overwriteSecret(pool, theirs.apiKey.id, twin);
  const { authenticate } = authenticator();
  expect((await authenticate(mine.secret)).keyId).toBe(mine.apiKey.id);
  expect((await authenticate(twin)).keyId).toBe(theirs.apiKey.id);
});

test("a revoked or rotated key stops working within a second on a server that just used it", async () => {
  const here = new Authenticator({ metrics: pool, now, log: silent });
  const [revoked, rotated] = [await issueKey(pool, tenant), await issueKey(pool, tenant)];
  const isLetIn = (secret: string) => here.authenticate(`Bearer ${secret}`).then(Boolean, () => false);
  expect(await Promise.all([isLetIn(revoked.secret), isLetIn(rotated.secret)])).toEqual([true, true]);

  // Another server's doing: nothing tells this one.
  const elsewhere = metricsPool(databases.metricsUrl).pool;
  const manager = await issueKey(pool, tenant, { scopes: ["READ_METRICS", "MANAGE_KEYS"] });
  const principal = await here.authenticate(`Bearer ${manager.secret}`);
  await writeAsTenant(elsewhere, tenant.id, (session) =>
    revokeApiKey(session, tenant.id, revoked.apiKey.id, OPERATOR, now()),
  );
  const fresh = await writeAsTenant(elsewhere, tenant.id, (session) =>
    rotateApiKey(session, tenant.id, rotationOf(rotated.apiKey.id), principal, now()),
  );
  const changedAt = performance.now();
  await elsewhere.stop();

  // Asked without pause, so that no cached answer grows old in peace.
  await waitFor(async () => !(await isLetIn(revoked.secret)), { what: "the revoked key to be refused" });
  await waitFor(async () => !(await isLetIn(rotated.secret)), { what: "the old secret to be refused" });
  expect(performance.now() - changedAt).toBeLessThan(1000);
  expect(await isLetIn(fresh.secret)).toBe(true);
});

test("a key stops at its expiry, cached or not", async () => {
  const { secret } = await issueKey(pool, tenant, { expiresAt: (START + 100_000) as EpochMicros });
  const { authenticate, clock } = authenticator();
  clock.advance(99);
  await authenticate(secret);
  clock.advance(1);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("callers at the same time share one look-up, and later ones its answer for half a second", async () => {
  const { secret } = await issueKey(pool, tenant);
  const { authenticate, clock } = authenticator();
  const before = statements();
  await Promise.all(Array.from({ length: 50 }, () => authenticate(secret)));
  clock.advance(499);
  await authenticate(secret);
  expect(statements() - before).toBe(1);
  clock.advance(1);
  await authenticate(secret);
  expect(statements() - before).toBe(2);
});

test("keys in use are looked up together, and one of them that was revoked stops with the others' look-up", async () => {
  const keys = await Promise.all(Array.from({ length: 10 }, () => issueKey(pool, tenant)));
  const { authenticate, clock } = authenticator();
  for (const { secret } of keys) await authenticate(secret);
  clock.advance(300);
  for (const { secret } of keys) await authenticate(secret);
  const [revoked] = keys.slice(5);
  await writeAsTenant(pool, tenant.id, (session) =>
    revokeApiKey(session, tenant.id, revoked!.apiKey.id, OPERATOR, START),
  );
  clock.advance(200);
  const before = statements();
  const answers = await Promise.allSettled(keys.map(({ secret }) => authenticate(secret)));
  // Whether any key has changed, and then what they are.
  expect(statements() - before).toBe(2);
  expect(answers.map(({ status }) => status)).toEqual(keys.map((key) => (key === revoked ? "rejected" : "fulfilled")));
});

test("however many keys are used now and then, the database is asked every half second whether one changed, and no more", async () => {
  const keys = await Promise.all(Array.from({ length: 40 }, () => issueKey(pool, tenant)));
  const { authenticate, clock } = authenticator();
  for (const { secret } of keys) await authenticate(secret);
  const before = statements();
  for (let round = 0; round < 5; round++) {
    clock.advance(10_000);
    for (const { secret } of keys) await authenticate(secret);
    clock.advance(499);
    await Promise.all(keys.map(({ secret }) => authenticate(secret)));
  }
  expect(statements() - before).toBe(5);
});

test("keys that are used one after the other, each less than once in ten seconds, are read together all the same", async () => {
  const keys = await Promise.all(Array.from({ length: 110 }, () => issueKey(pool, tenant)));
  const { authenticate, clock } = authenticator();
  for (const { secret } of keys) await authenticate(secret);
  const before = statements();
  const [rounds, pauseMs] = [4, 100];
  for (let round = 0; round < rounds; round++) {
    for (const { secret } of keys) {
      clock.advance(pauseMs);
      await authenticate(secret);
    }
  }
  const seconds = (rounds * keys.length * pauseMs) / 1000;
  // Twice a second whether one has changed, and every five seconds at most what they are.
  expect(statements() - before).toBeLessThanOrEqual(2 * seconds + seconds / 5);
});

test("ten seconds after a key was read it is read again, whatever the database says of changes", async () => {
  const { secret, apiKey } = await issueKey(pool, tenant);
  const { authenticate, clock } = authenticator();
  await authenticate(secret);
  // Also as a program of the release before does it, and as a restored backup has other keys under the same revision.
  await asOperator("update api_keys set revoked_at = now() where id = $1", apiKey.id);
  clock.advance(9_999);
  await authenticate(secret);
  clock.advance(500);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("a change that was not committed when the key was read is found once it is", async () => {
  const { secret, apiKey } = await issueKey(pool, tenant);
  const { authenticate, clock } = authenticator();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: revoked, resolve: hasRevoked } = Promise.withResolvers<void>();
  const change = writeAsTenant(pool, tenant.id, async (session) => {
    await revokeApiKey(session, tenant.id, apiKey.id, OPERATOR, START);
    hasRevoked();
    await released;
  });
  await revoked;
  await authenticate(secret);
  release();
  await change;
  clock.advance(500);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

async function asOperator(statement: string, ...values: readonly unknown[]): Promise<void> {
  const client = new Client({ connectionString: databases.metricsUrl });
  await client.connect();
  try {
    await client.query("set role mailtally_worker");
    const { rowCount } = await client.query(statement, [...values]);
    expect(rowCount).toBe(1);
  } finally {
    await client.end();
  }
}

test("a clock that is turned back does not prolong a revoked key", async () => {
  const { secret, apiKey } = await issueKey(pool, tenant);
  const { authenticate, clock } = authenticator();
  await authenticate(secret);
  await writeAsTenant(pool, tenant.id, (session) => revokeApiKey(session, tenant.id, apiKey.id, OPERATOR, START));
  clock.advance(-3_600_000);
  await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("an unknown key that is tried again and again asks the database once", async () => {
  const { secret } = mintKeySecret();
  const { authenticate, clock } = authenticator();
  const before = statements();
  for (let attempt = 0; attempt < 20; attempt++) {
    await expect(authenticate(secret)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    clock.advance(400);
  }
  expect(statements() - before).toBe(1);
});

test("a flood of made-up keys takes neither the connections nor the turn of a known key", async () => {
  const { secret } = await issueKey(pool, tenant);
  const { authenticate, clock } = authenticator();
  await authenticate(secret);
  clock.advance(1000);
  const before = statements();
  const flood = Array.from({ length: 2000 }, () => refusalOf(authenticate(mintKeySecret().secret)));
  let mostConnections = 0;
  const watch = setInterval(() => {
    mostConnections = Math.max(mostConnections, pool.usage.total - pool.usage.idle + pool.usage.waiting);
  }, 1);
  const known = authenticate(secret);
  const first = await Promise.race([known.then(() => "known key"), Promise.all(flood).then(() => "flood")]);
  const refusals = await Promise.all(flood);
  clearInterval(watch);

  expect(first).toBe("known key");
  expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(["UNAUTHENTICATED", "OVERLOADED"]));
  expect(mostConnections).toBeLessThanOrEqual(5);
  expect(statements() - before).toBeLessThanOrEqual(262);
});
