import { Client } from "pg";
import { DATABASE_NAMES, type DatabaseName } from "./database-name.js";

/** What each never has: a table of the other's first migrations. */
const OTHERS_TABLE: Readonly<Record<DatabaseName, string>> = { events: "tenants", metrics: "inbox" };

/** Not the address, which has many names: no two servers start in the same microsecond and have a database of that number. */
const look = `select
    (select oid from pg_database where datname = current_database()) || ' '
      || extract(epoch from pg_postmaster_start_time()) as identity,
    -- Beside our list of migrations it is our table, and not somebody else's of that name.
    to_regclass('schema_migrations') is not null and to_regclass($1) is not null as "isOther"`;

/** That both names lead to one database, or which of them leads to the other's; null where all is well, or still empty. */
export async function findDatabaseMixUp(
  urls: Readonly<Record<DatabaseName, string>>,
): Promise<"same" | readonly DatabaseName[] | null> {
  const identities = new Set<string>();
  const mixedUp: DatabaseName[] = [];
  for (const database of DATABASE_NAMES) {
    const { identity, isOther } = await lookAt(urls[database], OTHERS_TABLE[database]);
    identities.add(identity);
    if (isOther) mixedUp.push(database);
  }
  if (identities.size === 1) return "same";
  return mixedUp.length === 0 ? null : mixedUp;
}

async function lookAt(url: string, table: string): Promise<{ readonly identity: string; readonly isOther: boolean }> {
  const client = new Client({ connectionString: url });
  // What breaks the connection also fails the statement in hand.
  client.on("error", () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ identity: string; isOther: boolean }>(look, [table]);
    const [row] = rows;
    if (row === undefined) throw new Error("PostgreSQL answered a select without a row");
    return row;
  } finally {
    await client.end();
  }
}
