import { Client } from "pg";
import type { TestDatabases } from "../support/test-databases.js";

/** A row of any table, as text. */
export interface StoredRow {
  readonly table: string;
  readonly row: string;
}

/** Every row of every table of both databases, as the catalogues tell of them: a table that is new is among them. */
export async function everythingStored(databases: TestDatabases): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for (const url of [databases.eventsUrl, databases.metricsUrl]) {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const tables = await client.query<{ name: string; open: boolean; walled: boolean }>(
        `select oid::regclass::text as name, has_table_privilege('mailtally_worker', oid, 'select') as open,
           relrowsecurity as walled
         from pg_class
         where relkind in ('r', 'm', 'p') and not relispartition
           and relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast')
         order by 1`,
      );
      for (const { name, open, walled } of tables.rows) {
        // A row that a policy hides must not pass for one that is not there.
        if (walled && !open) throw new Error(`${name} hides its rows from the worker`);
        await client.query(open ? "set role mailtally_worker" : "reset role");
        const found = await client.query<{ row: string }>(`select stored::text as row from ${name} as stored`);
        rows.push(...found.rows.map(({ row }) => ({ table: name, row })));
      }
    } finally {
      await client.end();
    }
  }
  return rows;
}

/** The tables with a row in which one of the texts stands, in whatever case. */
export function tablesWith(rows: readonly StoredRow[], ...texts: readonly string[]): string[] {
  const wanted = texts.map((text) => text.toLowerCase());
  const found = rows.filter(({ row }) => wanted.some((text) => row.toLowerCase().includes(text)));
  return [...new Set(found.map(({ table }) => table))].toSorted();
}
