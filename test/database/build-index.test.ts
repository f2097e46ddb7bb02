import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrateDatabase } from "../../src/database/migrate.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { builderThatWaits, cleanUpAfterEach, connect, indexesOf, migrationsOf } from "./migration-scene.js";

const patience = { lockTimeoutMs: 500, attempts: 20 };
let databases: TestDatabases;

beforeAll(async () => {
  databases = await createTestDatabases();
});
afterAll(() => databases.drop());
cleanUpAfterEach();

const makePartitions = (client: Client, moment: string) =>
  client.query(
    `begin; set local role mailtally_worker; select ensure_event_partitions('${moment}'::timestamptz); commit`,
  );

async function click(client: Client, occurredAt: string): Promise<void> {
  await client.query("begin; set local role mailtally_worker; set local statement_timeout = '5s'");
  await clickOf(client, occurredAt);
  await client.query("commit");
}

async function clickOf(client: Client, occurredAt: string): Promise<void> {
  await client.query(
    `insert into clicked (tenant_id, id, event_id, campaign_id, recipient_key, occurred_at, received_at, receipt_id, url, traffic)
     values ($1, $1, 'e', $1, $1, $2, $2, $1, 'https://example.org/', 'HUMAN')`,
    [randomUUID(), occurredAt],
  );
}

/** A transaction that has written to a table, and for which therefore every build of an index there waits. */
async function holdOpen(table: "clicked" | "campaign_links"): Promise<Client> {
  const client = await connect(databases.eventsUrl);
  await client.query("begin; set local role mailtally_worker");
  if (table === "clicked") await clickOf(client, "2026-09-10T00:00:00Z");
  else {
    await client.query(
      "insert into campaign_links (tenant_id, campaign_id, link_key, url) values ($1, $1, $1, 'https://example.org')",
      [randomUUID()],
    );
  }
  return client;
}

async function timesNoted(client: Client, name: string): Promise<number> {
  return (await client.query("select from schema_migrations where name = $1", [name])).rowCount ?? 0;
}

