import { afterAll, beforeAll, expect, test } from "vitest";
import { findApiKeys, revokeApiKey, rotateApiKey } from "../../src/access/api-keys.js";
import { parseKeySecret } from "../../src/access/key-secret.js";
import { createPrincipal } from "../../src/access/principal.js";
import { SCOPES } from "../../src/access/scope.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import type { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import type { ApiKeyId } from "../../src/ids.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import type { Tenant } from "../../src/tenancy/tenants.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { issueKey, metricsPool, newTenant, rotationOf, START } from "./access-fixture.js";

let databases: TestDatabases;
let pool: Pool<"metrics">;
let tenant: Tenant;
let other: Tenant;
const LATER = (START + 60_000_000) as EpochMicros;
const readTable = defineStatement<"metrics", [], { row: string }>(
  "metrics",
  "test.keys",
  "select k::text as row from api_keys k",
);

const findAsBefore = defineStatement<"metrics", [prefix: string], { id: string }>(
  "metrics",
  "test.find_as_before",
  "select id from find_api_keys($1)",
);

beforeAll(async () => {
  databases = await createTestDatabases();
  ({ pool } = metricsPool(databases.metricsUrl));
  [tenant, other] = [await newTenant(pool), await newTenant(pool)];
});
afterAll(async () => {
  await pool.stop();
  await databases.drop();
});

const managerOf = (of: Tenant, scopes: readonly string[] = SCOPES) =>
  createPrincipal(of.id, "01900000-0000-7000-8000-00000000000a" as ApiKeyId, scopes);

test("the secret is in the answer once, and in the table only as its hash", async () => {
  const { apiKey, secret } = await issueKey(pool, tenant, {
    name: " Website ",
    scopes: ["READ_EVENTS", "READ_METRICS"],
  });
  const rows = await writeAsWorker(pool, (session) => session.run(readTable()));
  const stored = rows.find(({ row }) => row.includes(apiKey.id))?.row ?? "";
  expect(stored).toContain(parseKeySecret(secret)?.hash.toString("hex"));
  expect(stored).not.toContain(secret.slice(12));
  expect(stored).not.toContain(secret.slice(12, 30));
  const [found] = await writeAsTenant(pool, tenant.id, (session) => findApiKeys(session, tenant.id, [apiKey.id]));
  expect(found).toEqual(apiKey);
  expect(apiKey).toMatchObject({
    name: "Website",
    prefix: parseKeySecret(secret)?.prefix,
    scopes: ["READ_METRICS", "READ_EVENTS"],
    createdAt: START,
    expiresAt: null,
    lastUsedAt: null,
    revokedAt: null,
  });
  expect(JSON.stringify(found)).not.toContain(secret.slice(12, 30));
});

test.each([
  ["name", { name: " " }],
  ["name", { name: "x".repeat(101) }],
  ["name", { name: "two\nlines" }],
  ["name", { name: "\ud800" }],
  ["scopes", { scopes: [] }],
  ["expiresAt", { expiresAt: START }],
] as const)("a key with a bad %s is refused by that field (%#)", async (field, bad) => {
  const refused = issueKey(pool, tenant, bad);
  await expect(refused).rejects.toMatchObject({ code: "BAD_INPUT", field: ["input", field] });
});

test("a name may have 100 characters of any script", async () => {
  const { apiKey } = await issueKey(pool, tenant, { name: "🗝".repeat(100) });
  expect(Array.from(apiKey.name)).toHaveLength(100);
});

test("rotation keeps the key and changes its secret", async () => {
  const before = await issueKey(pool, tenant, { expiresAt: (LATER + 1) as EpochMicros });
  const after = await writeAsTenant(pool, tenant.id, (session) =>
    rotateApiKey(session, tenant.id, rotationOf(before.apiKey.id), managerOf(tenant), LATER),
  );
  expect(after.secret).not.toBe(before.secret);
  expect(after.apiKey).toEqual({ ...before.apiKey, prefix: parseKeySecret(after.secret)?.prefix });
});

