import { randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrateDatabase, migrateDatabases, pendingMigrations } from "../../src/database/migrate.js";
import { migrationFolder, readMigrationFiles } from "../../src/database/migration-files.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { cleanUpAfterEach, connect, migrationsOf } from "./migration-scene.js";

let databases: TestDatabases;
beforeAll(async () => {
  databases = await createTestDatabases();
});
afterAll(() => databases.drop());
cleanUpAfterEach();

const addColumn = (name: string) => `set local role mailtally_owner; alter table receipts add column ${name} text;`;

async function columnsOf(table: string): Promise<string[]> {
  const client = await connect(databases.eventsUrl);
  const { rows } = await client.query<{ attname: string }>(
    "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum",
    [table],
  );
  return rows.map((row) => row.attname);
}

test("a migration that fails leaves nothing of itself, what ran before stands, and the next run goes on behind it", async () => {
  const url = databases.eventsUrl;
  const folder = await migrationsOf({
    "9001_first.sql": addColumn("first"),
    "9002_second.sql": `${addColumn("second")} select 1 / 0;`,
    "9003_third.sql": addColumn("third"),
  });
  for (let run = 0; run < 2; run += 1) {
    await expect(migrateDatabase({ folder, url })).rejects.toThrow(
      /^Migration failed at .*9002_second; what came before it stands$/,
    );
  }
  expect(await columnsOf("receipts")).toContain("first");
  expect(await columnsOf("receipts")).not.toContain("second");
  await writeFile(path.join(folder, "9002_second.sql"), addColumn("second"));
  expect(await migrateDatabase({ folder, url })).toEqual(["9002_second", "9003_third"]);
  expect((await columnsOf("receipts")).slice(-3)).toEqual(["first", "second", "third"]);
});

test("a migration that cannot have its lock holds writers up for the lock's timeout at most, gives up, and runs the next time", async () => {
  const url = databases.eventsUrl;
  const patience = { lockTimeoutMs: 400, attempts: 3 };
  const folder = await migrationsOf({ "9004_locked.sql": addColumn("locked") });
  const reader = await connect(url);
  await reader.query("begin; lock table receipts in access share mode");

  const writer = await connect(url);
  const waits: number[] = [];
  const done = new AbortController();
  const writing = (async () => {
    while (!done.signal.aborted) {
      const began = performance.now();
      await writer.query(`begin; set local role mailtally_worker; insert into receipts values
        ('${randomUUID()}', '${randomUUID()}', 'APPLIED', now(), now(), 0, 0); commit`);
      waits.push(performance.now() - began);
    }
  })();
  await expect(migrateDatabase({ folder, url, patience })).rejects.toMatchObject({
    message: expect.stringContaining("9004_locked"),
    cause: { code: "55P03" },
  });
  done.abort();
  await writing;
  // As often as it was tried, somebody waited; nobody for two tries on end.
  expect(waits.filter((wait) => wait > 200).length).toBeGreaterThanOrEqual(1);
  expect(Math.max(...waits)).toBeLessThan(2 * patience.lockTimeoutMs + 200);
  expect(await columnsOf("receipts")).not.toContain("locked");

  await reader.query("commit");
  expect(await migrateDatabase({ folder, url, patience })).toEqual(["9004_locked"]);
});

test("a lock that comes free between two tries is taken: the run does not fail", async () => {
  const url = databases.eventsUrl;
  const folder = await migrationsOf({ "9005_patient.sql": addColumn("patient") });
  const reader = await connect(url);
  await reader.query("begin; lock table receipts in access share mode");
  const run = migrateDatabase({ folder, url, patience: { lockTimeoutMs: 200, attempts: 5 } });
  const watcher = await connect(url);
  const isWaiting = async () =>
    (await watcher.query("select from pg_locks where relation = 'receipts'::regclass and not granted")).rowCount === 1;
  await waitFor(isWaiting, { what: "the migration to wait" });
  await waitFor(async () => !(await isWaiting()), { what: "the first try to give up" });
  await reader.query("commit");
  expect(await run).toEqual(["9005_patient"]);
});

test("a program finds nothing to do, and nothing wrong, in a database that is newer than it", async () => {
  const { eventsUrl: url } = databases;
  const folder = await migrationsOf({ "9998_newer.sql": addColumn("newer"), "9999_newer.concurrent.sql": "" });
  await migrateDatabase({ folder, url });
  expect(await pendingMigrations("events", url)).toEqual([]);
  await migrateDatabases(databases);
  await rm(path.join(folder, "9998_newer.sql"));
  expect(await migrateDatabase({ folder, url })).toEqual([]);
});

/** Released with plain indexes, on tables that were empty then or made by the same file. */
const FIRST_CONCURRENT = "0005";

test.each(["events", "metrics"] as const)(
  "in %s an index on a table that may be big is built concurrently, and numbers are not used twice",
  async (database) => {
    const files = await readMigrationFiles(migrationFolder(database));
    const inTransaction = files.filter(({ isConcurrent }) => !isConcurrent);
    const numbers = inTransaction.map(({ name }) => name.slice(0, 4));
    expect(new Set(numbers).size).toBe(numbers.length);
    const faults: string[] = [];
    for (const { name, readText } of inTransaction.filter((file) => file.name >= FIRST_CONCURRENT)) {
      const text = await readText();
      const made = new Set([...text.matchAll(/create table (\w+)/gi)].map((match) => match[1]));
      for (const [statement, table] of text.matchAll(/create (?:unique )?index (?:\S+ )*?on (?:only )?(\S+)/gi)) {
        if (!made.has(table)) faults.push(`${name}: ${statement}`);
      }
    }
    expect(faults).toEqual([]);
  },
);
