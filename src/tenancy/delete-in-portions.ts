import type { DatabaseName } from "../database/database-name.js";
import type { Pool } from "../database/pool.js";
import { defineStatement, type Statement } from "../database/statement.js";
import { writeAsWorker } from "./transactions.js";

const ROWS_AT_A_TIME = 10_000;

export interface PortionOptions {
  /** Checked between portions. */
  readonly signal?: AbortSignal | undefined;
  readonly rowsAtATime?: number | undefined;
}

/**
 * Defines the deletion of some of the rows that meet the condition, those that come first by `order`, which an index should give. `$1` is
 * how many; the condition's own values follow. Rows are locked in their order: whoever deletes the same waits, and takes the next.
 */
export function definePortion<D extends DatabaseName, Values extends unknown[]>(
  database: D,
  name: string,
  parts: { readonly table: string; readonly key: readonly string[]; readonly order: string; readonly where: string },
): (rows: number, ...values: Values) => Statement<D, { deleted: number }> {
  const { table, key, order, where } = parts;
  return defineStatement<D, [rows: number, ...Values], { deleted: number }>(
    database,
    name,
    `with portion as (
       select ${key.join(", ")} from ${table} where ${where} order by ${order}, ${key.join(", ")} limit $1 for update
     ),
     deleted as (
       delete from ${table} using portion where ${key.map((column) => `${table}.${column} = portion.${column}`).join(" and ")}
       returning 1
     )
     select count(*) as deleted from deleted`,
  );
}

/**
 * Deletes all there is to delete, a portion in a transaction: what is done stays done, however much there is and whatever ends it.
 * False where the signal did.
 */
export async function deleteInPortions<D extends DatabaseName>(
  pool: Pool<D>,
  portion: (rows: number) => Statement<D, { deleted: number }>,
  { signal, rowsAtATime = ROWS_AT_A_TIME }: PortionOptions = {},
): Promise<boolean> {
  for (let left = true; left;) {
    if (signal?.aborted === true) return false;
    const [row] = await writeAsWorker(pool, (session) => session.run(portion(rowsAtATime)));
    left = row !== undefined && row.deleted >= rowsAtATime;
  }
  return true;
}
