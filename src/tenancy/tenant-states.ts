/**
 * Which version a tenant's data has, and its zones, as the metrics database says. The version moves in the same transaction as the data, so
 * what is loaded after a version was read is at least that new, and an answer stored under it may be served as long as it
 * is read again. Lag is therefore the age of the reading, counted from before its statement was sent:
 *   - a request takes a reading only if its statement was sent after the request came, or at most maxAgeMs before;
 *   - a reading that took so long that the answer could lag by a second is thrown away and asked for once more;
 *   - without an answer there is no version, hence no cached answer: the request fails.
 * The pool must lead to the server that the cached answers are loaded from: with a replica for one of the two, an old answer
 * could be stored under a new version.
 */
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import { isUuid, type TenantId } from "../ids.js";
import type { TimeZoneId } from "../time/time-zone.js";
import { readWithoutTenant } from "./transactions.js";

export interface TenantStatesOptions {
  readonly pool: Pool<"metrics">;
  readonly maxAgeMs?: number;
  /** Longer than any wait for a busy database: who waits this long waits for one that hangs. */
  readonly giveUpMs?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

export interface TenantState {
  /** Moves with every change of what answers are made from. */
  readonly version: number;
  readonly timeZone: TimeZoneId;
  /** The zone that the day rollups were made for. */
  readonly rollupTimeZone: TimeZoneId;
}

const readStates = defineStatement<
  "metrics",
  [readonly TenantId[]],
  { tenant_id: TenantId; version: number; time_zone: TimeZoneId; rollup_time_zone: TimeZoneId }
>(
  "metrics",
  "tenants.read_states",
  "select tenant_id, version, time_zone, rollup_time_zone from read_tenant_states($1::uuid[])",
);

const DEFAULT_MAX_AGE_MS = 25;
/** Half of the second that a cached answer may lag; the rest is for looking the answer up and sending it. */
const MAX_LAG_MS = 500;
const ATTEMPTS = 2;
const DEFAULT_GIVE_UP_MS = 5_000;

/** One statement: the tenants it asks for, and from when on it answers. */
interface Reading {
  readonly tenants: Set<TenantId>;
  /** Infinity until the statement is sent; until then tenants may join. */
  sentAt: number;
  readonly states: Promise<ReadonlyMap<TenantId, TenantState>>;
}

export class TenantStates {
  readonly #pool: Pool<"metrics">;
  readonly #maxAgeMs: number;
  readonly #giveUpMs: number;
  readonly #now: () => number;
  /** Newest first; those too old to be taken go as soon as somebody asks. */
  #readings: Reading[] = [];

  constructor(options: TenantStatesOptions) {
    this.#pool = options.pool;
    this.#maxAgeMs = options.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
    this.#giveUpMs = options.giveUpMs ?? DEFAULT_GIVE_UP_MS;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * The tenant's state, as of maxAgeMs ago or later; `fromNowOn`: as of this call or later. Rejects where the database does
   * not say, and where there is no such tenant.
   */
  async read(tenantId: TenantId, options: { readonly fromNowOn?: boolean } = {}): Promise<TenantState> {
    if (!isUuid(tenantId)) throw new TypeError("A tenant's id is a UUID");
    if (options.fromNowOn === true) this.forget(tenantId);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const reading = this.#join(tenantId);
      const states = await reading.states;
      if (this.#now() - reading.sentAt > MAX_LAG_MS) continue;
      const state = states.get(tenantId);
      if (state === undefined) throw new Error("There is no such tenant");
      return state;
    }
    throw new PublicError("UNAVAILABLE", "The metrics take too long to read; try again.", { retryAfterSeconds: 1 });
  }

  /** Makes the next read ask the database: for whoever has just changed something, or read what must not be newer. */
  forget(tenantId: TenantId): void {
    for (const reading of this.#readings) if (reading.sentAt !== Infinity) reading.tenants.delete(tenantId);
  }

  #join(tenantId: TenantId): Reading {
    const oldest = this.#now() - this.#maxAgeMs;
    this.#readings = this.#readings.filter((reading) => reading.sentAt >= oldest);
    const known = this.#readings.find((reading) => reading.tenants.has(tenantId));
    if (known !== undefined) return known;
    const open = this.#readings.find((reading) => reading.sentAt === Infinity) ?? this.#open();
    open.tenants.add(tenantId);
    return open;
  }

  #open(): Reading {
    const { promise: states, resolve, reject } = Promise.withResolvers<ReadonlyMap<TenantId, TenantState>>();
    const reading: Reading = { tenants: new Set(), sentAt: Infinity, states };
    this.#readings.unshift(reading);
    const forget = () => {
      this.#readings = this.#readings.filter((other) => other !== reading);
    };
    const giveUp = setTimeout(() => {
      forget();
      const message = "The metrics cannot be read at the moment; try again.";
      reject(new PublicError("UNAVAILABLE", message, { retryAfterSeconds: 1 }));
    }, this.#giveUpMs);
    this.#run(reading)
      .then(resolve, (error: unknown) => {
        forget();
        reject(error);
      })
      .finally(() => clearTimeout(giveUp));
    return reading;
  }

  #run(reading: Reading): Promise<ReadonlyMap<TenantId, TenantState>> {
    return readWithoutTenant(this.#pool, async (session) => {
      // No earlier: each statement sees what was committed before it, and BEGIN may have waited for a connection.
      reading.sentAt = this.#now();
      const rows = await session.run(readStates([...reading.tenants]));
      return new Map(
        rows.map((row) => [
          row.tenant_id,
          { version: row.version, timeZone: row.time_zone, rollupTimeZone: row.rollup_time_zone },
        ]),
      );
    });
  }
}