test("a partitioned table gets its index while it is written, on partitions too that are made meanwhile", async () => {
  const url = databases.eventsUrl;
  const client = await connect(url);
  for (const moment of ["2026-08-01", "2026-09-01", "2026-10-01"]) await makePartitions(client, moment);
  const folder = await migrationsOf({
    "9001_clicks.concurrent.sql":
      "-- Of a test.\ncreate index concurrently if not exists clicked_url_idx\n  on clicked (tenant_id, url) where traffic <> 'MACHINE';",
  });
  const blocker = await holdOpen("clicked");
  const run = migrateDatabase({ folder, url, patience });
  await builderThatWaits(client, blocker);

  // Neither the build that waits nor what it has done so far holds anybody off.
  for (const month of ["08", "09", "10"]) await click(client, `2026-${month}-15T00:00:00Z`);
  await makePartitions(client, "2026-07-01");
  await makePartitions(client, "2026-12-01");
  await click(client, "2026-12-15T00:00:00Z");
  await blocker.query("commit");

  expect(await run).toEqual(["9001_clicks.concurrent"]);
  await makePartitions(client, "2027-01-01");
  const parents = await client.query<{ name: string }>(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'clicked'::regclass order by 1`,
  );
  const children = await client.query<{ table: string; valid: boolean; definition: string }>(
    `select indrelid::regclass::text as table, indisvalid as valid, pg_get_indexdef(indexrelid) as definition
     from pg_inherits join pg_index on indexrelid = inhrelid where inhparent = 'clicked_url_idx'::regclass order by 1`,
  );
  expect(children.rows.map(({ table }) => table)).toEqual(parents.rows.map(({ name }) => name));
  expect(parents.rows.length).toBeGreaterThanOrEqual(6);
  for (const { valid, definition } of children.rows) {
    expect(valid).toBe(true);
    expect(definition).toMatch(/\(tenant_id, url\) WHERE \(traffic <> 'MACHINE'/);
  }
  // One on each, under the name that says so.
  expect(await indexesOf(client, "clicked", "_url_idx")).toEqual(
    expect.arrayContaining([
      { name: "clicked_url_idx", valid: true },
      { name: "clicked_2026_09_url_idx", valid: true },
    ]),
  );
  expect(await indexesOf(client, "clicked", "url_idx%")).toHaveLength(parents.rows.length + 1);
});

test("what a build left that was cut off in the middle is built anew by the next run", async () => {
  const url = databases.eventsUrl;
  const client = await connect(url);
  for (const moment of ["2026-08-01", "2026-09-01", "2026-10-01"]) await makePartitions(client, moment);
  const folder = await migrationsOf({
    "9002_clicks.concurrent.sql":
      "create index concurrently if not exists clicked_device_idx on clicked (tenant_id, device)",
  });
  const blocker = await holdOpen("clicked");
  const cut = migrateDatabase({ folder, url, patience });
  cut.catch(() => undefined);
  await client.query("select pg_terminate_backend($1)", [await builderThatWaits(client, blocker)]);
  await expect(cut).rejects.toThrow("9002_clicks.concurrent");
  expect(await timesNoted(client, "9002_clicks.concurrent")).toBe(0);
  const left = await indexesOf(client, "clicked", "_device_idx");
  expect(left).toContainEqual({ name: "clicked_2026_09_device_idx", valid: false });
  expect(left).toContainEqual({ name: "clicked_2026_08_device_idx", valid: true });
  await blocker.query("rollback");

  expect(await migrateDatabase({ folder, url, patience })).toEqual(["9002_clicks.concurrent"]);
  const built = await indexesOf(client, "clicked", "_device_idx");
  expect(built.length).toBeGreaterThan(left.length);
  expect(built.filter(({ valid }) => !valid)).toEqual([]);
  expect(await migrateDatabase({ folder, url, patience })).toEqual([]);
});

test("a unique index that the rows forbid fails, harms no writer, and is there once the rows are mended", async () => {
  const url = databases.eventsUrl;
  const client = await connect(url);
  const [tenant, first, second] = [randomUUID(), randomUUID(), randomUUID()];
  const put = (key: string, link: string) =>
    client.query(
      `begin; set local role mailtally_worker;
       insert into campaign_links values ('${tenant}', '${tenant}', '${key}', '${link}'); commit`,
    );
  await put(first, "https://example.org/twice");
  await put(second, "https://example.org/twice");
  const folder = await migrationsOf({
    "9003_links.concurrent.sql":
      "create unique index concurrently if not exists campaign_links_url_key on campaign_links (tenant_id, campaign_id, url)",
  });
  await expect(migrateDatabase({ folder, url, patience })).rejects.toMatchObject({
    cause: { message: expect.stringContaining("could not create unique index") },
  });
  await client.query(
    `begin; set local role mailtally_worker; delete from campaign_links where link_key = '${second}'; commit`,
  );
  await put(randomUUID(), "https://example.org/once");
  expect(await migrateDatabase({ folder, url, patience })).toEqual(["9003_links.concurrent"]);
  await expect(put(second, "https://example.org/twice")).rejects.toThrow("campaign_links_url_key");
  await client.query("rollback");
});

test("an index that the server still builds for a runner that died is waited for, not thrown away", async () => {
  const url = databases.eventsUrl;
  const client = await connect(url);
  const statement =
    "create index concurrently if not exists campaign_links_late_idx on campaign_links (tenant_id, link_key)";
  const blocker = await holdOpen("campaign_links");
  const orphan = await connect(url);
  await orphan.query("set role mailtally_owner");
  const building = orphan.query(statement);
  await builderThatWaits(client, blocker);
  const oid = "select indexrelid from pg_index where indexrelid = 'campaign_links_late_idx'::regclass";
  const before = await client.query(oid);

  const folder = await migrationsOf({ "9004_links.concurrent.sql": statement });
  const run = migrateDatabase({ folder, url, patience });
  await waitFor(
    async () =>
      (
        await client.query(`select from pg_stat_activity where query like '%may_be_in_work%'
        and pid <> pg_backend_pid() and state = 'idle' and datname = current_database()`)
      ).rowCount,
    { what: "the runner to look at the index" },
  );
  await blocker.query("commit");
  await building;
  expect(await run).toEqual(["9004_links.concurrent"]);
  expect((await client.query(oid)).rows).toEqual(before.rows);
});

test("runners that race for a concurrent migration wait without holding up the one who builds", async () => {
  const url = databases.eventsUrl;
  const client = await connect(url);
  const folder = await migrationsOf({
    "9005_links.concurrent.sql":
      "create index concurrently if not exists campaign_links_race_idx on campaign_links (tenant_id, url);",
    "9006_links.concurrent.sql": "drop index concurrently if exists campaign_links_race_idx;",
  });
  const blocker = await holdOpen("campaign_links");
  const runs = Array.from({ length: 4 }, () => migrateDatabase({ folder, url, patience }));
  await builderThatWaits(client, blocker);
  await waitFor(
    async () =>
      (
        await client.query(`select from pg_stat_activity where datname = current_database()
        and query in ('rollback') and state = 'idle' and xact_start is null`)
      ).rowCount ===
      runs.length - 1,
    { what: "the others to have been turned away" },
  );
  await blocker.query("commit");
  expect((await Promise.all(runs)).toSorted((left, right) => right.length - left.length)).toEqual([
    ["9005_links.concurrent", "9006_links.concurrent"],
    [],
    [],
    [],
  ]);
  expect(await timesNoted(client, "9005_links.concurrent")).toBe(1);
  expect(await indexesOf(client, "campaign_links", "race_idx")).toEqual([]);
});

test.each([
  "create index link_idx on campaign_links (tenant_id)",
  "create index concurrently link_idx on campaign_links (tenant_id)",
  "drop index concurrently if exists a_idx; update campaign_links set url = ''",
])("a concurrent migration may hold nothing that cannot be run again: %s", async (text) => {
  const folder = await migrationsOf({ "9007_other.concurrent.sql": text });
  await expect(migrateDatabase({ folder, url: databases.eventsUrl, patience })).rejects.toMatchObject({
    cause: { message: expect.stringContaining("and nothing else") },
  });
});
