/**
 * The one door to tables that hold tenants' rows. Every transaction takes on a role and, for the API, a tenant; both are
 * local to the transaction, so that a connection, pooled here or by a pooler between, never carries them to the next one.
 * Without a tenant the policies match no row.
 */
import { escapeLiteral } from "pg";
import { AbandonedWork } from "../cache/single-flight.js";
import { isDatabaseAway } from "../database/database-away.js";
import type { DatabaseName } from "../database/database-name.js";
import type { Pool, Preamble, Session, Transaction } from "../database/pool.js";
import { defineStatement, type Statement } from "../database/statement.js";
import { isUuid, type TenantId } from "../ids.js";

/** The end of a connection whose process froze inside a transaction. Projector and worker rely on it: see projector.ts. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;

const common = `set local timezone = 'UTC'; set local idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS}`;
const API_READ = `begin read only; set local role mailtally_api; ${common}`;
const API_WRITE = `begin; set local role mailtally_api; ${common}`;
const WORKER = `begin; set local role mailtally_worker; ${common}` as Preamble;
const WORKER_SNAPSHOT =
  `begin isolation level repeatable read; set local role mailtally_worker; set local timezone = 'UTC'` as Preamble;

/** Requests' statements alone have a limit: a worker's batch given up under load would only begin again. */
function apiPreamble<D extends DatabaseName>(pool: Pool<D>, start: string): Preamble {
  const limitMs = pool.requestStatementTimeoutMs;
  if (limitMs === undefined) return start as Preamble;
  if (!Number.isSafeInteger(limitMs)) throw new TypeError("A limit is a whole number of milliseconds");
  return `${start}; set local statement_timeout = ${limitMs}` as Preamble;
}

function tenantPreamble<D extends DatabaseName>(pool: Pool<D>, start: string, tenantId: TenantId): Preamble {
  // The statement has no binds, as it is sent in one string with BEGIN; nothing but a UUID passes here.
  if (!isUuid(tenantId)) throw new TypeError("A tenant's id is a UUID");
  return `${apiPreamble(pool, start)}; select set_tenant(${escapeLiteral(tenantId)})` as Preamble;
}

/** A transaction of the API for one tenant, able to write. */
export function writeAsTenant<D extends DatabaseName, T>(
  pool: Pool<D>,
  tenantId: TenantId,
  work: (session: Session<D>) => Promise<T>,
): Promise<T> {
  return pool.transaction(tenantPreamble(pool, API_WRITE, tenantId), work);
}

/** The same for one statement that is all there is to do: it goes there and back once. */
export function runAsTenant<D extends DatabaseName, Row>(
  pool: Pool<D>,
  tenantId: TenantId,
  statement: Statement<D, Row>,
): Promise<Row[]> {
  return pool.runAlone(tenantPreamble(pool, API_WRITE, tenantId), statement);
}

const setTenant = defineStatement<"metrics", [TenantId], unknown>(
  "metrics",
  "tenants.set",
  "select set_tenant($1::uuid)",
);

/** Among a thousand tenants a commit each would be a hundred a second; a longer transaction would hold their rows for longer. */
const TENANTS_A_TRANSACTION = 100;

export interface Unwritten<Item> {
  readonly items: readonly Item[];
  readonly error: unknown;
}

/**
 * What a server has to write for all tenants, a little each: as the API, and for each tenant as that one, TENANTS_A_TRANSACTION of them in
 * a transaction. Tenants go in one order, as other servers may be writing the same rows. Returns what could not be written; once the
 * database is away, the rest is not tried.
 */
export async function writeAsEachTenant<Item>(
  pool: Pool<"metrics">,
  byTenant: ReadonlyMap<TenantId, readonly Item[]>,
  write: (session: Session<"metrics">, tenantId: TenantId, items: readonly Item[]) => Promise<unknown>,
): Promise<Unwritten<Item>[]> {
  const tenantIds = [...byTenant.keys()].toSorted();
  const itemsOf = (tenantId: TenantId): readonly Item[] => byTenant.get(tenantId) ?? [];
  const unwritten: Unwritten<Item>[] = [];
  while (tenantIds.length > 0) {
    const some = tenantIds.splice(0, TENANTS_A_TRANSACTION);
    try {
      await pool.transaction(apiPreamble(pool, API_WRITE), async (session) => {
        for (const tenantId of some) {
          await Promise.all([session.run(setTenant(tenantId)), write(session, tenantId, itemsOf(tenantId))]);
        }
      });
    } catch (error) {
      if (isDatabaseAway(error)) some.push(...tenantIds.splice(0));
      unwritten.push({ items: some.flatMap(itemsOf), error });
    }
  }
  return unwritten;
}

