import { expect, onTestFinished, test } from "vitest";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { readWithoutTenant, TenantReads, writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { newTenantId, silent } from "../support/cache-rig.js";
import { createTestDatabases } from "../support/test-databases.js";

const LIMIT_MS = 50;
const sleep = defineStatement<"events", [], { one: number }>(
  "events",
  "test.sleep",
  "select 1 as one from pg_sleep(0.2)",
);

async function poolWithLimit(limitMs: number | undefined): Promise<Pool<"events">> {
  const databases = await createTestDatabases();
  const pool = new Pool({
    database: "events",
    url: databases.eventsUrl,
    maxConnections: 1,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log: silent,
    ...(limitMs !== undefined && { requestStatementTimeoutMs: limitMs }),
  });
  onTestFinished(async () => {
    await pool.stop();
    await databases.drop();
  });
  return pool;
}

test("a request's statement that takes longer than its limit is cut, and its connection goes on without one", async () => {
  const pool = await poolWithLimit(LIMIT_MS);
  const tenantId = newTenantId();
  const reads = new TenantReads(pool, tenantId);
  for (const statement of [
    () => reads.run(sleep()),
    () => writeAsTenant(pool, tenantId, (session) => session.run(sleep())),
    () => readWithoutTenant(pool, (session) => session.run(sleep())),
  ]) {
    await expect(statement()).rejects.toMatchObject({ code: "57014" });
    // The pool has one connection, so the worker's statement runs on the one that was cut.
    expect(await writeAsWorker(pool, (session) => session.run(sleep()))).toEqual([{ one: 1 }]);
  }
  await reads.end();
});

test("without a limit a request's statement may take its time", async () => {
  const pool = await poolWithLimit(undefined);
  expect(await writeAsTenant(pool, newTenantId(), (session) => session.run(sleep()))).toEqual([{ one: 1 }]);
});
