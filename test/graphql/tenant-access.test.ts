import { afterAll, beforeAll, expect, test } from "vitest";
import { createPrincipal } from "../../src/access/principal.js";
import { type Services, TenantAccess } from "../../src/graphql/tenant-access.js";
import type { ApiKeyId } from "../../src/ids.js";
import { TenantStates } from "../../src/tenancy/tenant-states.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { createTenant, testPool } from "../support/cache-rig.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

let databases: TestDatabases;
beforeAll(async () => {
  databases = await createTestDatabases();
});
afterAll(() => databases.drop());

test("all parts of a request get one reading of the tenant's zones, however long after each other they ask", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const tenantId = await createTenant(pool);
  let clock = 0;
  const tenantStates = new TenantStates({ pool, maxAgeMs: 0, now: () => clock });
  const services = { tenantStates, now: () => 0 as EpochMicros, metrics: pool, events: pool } as unknown as Services;
  const request = new TenantAccess(services, createPrincipal(tenantId, "a key" as ApiKeyId, []));
  statements.length = 0;
  const first = await request.state();
  clock += 10_000;
  expect(await request.state()).toBe(first);
  expect(statements).toEqual(["tenants.read_states"]);
});
