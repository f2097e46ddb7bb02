/**
 * One runner of migrations at a time for each database. The lock belongs to a transaction that stays open, so that it also
 * holds behind a pooler in transaction mode, and is gone with the connection of a runner that dies.
 *
 * Who waits asks again and again, each time in a transaction of its own, and does not queue: a statement that waits for a lock
 * holds a snapshot, CREATE INDEX CONCURRENTLY waits for every older snapshot, and the one who builds would wait for the one
 * who waits for him. The open transaction itself holds none: between two statements READ COMMITTED keeps no snapshot.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "pg";

const ASK_AGAIN_MS = 200;

const tryLock = "select pg_try_advisory_xact_lock(hashtextextended('mailtally.migrations', 0)) as locked";

/** The transaction lies idle for as long as a migration takes; PostgreSQL 15 does not know all of these. */
const stayOpen = `select set_config(name, '0', true) from pg_settings
  where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`;

/** Calls `work` while nobody else does for that database. `work` must ask `assertHeld` before each step. */
export async function withMigrationLock<T>(url: string, work: (assertHeld: () => void) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, keepAlive: true });
  let lost: Error | undefined;
  client.on("error", (error) => (lost = error));
  await client.connect();
  try {
    await acquire(client);
    return await work(() => {
      if (lost !== undefined)
        throw new Error("The connection that held the lock on migrations is lost", { cause: lost });
    });
  } finally {
    await client.end();
  }
}

async function acquire(client: Client): Promise<void> {
  for (;;) {
    await client.query("begin isolation level read committed");
    const { rows } = await client.query<{ locked: boolean }>(tryLock);
    if (rows[0]?.locked === true) break;
    await client.query("rollback");
    await pause(ASK_AGAIN_MS);
  }
  await client.query(stayOpen);
}
