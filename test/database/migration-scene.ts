import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { afterEach } from "vitest";
import { waitFor } from "../support/wait-for.js";

const cleanups: (() => Promise<unknown>)[] = [];

/** Before everything that the file starts itself: registers what puts it all away after each test. */
export function cleanUpAfterEach(): void {
  afterEach(async () => {
    for (const cleanUp of cleanups.splice(0).toReversed()) await cleanUp();
  });
}

/** A folder of migrations, by file name. */
export async function migrationsOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "mailtally-migrations-"));
  cleanups.push(() => rm(folder, { recursive: true }));
  for (const [file, text] of Object.entries(files)) await writeFile(path.join(folder, file), text);
  return folder;
}

/** A connection that ends with the test, where it has not ended by itself. */
export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  cleanups.push(() => client.end());
  return client;
}

/** The process id of the server's process that builds an index and waits for this client: others may hold it up for a moment as well. */
export async function builderThatWaits(client: Client, blocker: Client): Promise<number> {
  const { rows: blockers } = await blocker.query<{ pid: number }>("select pg_backend_pid() as pid");
  return waitFor(
    async () => {
      const { rows } = await client.query<{ pid: number }>(
        `select pid from pg_stat_progress_create_index
         where datname = current_database() and $1 = any(pg_blocking_pids(pid))`,
        [blockers[0]?.pid],
      );
      return rows[0]?.pid;
    },
    { what: "a build of an index that waits for the transaction" },
  );
}

export interface IndexRow {
  readonly name: string;
  readonly valid: boolean;
}

/** The indexes of a table and of its partitions whose name ends so, in the order of their names. */
export async function indexesOf(client: Client, table: string, ending: string): Promise<IndexRow[]> {
  const { rows } = await client.query<IndexRow>(
    `select indexrelid::regclass::text as name, indisvalid as valid
     from pg_index
     where (indrelid = $1::regclass or indrelid in (select inhrelid from pg_inherits where inhparent = $1::regclass))
       and indexrelid::regclass::text like '%' || $2
     order by 1`,
    [table, ending],
  );
  return rows;
}
