import { afterAll, beforeAll, expect, test } from "vitest";
import { findApiKeys, type IssuedApiKey, revokeApiKey, rotateApiKey } from "../../src/access/api-keys.js";
import { Authenticator } from "../../src/access/authenticator.js";
import { parseKeySecret } from "../../src/access/key-secret.js";
import { createPrincipal } from "../../src/access/principal.js";
import { SCOPES } from "../../src/access/scope.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import type { Pool } from "../../src/database/pool.js";
import type { ApiKeyId } from "../../src/ids.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import type { Tenant } from "../../src/tenancy/tenants.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import {
  issueKey,
  metricsPool,
  newTenant,
  rotationOf,
  silent,
  START,
  type StatementCount,
  TestClock,
} from "./access-fixture.js";

const OVERLAP_SECONDS = 3_600;
const LONGEST_LAG_MS = 1_000;
let databases: TestDatabases;
let tenant: Tenant;
/** Two servers, each with its own connections to the one database. */
let servers: readonly { readonly pool: Pool<"metrics">; readonly statements: StatementCount }[];
let pool: Pool<"metrics">;

beforeAll(async () => {
  databases = await createTestDatabases();
  servers = [metricsPool(databases.metricsUrl), metricsPool(databases.metricsUrl)];
  ({ pool } = metricsPool(databases.metricsUrl));
  tenant = await newTenant(pool);
});
afterAll(async () => {
  for (const each of [...servers, { pool }]) await each.pool.stop();
  await databases.drop();
});

function rotate(keyId: ApiKeyId, overlapSeconds: number, now: EpochMicros): Promise<IssuedApiKey> {
  const manager = createPrincipal(tenant.id, "01900000-0000-7000-8000-00000000000a" as ApiKeyId, SCOPES);
  return writeAsTenant(pool, tenant.id, (session) =>
    rotateApiKey(session, tenant.id, rotationOf(keyId, overlapSeconds), manager, now),
  );
}

function running() {
  const clock = new TestClock();
  const doors = servers.map((server) => new Authenticator({ metrics: server.pool, now: clock.read, log: silent }));
  const isLetIn = (door: Authenticator, secret: string): Promise<boolean> =>
    door.authenticate(`Bearer ${secret}`).then(
      () => true,
      () => false,
    );
  /** Whether each secret opens each server, one row a server. */
  const open = (...secrets: readonly string[]) =>
    Promise.all(doors.map((door) => Promise.all(secrets.map((secret) => isLetIn(door, secret)))));
  return { clock, doors, open };
}

const everywhere = (...each: readonly boolean[]) => servers.map(() => each);

test("both secrets work on every server until the overlap is over, and then the new one alone", async () => {
  const { clock, open } = running();
  const { apiKey, secret: old } = await issueKey(pool, tenant);
  expect(await open(old)).toEqual(everywhere(true));
  const { secret: fresh, apiKey: rotated } = await rotate(apiKey.id, OVERLAP_SECONDS, clock.now);
  const overlapEnd = (START + OVERLAP_SECONDS * 1e6) as EpochMicros;
  expect(rotated).toMatchObject({ formerPrefix: apiKey.prefix, formerExpiresAt: overlapEnd });
  expect(await open(old, fresh)).toEqual(everywhere(true, true));
  clock.advance(OVERLAP_SECONDS * 1000 - 1);
  expect(await open(old, fresh)).toEqual(everywhere(true, true));
  // Not a moment later, though the servers have just read that both are good.
  clock.advance(1);
  expect(await open(old, fresh)).toEqual(everywhere(false, true));
});

test("both secrets open the same, and are one key in use", async () => {
  const { doors, clock } = running();
  const { apiKey, secret: old } = await issueKey(pool, tenant, { scopes: ["READ_EVENTS"] });
  const { secret: fresh } = await rotate(apiKey.id, OVERLAP_SECONDS, clock.now);
  const [door] = doors;
  expect(await door?.authenticate(`Bearer ${old}`)).toEqual(await door?.authenticate(`Bearer ${fresh}`));
});

test("an overlap does not outlive the key", async () => {
  const { clock, open } = running();
  const expiresAt = (START + 60_000_000) as EpochMicros;
  const { apiKey, secret: old } = await issueKey(pool, tenant, { expiresAt });
  const { secret: fresh, apiKey: rotated } = await rotate(apiKey.id, OVERLAP_SECONDS, clock.now);
  expect(rotated.formerExpiresAt).toBe(expiresAt);
  expect(await open(old, fresh)).toEqual(everywhere(true, true));
  clock.advance(60_000);
  expect(await open(old, fresh)).toEqual(everywhere(false, false));
});

test("revocation ends both secrets on every server within a second", async () => {
  const { clock, open } = running();
  const { apiKey, secret: old } = await issueKey(pool, tenant);
  const { secret: fresh } = await rotate(apiKey.id, OVERLAP_SECONDS, clock.now);
  expect(await open(old, fresh)).toEqual(everywhere(true, true));
  await writeAsTenant(pool, tenant.id, (session) => revokeApiKey(session, tenant.id, apiKey.id, OPERATOR, clock.now));
  clock.advance(LONGEST_LAG_MS);
  expect(await open(old, fresh)).toEqual(everywhere(false, false));
});

test.each([
  ["at once", 0, [false, false, true]],
  ["with an overlap", OVERLAP_SECONDS, [false, true, true]],
] as const)("a second rotation %s ends what is older on every server within a second", async (_, overlap, expected) => {
  const { clock, open } = running();
  const { apiKey, secret: first } = await issueKey(pool, tenant);
  const { secret: second } = await rotate(apiKey.id, OVERLAP_SECONDS, clock.now);
  expect(await open(first, second)).toEqual(everywhere(true, true));
  const { secret: third } = await rotate(apiKey.id, overlap, clock.now);
  clock.advance(LONGEST_LAG_MS);
  expect(await open(first, second, third)).toEqual(everywhere(...expected));
});

test.each([-1, 0.5, Number.NaN, 86_401])("an overlap of %s seconds is refused, and the key stays", async (overlap) => {
  const { apiKey } = await issueKey(pool, tenant);
  await expect(rotate(apiKey.id, overlap, START)).rejects.toMatchObject({
    code: "BAD_INPUT",
    field: ["overlapSeconds"],
  });
  const found = await writeAsTenant(pool, tenant.id, (session) => findApiKeys(session, tenant.id, [apiKey.id]));
  expect(found).toEqual([apiKey]);
});

test("a secret with a wrong checksum is refused without a look-up", async () => {
  const { doors } = running();
  const { secret } = await issueKey(pool, tenant);
  const mistyped = secret.slice(0, -1) + (secret.endsWith("a") ? "b" : "a");
  expect(parseKeySecret(mistyped)).toBeNull();
  const before = servers.map(({ statements }) => statements());
  for (const door of doors) {
    await expect(door.authenticate(`Bearer ${mistyped}`)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  }
  expect(servers.map(({ statements }) => statements())).toEqual(before);
});
