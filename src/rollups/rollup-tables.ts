/**
 * The rollups' tables and the one way of adding to them: rows of sums, upserted in the order of their keys. Every projector
 * uses the same order, within a table and of tables: unsorted keys with four of them spend their time in deadlocks.
 * VALUES lists, since Citus routes these to the shards and pulls an insert from unnest or JSON to the coordinator.
 */
import type { Session } from "../database/pool.js";
import { runInOrder } from "../database/run-in-order.js";
import { defineStatement, type Statement } from "../database/statement.js";
import { recordOf } from "../record-of.js";
import { LINK_MEASURES, MEASURES } from "./measures.js";

type Value = string | number;

/** A row: its key, in the order of the table's key columns, and what to add. */
export interface RollupRow {
  readonly key: readonly Value[];
  readonly sums: readonly Value[];
}

const AMOUNT = ["amount"] as const;

/** In the order in which they are written. */
export const ROLLUP_TABLES = {
  campaign_quarter_hours: { key: ["tenant_id", "campaign_id", "basis", "bucket_start"], sums: MEASURES },
  campaign_days: { key: ["tenant_id", "campaign_id", "basis", "time_zone", "day"], sums: MEASURES },
  campaign_totals: { key: ["tenant_id", "campaign_id"], sums: MEASURES },
  campaign_quarter_hour_revenue: {
    key: ["tenant_id", "campaign_id", "basis", "bucket_start", "currency"],
    sums: AMOUNT,
  },
  campaign_day_revenue: { key: ["tenant_id", "campaign_id", "basis", "time_zone", "day", "currency"], sums: AMOUNT },
  campaign_total_revenue: { key: ["tenant_id", "campaign_id", "currency"], sums: AMOUNT },
  campaign_link_quarter_hours: {
    key: ["tenant_id", "campaign_id", "link_key", "basis", "bucket_start"],
    sums: LINK_MEASURES,
  },
  campaign_link_days: {
    key: ["tenant_id", "campaign_id", "link_key", "basis", "time_zone", "day"],
    sums: LINK_MEASURES,
  },
  campaign_links: { key: ["tenant_id", "campaign_id", "link_key", "url"], sums: LINK_MEASURES },
  tenant_quarter_hours: { key: ["tenant_id", "basis", "bucket_start"], sums: MEASURES },
  tenant_days: { key: ["tenant_id", "basis", "time_zone", "day"], sums: MEASURES },
  tenant_quarter_hour_revenue: { key: ["tenant_id", "basis", "bucket_start", "currency"], sums: AMOUNT },
  tenant_day_revenue: { key: ["tenant_id", "basis", "time_zone", "day", "currency"], sums: AMOUNT },
  tenant_totals: { key: ["tenant_id"], sums: MEASURES },
  tenant_total_revenue: { key: ["tenant_id", "currency"], sums: AMOUNT },
} as const satisfies Record<string, { readonly key: readonly string[]; readonly sums: readonly string[] }>;

export type RollupTable = keyof typeof ROLLUP_TABLES;
export const ROLLUP_TABLE_NAMES = Object.keys(ROLLUP_TABLES) as RollupTable[];

/** Rows per statement: powers of two, so that any number of rows is made up of few statements, each prepared once. */
const MAX_ROWS = 512;

type Upsert = ReturnType<typeof defineStatement<"metrics", readonly unknown[], never>>;
const upserts = new Map<string, Upsert>();

function upsertOf(table: RollupTable, rows: number): Upsert {
  const name = `rollups.add_to_${table}.${rows}`;
  const known = upserts.get(name);
  if (known !== undefined) return known;
  const { key, sums } = ROLLUP_TABLES[table];
  const width = key.length + sums.length;
  const values = Array.from({ length: rows }, (_, row) => {
    const binds = Array.from({ length: width }, (__, column) => `$${row * width + column + 1}`);
    return `(${binds.join(", ")})`;
  });
  // A link's url belongs to its key and is not part of the primary key.
  const conflict = key.filter((column) => column !== "url");
  const statement: Upsert = defineStatement(
    "metrics",
    name,
    `insert into ${table} (${[...key, ...sums].join(", ")}) values ${values.join(", ")}
     on conflict (${conflict.join(", ")}) do update set
     ${sums.map((column) => `${column} = ${table}.${column} + excluded.${column}`).join(", ")}`,
  );
  upserts.set(name, statement);
  return statement;
}

/** What adds rows, of which no two have the same key: to be run in this order. */
export function* additionsTo(table: RollupTable, rows: readonly RollupRow[]): Generator<Statement<"metrics", never>> {
  const sorted = rows.toSorted((a, b) => compareKeys(a.key, b.key));
  let done = 0;
  while (done < sorted.length) {
    const size = Math.min(MAX_ROWS, 2 ** Math.floor(Math.log2(sorted.length - done)));
    const values = sorted.slice(done, done + size).flatMap((row) => row.key.concat(row.sums));
    yield upsertOf(table, size)(...values);
    done += size;
  }
}

/** Adds rows, of which no two have the same key. */
export function addToRollup(
  session: Session<"metrics">,
  table: RollupTable,
  rows: readonly RollupRow[],
): Promise<void> {
  return runInOrder(session, additionsTo(table, rows));
}

const KEY_TYPES: Readonly<Record<string, string>> = {
  tenant_id: "uuid",
  campaign_id: "uuid",
  link_key: "uuid",
  basis: "text",
  bucket_start: "timestamptz",
  time_zone: "text",
  day: "date",
  currency: "text",
};

const removals = recordOf(ROLLUP_TABLE_NAMES, (table) => {
  const { key, sums } = ROLLUP_TABLES[table];
  const columns = key.filter((column) => column !== "url");
  return defineStatement<"metrics", [keys: string], never>(
    "metrics",
    `rollups.remove_empty_${table}`,
    `delete from ${table}
     using json_to_recordset($1) as place (${columns.map((column) => `${column} ${KEY_TYPES[column]}`).join(", ")})
     where ${columns.map((column) => `${table}.${column} = place.${column}`).join(" and ")}
       and ${sums.map((column) => `${table}.${column} = 0`).join(" and ")}`,
  );
});

/** Removes those of these rows that hold nothing but zeros. */
export async function removeEmptyRows(
  session: Session<"metrics">,
  table: RollupTable,
  rows: readonly RollupRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const { key } = ROLLUP_TABLES[table];
  const places = rows.map((row) => Object.fromEntries(key.map((column, position) => [column, row.key[position]])));
  await session.run(removals[table](JSON.stringify(places)));
}

function compareKeys(a: readonly Value[], b: readonly Value[]): number {
  for (let position = 0; position < a.length; position++) {
    const left = a[position] ?? "";
    const right = b[position] ?? "";
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
