import { Client } from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { TenantStates } from "../../src/tenancy/tenant-states.js";
import { freePort } from "../../src/database/embedded-port.js";
import { defineStatement } from "../../src/database/statement.js";
import type { TenantId } from "../../src/ids.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { createTenant, moveVersion, newTenantId, testPool } from "../support/cache-rig.js";

let databases: TestDatabases;
beforeAll(async () => {
  databases = await createTestDatabases();
});
afterAll(() => databases.drop());

const changeZone = defineStatement<"metrics", [TenantId, zone: string], never>(
  "metrics",
  "test.change_zone",
  "update tenants set time_zone = $2 where id = $1",
);
const changeRollupZone = defineStatement<"metrics", [TenantId, zone: string], never>(
  "metrics",
  "test.change_rollup_zone",
  "update tenants set rollup_time_zone = $2 where id = $1",
);

const READ = "tenants.read_states";
const sentIn = (statements: readonly string[]) => statements.filter((name) => name === READ).length;

interface BlockedReadings {
  waiting(): Promise<number>;
  release(): Promise<void>;
  /** The same, and the tenant's first version is committed by it: those that wait began before that commit. */
  releaseMoving(tenantId: TenantId): Promise<void>;
}

/** Holds every reading up until released, and counts those that wait. */
async function blockReadings(): Promise<BlockedReadings> {
  const [blocker, observer] = [databases.metricsUrl, databases.metricsUrl].map(
    (url) => new Client({ connectionString: url }),
  ) as [Client, Client];
  await Promise.all([blocker.connect(), observer.connect()]);
  onTestFinished(async () => void (await Promise.all([blocker.end(), observer.end()])));
  await blocker.query("begin; set local role mailtally_owner; lock table tenant_versions in access exclusive mode");
  return {
    waiting: async () => {
      const found = await observer.query<{ count: string }>(
        `select count(*) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and query like '%read_tenant_states%'`,
      );
      return Number(found.rows[0]?.count);
    },
    release: async () => void (await blocker.query("rollback")),
    releaseMoving: async (tenantId) => {
      await blocker.query("set local role mailtally_worker");
      await blocker.query("insert into tenant_versions (tenant_id, version) values ($1, 1)", [tenantId]);
      await blocker.query("commit");
    },
  };
}

test("a tenant that nothing was recorded of has version 0, and each move is seen", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool, maxAgeMs: 0 });
  const [tenant, other] = [await createTenant(pool), await createTenant(pool)];

  expect(await states.read(tenant)).toMatchObject({ version: 0 });
  await moveVersion(pool, tenant);
  await moveVersion(pool, tenant);
  expect(await states.read(tenant)).toMatchObject({ version: 2 });
  expect(await states.read(other)).toMatchObject({ version: 0 });
});

test("a state carries both zones, and a change of them is seen", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool, maxAgeMs: 0 });
  const tenant = await createTenant(pool, "Europe/Berlin", "America/New_York");
  const before = { version: 0, timeZone: "Europe/Berlin", rollupTimeZone: "America/New_York" };
  expect(await states.read(tenant)).toEqual(before);

  await writeAsWorker(pool, (session) => session.run(changeZone(tenant, "Asia/Kolkata")));
  expect(await states.read(tenant)).toEqual({ ...before, timeZone: "Asia/Kolkata" });
  await writeAsWorker(pool, (session) => session.run(changeRollupZone(tenant, "Asia/Kolkata")));
  expect(await states.read(tenant)).toEqual({ version: 0, timeZone: "Asia/Kolkata", rollupTimeZone: "Asia/Kolkata" });
});

test("requests of many tenants at once share one statement, and each gets its own version", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool });
  const tenants = await Promise.all(Array.from({ length: 20 }, () => createTenant(pool)));
  for (const [moves, tenant] of tenants.slice(0, 3).entries()) {
    for (let move = 0; move < moves; move++) await moveVersion(pool, tenant);
  }

  const read = await Promise.all([...tenants, ...tenants].map((tenant) => states.read(tenant)));

  expect(sentIn(statements)).toBe(1);
  const expected = tenants.map((_, position) => (position < 3 ? position : 0));
  expect(read.map(({ version }) => version)).toEqual([...expected, ...expected]);
});

test("a reading is reused up to its age limit and not a moment longer", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  let now = 1_000;
  const states = new TenantStates({ pool, maxAgeMs: 25, now: () => now });
  const tenant = await createTenant(pool);

  expect(await states.read(tenant)).toMatchObject({ version: 0 });
  await moveVersion(pool, tenant);
  now += 25;
  expect(await states.read(tenant)).toMatchObject({ version: 0 });
  expect(sentIn(statements)).toBe(1);
  now += 0.1;
  expect(await states.read(tenant)).toMatchObject({ version: 1 });
  expect(sentIn(statements)).toBe(2);
});

test("the age counts from before the statement was sent: one still under way is not joined when it is too old", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  let now = 1_000;
  const states = new TenantStates({ pool, maxAgeMs: 25, now: () => now });
  const tenant = await createTenant(pool);
  const blocked = await blockReadings();

  const first = states.read(tenant);
  await waitFor(async () => (await blocked.waiting()) === 1, { what: "the first statement to wait" });
  now += 25;
  const joining = states.read(tenant);
  now += 0.1;
  const late = states.read(tenant);
  await waitFor(async () => (await blocked.waiting()) === 2, { what: "a second statement to wait" });
  await blocked.release();

  await Promise.all([first, joining, late]);
  expect(sentIn(statements)).toBe(2);
});

