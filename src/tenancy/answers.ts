import type { DatabaseName } from "../database/database-name.js";
import type { Pool } from "../database/pool.js";
import { readWithoutTenant } from "./transactions.js";

/** Whether a database lets the API's role in and answers. */
export async function answers<D extends DatabaseName>(pool: Pool<D>): Promise<boolean> {
  try {
    await readWithoutTenant(pool, (session) =>
      session.run({ database: pool.database, name: "readiness.ask", text: "select 1", values: [] }),
    );
    return true;
  } catch {
    return false;
  }
}
