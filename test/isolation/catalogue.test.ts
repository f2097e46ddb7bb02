/** The wall below the program, as the databases' own catalogue tells of it: a table that is new is held to it too. */
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

let databases: TestDatabases;
const clients = new Map<string, Client>();
beforeAll(async () => {
  databases = await createTestDatabases();
  for (const [name, url] of [
    ["events", databases.eventsUrl],
    ["metrics", databases.metricsUrl],
  ] as const) {
    const client = new Client({ connectionString: url });
    await client.connect();
    clients.set(name, client);
  }
  await clients
    .get("events")
    ?.query("begin; set local role mailtally_worker; select ensure_event_partitions(now()); commit");
});
afterAll(async () => {
  for (const client of clients.values()) await client.end();
  await databases.drop();
});

const TENANT_TABLES = `
  select relation.oid, relation.relname as name, relation.relrowsecurity and relation.relforcerowsecurity as forced,
    has_table_privilege('mailtally_api', relation.oid, 'select, insert, update, delete') as open_to_api
  from pg_class as relation
  where relation.relkind in ('r', 'p', 'f', 'm') and relation.relnamespace = 'public'::regnamespace
    and (relation.relname = 'tenants' or exists (
      select from pg_attribute where attrelid = relation.oid and attname = 'tenant_id' and not attisdropped))`;

/** As PostgreSQL prints it. */
const OWN_ROWS =
  /^\((tenant_id|id) = \(NULLIF\(current_setting\('app\.current_tenant'::text, true\), ''::text\)\)::uuid\)$/;

describe.each(["events", "metrics"])("in the database %s", (name) => {
  const rows = async (text: string): Promise<Record<string, unknown>[]> =>
    (await clients.get(name)?.query<Record<string, unknown>>(text))?.rows ?? [];

  test("every table of tenants' rows forces row-level security, whoever owns it", async () => {
    const tables = await rows(TENANT_TABLES);
    expect(tables.length).toBeGreaterThan(10);
    expect(tables.filter(({ forced }) => forced !== true)).toEqual([]);
  });

  test("every table that the API may touch shows and takes the rows of the tenant that is set, and no policy says more", async () => {
    const tables = await rows(`
      select tables.name, policy.polname, policy.polcmd, policy.polpermissive,
        pg_get_expr(policy.polqual, policy.polrelid) as shown,
        pg_get_expr(coalesce(policy.polwithcheck, policy.polqual), policy.polrelid) as taken
      from (${TENANT_TABLES}) as tables
      left join pg_policy as policy on policy.polrelid = tables.oid
        and policy.polroles && array[0::oid, 'mailtally_api'::regrole::oid]
      where tables.open_to_api`);
    expect(tables.length).toBeGreaterThan(8);
    for (const { name: table, shown, taken } of tables) {
      expect(shown, String(table)).toMatch(OWN_ROWS);
      expect(taken, String(table)).toMatch(OWN_ROWS);
    }
  });

  test("the API's role is nobody's, owns nothing, and can become nobody else", async () => {
    const [role] = await rows(`
      select rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb, rolreplication,
        (select count(*)::int from pg_auth_members where member = role.oid) as memberships,
        (select count(*)::int from pg_roles as other
         where other.oid <> role.oid and pg_has_role(role.oid, other.oid, 'member')) as others,
        (select count(*)::int from pg_shdepend where refobjid = role.oid and deptype = 'o') as owned,
        has_schema_privilege(role.oid, 'public', 'create') as creates,
        has_database_privilege(role.oid, current_database(), 'create') as creates_schemas
      from pg_roles as role where rolname = 'mailtally_api'`);
    expect(role).toEqual({
      rolsuper: false,
      rolbypassrls: false,
      rolcanlogin: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolreplication: false,
      memberships: 0,
      others: 0,
      owned: 0,
      creates: false,
      creates_schemas: false,
    });
  });

  test("what runs with another's rights is known by name, and fixes where it looks for names", async () => {
    const functions = await rows(`
      select proname as name, proconfig::text like '%search_path=%' as fixed,
        has_function_privilege('mailtally_api', oid, 'execute') as open_to_api
      from pg_proc where prosecdef and pronamespace = 'public'::regnamespace order by proname`);
    expect(functions.filter(({ fixed }) => fixed !== true)).toEqual([]);
    const open = functions.filter(({ open_to_api }) => open_to_api === true).map((row) => row["name"]);
    expect(open).toEqual(
      name === "events" ? [] : ["find_api_keys", "find_keys_with_limits", "find_tenant_id", "read_tenant_states"],
    );
  });
});