test("a reading that came too late to be served is asked for again", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  let now = 1_000;
  const states = new TenantStates({ pool, now: () => now });
  const tenant = await createTenant(pool);
  const blocked = await blockReadings();

  const reading = states.read(tenant);
  await waitFor(async () => (await blocked.waiting()) === 1, { what: "the statement to wait" });
  now += 600;
  await blocked.release();

  expect(await reading).toMatchObject({ version: 0 });
  expect(sentIn(statements)).toBe(2);
});

test("a database that is always too late gives no version", async () => {
  const { pool } = testPool(databases.metricsUrl);
  let now = 0;
  const states = new TenantStates({ pool, now: () => (now += 600) });
  await expect(states.read(await createTenant(pool))).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("a database that hangs is given up, and asked again by the next request", async () => {
  const { pool } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool, giveUpMs: 200 });
  const tenant = await createTenant(pool);
  const blocked = await blockReadings();

  await expect(states.read(tenant)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await blocked.release();
  // A slow machine may need longer than the limit of this test.
  expect(await waitFor(async () => (await states.read(tenant)).version === 0, { what: "a version" })).toBe(true);
});

test("a database that is not there rejects all who wait, and a failure is not a reading to reuse", async () => {
  const { pool } = testPool(`postgres://nobody@127.0.0.1:${await freePort()}/none`);
  const states = new TenantStates({ pool, now: () => 1_000 });
  const tenant = newTenantId();

  const failureOf = () => states.read(tenant).catch((error: unknown) => error);
  const [first, joining] = await Promise.all([failureOf(), failureOf()]);
  const again = await failureOf();
  expect(first).toMatchObject({ name: "DatabaseUnreachable" });
  expect(joining).toBe(first);
  expect(again).toMatchObject({ name: "DatabaseUnreachable" });
  expect(again).not.toBe(first);
});

test("what is no tenant's id and whom the database does not know fail alone", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool });
  const known = await createTenant(pool);
  const read = await Promise.allSettled(
    ["none" as TenantId, newTenantId(), known].map((tenant) => states.read(tenant)),
  );
  expect(read).toMatchObject([
    { status: "rejected", reason: new TypeError("A tenant's id is a UUID") },
    { status: "rejected", reason: new Error("There is no such tenant") },
    { status: "fulfilled", value: { version: 0 } },
  ]);
  expect(sentIn(statements)).toBe(1);
});

test("from now on, a reading that has its answer is not taken, and what it was replaced by is for all", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool, now: () => 1_000 });
  const [tenant, other] = [await createTenant(pool), await createTenant(pool)];
  await Promise.all([states.read(tenant), states.read(other)]);
  await moveVersion(pool, tenant);
  await moveVersion(pool, other);

  expect(await states.read(tenant)).toMatchObject({ version: 0 });
  expect(await states.read(tenant, { fromNowOn: true })).toMatchObject({ version: 1 });
  expect(await states.read(tenant)).toMatchObject({ version: 1 });
  // Nobody asked for the other tenant: its reading is as good as before.
  expect(await states.read(other)).toMatchObject({ version: 0 });
  expect(sentIn(statements)).toBe(2);
});

test("from now on, a reading that still waits for its answer is not taken", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool, now: () => 1_000 });
  const tenant = await createTenant(pool);
  const blocked = await blockReadings();

  const before = states.read(tenant);
  await waitFor(async () => (await blocked.waiting()) === 1, { what: "the first statement to wait" });
  const joining = states.read(tenant);
  const fromNowOn = states.read(tenant, { fromNowOn: true });
  await waitFor(async () => (await blocked.waiting()) === 2, { what: "a statement of its own to wait" });
  await blocked.release();

  // Those who wait for the older one still get it.
  const read = await Promise.all([before, joining, fromNowOn]);
  expect(read.map(({ version }) => version)).toEqual([0, 0, 0]);
  expect(sentIn(statements)).toBe(2);
});

test("from now on, a statement sent before a change is not taken for one sent after it", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool, now: () => 1_000 });
  const tenant = await createTenant(pool);
  const blocked = await blockReadings();

  const before = states.read(tenant);
  await waitFor(async () => (await blocked.waiting()) === 1, { what: "the statement to wait" });
  await blocked.releaseMoving(tenant);

  const [joining, fromNowOn] = await Promise.all([states.read(tenant), states.read(tenant, { fromNowOn: true })]);
  expect([await before, joining, fromNowOn]).toMatchObject([{ version: 0 }, { version: 0 }, { version: 1 }]);
  expect(sentIn(statements)).toBe(2);
});

test("many who ask from now on at once share one statement", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool });
  const tenant = await createTenant(pool);
  await Promise.all(Array.from({ length: 20 }, () => states.read(tenant, { fromNowOn: true })));
  expect(sentIn(statements)).toBe(1);
});

test("after a tenant was forgotten the next read asks the database, for that tenant alone", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool, now: () => 1_000 });
  const [tenant, other] = [await createTenant(pool), await createTenant(pool)];
  await Promise.all([states.read(tenant), states.read(other)]);
  await moveVersion(pool, tenant);

  states.forget(tenant);
  await states.read(other);
  expect(sentIn(statements)).toBe(1);
  expect(await states.read(tenant)).toMatchObject({ version: 1 });
  expect(await states.read(tenant)).toMatchObject({ version: 1 });
  expect(sentIn(statements)).toBe(2);
});

test("a tenant forgotten before the statement was sent is still asked for, once", async () => {
  const { pool, statements } = testPool(databases.metricsUrl);
  const states = new TenantStates({ pool });
  const tenant = await createTenant(pool);
  const reading = states.read(tenant);
  states.forget(tenant);
  expect(await reading).toMatchObject({ version: 0 });
  expect(sentIn(statements)).toBe(1);
});