test("a key cannot get scopes that it lacks by rotating a stronger one, and the stronger one keeps its secret", async () => {
  const strong = await issueKey(pool, tenant, { scopes: ["MANAGE_KEYS", "READ_EVENTS"] });
  const manager = managerOf(tenant, ["MANAGE_KEYS"]);
  const rotation = writeAsTenant(pool, tenant.id, (session) =>
    rotateApiKey(session, tenant.id, rotationOf(strong.apiKey.id), manager, LATER),
  );
  await expect(rotation).rejects.toMatchObject({ code: "FORBIDDEN" });
  const found = await writeAsTenant(pool, tenant.id, (session) => findApiKeys(session, tenant.id, [strong.apiKey.id]));
  expect(found).toEqual([strong.apiKey]);
});

test("a revoked or expired key does not come back by rotation", async () => {
  const revoked = await issueKey(pool, tenant);
  const expired = await issueKey(pool, tenant, { expiresAt: LATER });
  await writeAsTenant(pool, tenant.id, (session) =>
    revokeApiKey(session, tenant.id, revoked.apiKey.id, OPERATOR, START),
  );
  for (const { apiKey } of [revoked, expired]) {
    const rotation = writeAsTenant(pool, tenant.id, (session) =>
      rotateApiKey(session, tenant.id, rotationOf(apiKey.id), managerOf(tenant), LATER),
    );
    await expect(rotation).rejects.toMatchObject({ code: "CONFLICT" });
  }
});

test("revoking again keeps the first time", async () => {
  const { apiKey } = await issueKey(pool, tenant);
  for (const now of [START, LATER]) {
    const revoked = await writeAsTenant(pool, tenant.id, (session) =>
      revokeApiKey(session, tenant.id, apiKey.id, OPERATOR, now),
    );
    expect(revoked.revokedAt).toBe(START);
  }
});

test("another tenant's key is answered like one that does not exist, and stays as it was", async () => {
  const { apiKey } = await issueKey(pool, other);
  const attempts = [
    writeAsTenant(pool, tenant.id, (session) => revokeApiKey(session, tenant.id, apiKey.id, OPERATOR, LATER)),
    writeAsTenant(pool, tenant.id, (session) =>
      rotateApiKey(session, tenant.id, rotationOf(apiKey.id), managerOf(tenant), LATER),
    ),
    // Row-level security alone, where a query would name the wrong tenant.
    writeAsTenant(pool, tenant.id, (session) => revokeApiKey(session, other.id, apiKey.id, OPERATOR, LATER)),
  ];
  for (const attempt of await Promise.allSettled(attempts)) {
    expect(attempt).toMatchObject({ status: "rejected", reason: { code: "NOT_FOUND" } });
  }
  const seen = await writeAsTenant(pool, tenant.id, (session) => findApiKeys(session, tenant.id, [apiKey.id]));
  expect(seen).toEqual([]);
  const kept = await writeAsTenant(pool, other.id, (session) => findApiKeys(session, other.id, [apiKey.id]));
  expect(kept).toEqual([apiKey]);
});

test("a program that knows nothing of limits finds no limited key, and those without a limit as ever", async () => {
  const limited = await issueKey(pool, tenant, { campaignTags: ["partner"] });
  const free = await issueKey(pool, tenant);
  const foundBefore = async (prefix: string) =>
    (await writeAsTenant(pool, tenant.id, (session) => session.run(findAsBefore(prefix)))).map(({ id }) => id);
  expect(await foundBefore(limited.apiKey.prefix)).toEqual([]);
  expect(await foundBefore(free.apiKey.prefix)).toEqual([free.apiKey.id]);
  await writeAsTenant(pool, tenant.id, (session) =>
    rotateApiKey(session, tenant.id, rotationOf(limited.apiKey.id, 60), managerOf(tenant), START),
  );
  expect(await foundBefore(limited.apiKey.prefix)).toEqual([]);
});
