import { afterAll, beforeAll, expect, test } from "vitest";
import type { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import type { TenantId } from "../../src/ids.js";
import { createTenant, findTenant, findTenantBySlug, updateTenant } from "../../src/tenancy/tenants.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { metricsPool, START } from "../access/access-fixture.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

let databases: TestDatabases;
let pool: Pool<"metrics">;
const readVersions = defineStatement<"metrics", [], { tenant_id: string; version: number }>(
  "metrics",
  "test.versions",
  "select tenant_id, version from tenant_versions",
);

beforeAll(async () => {
  databases = await createTestDatabases();
  ({ pool } = metricsPool(databases.metricsUrl));
});
afterAll(async () => {
  await pool.stop();
  await databases.drop();
});

test("a new tenant is found by its slug and by itself, and has a version to move", async () => {
  const tenant = await createTenant(pool, { slug: "acme", name: "Acme e.V.", timeZone: "europe/berlin" }, START);
  expect(tenant).toMatchObject({ slug: "acme", name: "Acme e.V.", timeZone: "Europe/Berlin", createdAt: START });
  expect(await findTenantBySlug(pool, "acme")).toEqual(tenant);
  expect(await writeAsTenant(pool, tenant.id, (session) => findTenant(session, tenant.id))).toEqual(tenant);
  const versions = await writeAsWorker(pool, (session) => session.run(readVersions()));
  expect(versions).toContainEqual({ tenant_id: tenant.id, version: 1 });
});

test("a tenant does not find another one, whatever its query names", async () => {
  const one = await createTenant(pool, { slug: "one", timeZone: "UTC" }, START);
  const other = await createTenant(pool, { slug: "other", timeZone: "UTC" }, START);
  expect(await writeAsTenant(pool, one.id, (session) => findTenant(session, other.id))).toBeNull();
});

test.each(["", "-a", "a-", "A", "ä", "a b", "a_b", "x".repeat(64), "a\n"])(
  "the slug %j is refused with its rule",
  async (slug) => {
    await expect(createTenant(pool, { slug, timeZone: "UTC" }, START)).rejects.toMatchObject({
      code: "BAD_INPUT",
      field: ["slug"],
    });
  },
);

test.each(["a", "0", "a-b", "x".repeat(63)])("the slug %j is taken", async (slug) => {
  expect((await createTenant(pool, { slug, timeZone: "UTC" }, START)).slug).toBe(slug);
});

test("a slug is taken once, also by callers at the same time, and the loser leaves nothing behind", async () => {
  const attempts = await Promise.allSettled(
    Array.from({ length: 5 }, () => createTenant(pool, { slug: "same", timeZone: "UTC" }, START)),
  );
  const refused = attempts.filter((attempt) => attempt.status === "rejected");
  expect(refused).toHaveLength(4);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: "CONFLICT", field: ["slug"] });
});

test("a time zone that is none is refused by name", async () => {
  await expect(createTenant(pool, { slug: "zone", timeZone: "Europe/Atlantis" }, START)).rejects.toMatchObject({
    code: "BAD_INPUT",
    field: ["timeZone"],
  });
});

const readTrail = defineStatement<
  "metrics",
  [TenantId],
  { action: string; actor: string; before: unknown; after: unknown }
>(
  "metrics",
  "test.trail",
  "select action, actor, before, after from audit_entries where tenant_id = $1 order by id desc",
);

test("a change of a tenant moves its version and leaves one entry, and a change to what it is already neither", async () => {
  const { id } = await createTenant(pool, { slug: "changing", timeZone: "UTC" }, START);
  const changed = await updateTenant(pool, id, { timeZone: "asia/kathmandu" }, START);
  expect(changed).toMatchObject({ name: "changing", timeZone: "Asia/Kathmandu", rollupTimeZone: "UTC" });
  await updateTenant(pool, id, { timeZone: "Asia/Kathmandu", name: " changing " }, START);

  const [newest, ...older] = await writeAsWorker(pool, (session) => session.run(readTrail(id)));
  expect(newest).toEqual({
    action: "TENANT_UPDATED",
    actor: "OPERATOR",
    before: { timeZone: "UTC" },
    after: { timeZone: "Asia/Kathmandu" },
  });
  expect(older).toHaveLength(1);
  const versions = await writeAsWorker(pool, (session) => session.run(readVersions()));
  expect(versions).toContainEqual({ tenant_id: id, version: 2 });
});

test.each([
  [{ timeZone: "Mars/Olympus" }, ["timeZone"]],
  [{ name: " " }, ["name"]],
])("%j is refused by name, and changes nothing", async (changes, field) => {
  const { id, slug } = await createTenant(pool, { slug: `kept-${field[0]?.toLowerCase()}`, timeZone: "UTC" }, START);
  await expect(updateTenant(pool, id, changes, START)).rejects.toMatchObject({ code: "BAD_INPUT", field });
  expect(await findTenantBySlug(pool, slug)).toMatchObject({ name: slug, timeZone: "UTC" });
});