/** A transaction of the API before the tenant is known: tenant tables show no rows, the two lookup functions answer. */
export function readWithoutTenant<D extends DatabaseName, T>(
  pool: Pool<D>,
  work: (session: Session<D>) => Promise<T>,
): Promise<T> {
  return pool.transaction(apiPreamble(pool, API_READ), work);
}

/** A transaction of the worker, over all tenants. */
export function writeAsWorker<D extends DatabaseName, T>(
  pool: Pool<D>,
  work: (session: Session<D>) => Promise<T>,
): Promise<T> {
  return pool.transaction(WORKER, work);
}

/** The same for one statement that is all there is to do: it goes there and back once. */
export function runAsWorker<D extends DatabaseName, Row>(pool: Pool<D>, statement: Statement<D, Row>): Promise<Row[]> {
  return pool.runAlone(WORKER, statement);
}

/** A worker's transaction that the caller ends. */
export function beginAsWorker<D extends DatabaseName>(pool: Pool<D>): Promise<Transaction<D>> {
  return pool.begin(WORKER);
}

/** One snapshot for several statements of the worker's role, however long they take. The caller ends it. */
export function beginSnapshot<D extends DatabaseName>(pool: Pool<D>): Promise<Transaction<D>> {
  return pool.begin(WORKER_SNAPSHOT);
}

/**
 * A request's reads of one database: a read-only transaction that begins at the first statement and ends with the request.
 * What is asked for at once is sent at once. After a statement has failed, those that were sent behind it and the next ones
 * run in a new transaction, so that a failed part of an answer does not take the other parts with it.
 */
export class TenantReads<D extends DatabaseName> implements Session<D> {
  readonly #pool: Pool<D>;
  readonly #tenantId: TenantId;
  readonly #enter: () => Promise<void>;
  #transaction: Promise<Transaction<D>> | undefined;
  /** The end of the last transaction that failed: a request has one connection at a time. */
  #failed: Promise<void> | undefined;
  /** For each statement, when it has ended. They hold nothing of what was read: see docs/decisions/0057. */
  readonly #ends: Promise<void>[] = [];
  #ended = false;

  /** `enter`: waited for before a connection is asked for. */
  constructor(pool: Pool<D>, tenantId: TenantId, enter: () => Promise<void> = async () => undefined) {
    this.#pool = pool;
    this.#enter = enter;
    this.#tenantId = tenantId;
  }

  run<Row>(statement: Statement<D, Row>): Promise<Row[]> {
    const result = this.#runNow(statement);
    this.#ends.push(result.then(nothing, nothing));
    return result;
  }

  async #runNow<Row>(statement: Statement<D, Row>): Promise<Row[]> {
    // An answer may be ready before all that was begun for it: a part that failed can make the rest useless.
    if (this.#ended) throw new AbandonedWork("The request that these reads belong to has ended");
    const begun = (this.#transaction ??= this.#begin());
    const transaction = await begun.catch((error: unknown) => {
      // Whoever waited for it is told so: one wait for each of them, one after the other, would hold the request up for minutes.
      if (this.#transaction === begun) this.#transaction = undefined;
      throw error;
    });
    try {
      return await transaction.run(statement);
    } catch (error) {
      // Its answers come in order: who finds the transaction still there was the first to fail.
      const isFirst = this.#transaction === begun;
      if (isFirst) {
        this.#transaction = undefined;
        this.#failed = transaction.rollback();
      }
      await this.#failed;
      if (isFirst) throw error;
      return this.#runNow(statement);
    }
  }

  async #begin(): Promise<Transaction<D>> {
    await this.#enter();
    return this.#pool.begin(tenantPreamble(this.#pool, API_READ, this.#tenantId));
  }

  /** Waits for what is running and gives the connection back. Never throws. */
  async end(): Promise<void> {
    // Others may begin meanwhile.
    for (const ends of this.#ends) await ends;
    this.#ended = true;
    // Nothing was written, so a rollback is as good as a commit and cannot fail the answer.
    const transaction = await this.#transaction?.catch(() => undefined);
    this.#transaction = undefined;
    transaction?.leave();
  }
}

function nothing(): void {}
