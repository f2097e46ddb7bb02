import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { migrateDatabases, pendingMigrations } from "../../src/database/migrate.js";
import { dropDatabase } from "../support/test-databases.js";

const name = `migrate_${randomUUID().replaceAll("-", "")}`;
const urlOf = (database: string): string => {
  const url = new URL(inject("postgresUrl"));
  url.pathname = `/${database}`;
  return url.href;
};
const urls = { eventsUrl: urlOf(`${name}_events`), metricsUrl: urlOf(`${name}_metrics`) };

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

beforeAll(() =>
  withClient(urlOf("postgres"), async (client) => {
    await client.query(`create database ${name}_events`);
    await client.query(`create database ${name}_metrics`);
  }),
);
afterAll(() =>
  withClient(urlOf("postgres"), async (client) => {
    await dropDatabase(client, `${name}_events`);
    await dropDatabase(client, `${name}_metrics`);
  }),
);

test("racing runners run each migration once, and all find the newest schema", async () => {
  expect(await pendingMigrations("events", urls.eventsUrl)).not.toEqual([]);
  await Promise.all(Array.from({ length: 5 }, () => migrateDatabases(urls)));
  for (const [database, url] of [
    ["events", urls.eventsUrl],
    ["metrics", urls.metricsUrl],
  ] as const) {
    expect(await pendingMigrations(database, url)).toEqual([]);
    const ran = await withClient(url, (client) => client.query<{ name: string }>("select name from schema_migrations"));
    const names = ran.rows.map((row) => row.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("0001_roles");
  }
});

test.each([
  ["events", urls.eventsUrl],
  ["metrics", urls.metricsUrl],
])("in %s every table of tenants' rows forces row-level security, partitions too", async (database, url) => {
  await migrateDatabases(urls);
  const open = await withClient(url, async (client) => {
    if (database === "events") {
      await client.query("begin; set local role mailtally_worker; select ensure_event_partitions(now()); commit");
    }
    const found = await client.query<{ table: string; forced: boolean }>(
      `select distinct relation.oid::regclass::text as table,
         relation.relrowsecurity and relation.relforcerowsecurity as forced
       from pg_class as relation
       join pg_attribute as attribute on attribute.attrelid = relation.oid
       where relation.relkind in ('r', 'p') and relation.relnamespace = 'public'::regnamespace
         and (attribute.attname = 'tenant_id' or relation.relname = 'tenants')`,
    );
    expect(found.rows.length).toBeGreaterThan(10);
    return found.rows.filter((row) => !row.forced);
  });
  expect(open).toEqual([]);
});

test("the roles of API and worker own nothing, cannot log in and bypass nothing", async () => {
  await migrateDatabases(urls);
  for (const url of [urls.eventsUrl, urls.metricsUrl]) {
    const [roles, owned] = await withClient(url, async (client) => [
      await client.query(
        `select rolname, rolsuper or rolbypassrls or rolcanlogin or rolcreaterole or rolcreatedb as may_much
         from pg_roles where rolname in ('mailtally_api', 'mailtally_worker') order by rolname`,
      ),
      await client.query(
        `select relname from pg_class join pg_roles on pg_roles.oid = relowner
         where rolname in ('mailtally_api', 'mailtally_worker')`,
      ),
    ]);
    expect(roles.rows).toEqual([
      { rolname: "mailtally_api", may_much: false },
      { rolname: "mailtally_worker", may_much: false },
    ]);
    expect(owned.rows).toEqual([]);
  }
});
