/**
 * Builds an index while the table is read and written. Whatever an interrupted run left is found and finished:
 *   - an index that is valid stays; one that a dead runner left invalid is dropped and built again;
 *   - one that the server still builds for a runner that died is waited for.
 *
 * On a partitioned table, which CREATE INDEX CONCURRENTLY refuses, the index is built concurrently on each partition, and then
 * a plain CREATE INDEX on the parent, which takes on the indexes that it finds on the partitions instead of building them. It
 * holds writers off for as long as that takes, milliseconds, and readers never. A partition that comes into being
 * meanwhile is seen by the next look, or, in the last moment, has its index made by that statement, while it is all but empty;
 * afterwards partitions copy the parent's indexes. (With ON ONLY and ATTACH, the parent's index would stay invalid between
 * the steps, and each ATTACH keeps readers off its partition's index.)
 *
 * Runs outside a transaction, as a role that owns the table or has its owner's rights, one call at a time (migration-lock.ts).
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Client, DatabaseError, escapeIdentifier } from "pg";
import type { IndexToBuild } from "./concurrent-statements.js";
import { type LockPatience, withLockRetries } from "./lock-retries.js";

const LOOK_AGAIN_MS = 500;
const MAX_NAME_BYTES = 63;
const UNDEFINED_TABLE = "42P01";

interface IndexState {
  readonly is_here: boolean;
  readonly is_valid: boolean;
  readonly may_be_in_work: boolean;
}

/** A build holds this lock for as long as it runs. Not pg_stat_progress_create_index, which hides other roles' builds. */
const findIndex = `select indrelid = to_regclass($2) as is_here, indisvalid and indisready as is_valid,
    exists (
      select from pg_locks where locktype = 'relation' and relation = indrelid and granted
        and database = (select oid from pg_database where datname = current_database())
        and mode = 'ShareUpdateExclusiveLock' and pid <> pg_backend_pid()
    ) as may_be_in_work
  from pg_index where indexrelid = to_regclass($1)`;

const findTable =
  "select relkind = 'p' as is_partitioned from pg_class where oid = to_regclass($1) and relkind in ('r', 'p')";

/** The partitions that hold rows, with the name that this index has there. */
const findPartitions = `select relid::regclass::text as relation, relname as name
  from pg_partition_tree($1::regclass) join pg_class on pg_class.oid = relid
  where isleaf order by relname`;

/** Resolves when the index is there and valid. Where it fails, calling it again goes on. */
export async function buildIndex(client: Client, index: IndexToBuild, patience: LockPatience): Promise<void> {
  const { rows } = await client.query<{ is_partitioned: boolean }>(findTable, [index.table]);
  const [table] = rows;
  if (table === undefined) throw new Error(`There is no table ${index.table} for the index ${index.name}`);
  if (table.is_partitioned) await buildOnPartitions(client, index, patience);
  else await buildOnTable(client, index, index.name, escapeIdentifier(index.table));
}

/** Resolves when there is no such index, also where only a part of it had been built. */
export async function dropIndex(client: Client, name: string, patience: LockPatience): Promise<void> {
  const { rows } = await client.query<{ relkind: string }>("select relkind from pg_class where oid = to_regclass($1)", [
    name,
  ]);
  // That of a partitioned table cannot go concurrently: it goes in an instant, and its partitions' with it.
  if (rows[0]?.relkind === "I") {
    await withLockRetries(client, patience, () => client.query(`drop index if exists ${escapeIdentifier(name)}`));
  } else await client.query(`drop index concurrently if exists ${escapeIdentifier(name)}`);
}

async function buildOnPartitions(client: Client, index: IndexToBuild, patience: LockPatience): Promise<void> {
  const existing = await stateOf(client, index.name, index.table);
  if (existing?.is_valid === true) return;
  if (existing !== undefined) await dropIndex(client, index.name, patience);
  const done = new Set<string>();
  for (;;) {
    const { rows } = await client.query<{ relation: string; name: string }>(findPartitions, [index.table]);
    const partitions = rows.filter(({ relation }) => !done.has(relation));
    if (partitions.length === 0) break;
    for (const { relation, name } of partitions) {
      await buildOnTable(client, index, nameOnPartition(index, name), relation).catch((error: unknown) => {
        // Dropped since the look, by retention.
        if (!(error instanceof DatabaseError && error.code === UNDEFINED_TABLE)) throw error;
      });
      done.add(relation);
    }
  }
  await withLockRetries(client, patience, () =>
    client.query(
      `create ${uniqueOf(index)} index if not exists ${escapeIdentifier(index.name)}
       on ${escapeIdentifier(index.table)} ${index.definition}`,
    ),
  );
  const built = await stateOf(client, index.name, index.table);
  if (built?.is_valid !== true) throw new Error(`The index ${index.name} is not valid: run the migrations again`);
}

async function buildOnTable(client: Client, index: IndexToBuild, name: string, relation: string): Promise<void> {
  for (;;) {
    const state = await stateOf(client, escapeIdentifier(name), relation);
    if (state === undefined) break;
    if (!state.is_here) throw new Error(`There is an index ${name}, and not on ${relation}`);
    if (state.is_valid) return;
    if (state.may_be_in_work) await pause(LOOK_AGAIN_MS);
    else await client.query(`drop index concurrently if exists ${escapeIdentifier(name)}`);
  }
  await client.query(
    `create ${uniqueOf(index)} index concurrently if not exists ${escapeIdentifier(name)} on ${relation} ${index.definition}`,
  );
}

async function stateOf(client: Client, name: string, relation: string): Promise<IndexState | undefined> {
  return (await client.query<IndexState>(findIndex, [name, relation])).rows[0];
}

/** clicked_url_idx on clicked_2026_11 is clicked_2026_11_url_idx. */
function nameOnPartition({ name, table }: IndexToBuild, partition: string): string {
  const rest = name.startsWith(`${table}_`) ? name.slice(table.length + 1) : name;
  const full = `${partition}_${rest}`;
  // PostgreSQL would cut it off, and two might become one.
  if (Buffer.byteLength(full) > MAX_NAME_BYTES) throw new Error(`${full} is too long for an index: shorten ${name}`);
  return full;
}

function uniqueOf({ isUnique }: IndexToBuild): string {
  return isUnique ? "unique" : "";
}
