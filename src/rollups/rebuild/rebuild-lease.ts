/**
 * One run at a time mends a tenant's rollups: two that add the same difference would count it twice. A run holds a lease that
 * it renews with everything it writes; who takes over a lease that was not renewed for a while fences the former holder off,
 * since each writing transaction locks the lease and finds another run's id.
 */
import type { Pool, Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { PublicError } from "../../errors.js";
import { type TenantId, uuidv7 } from "../../ids.js";
import { writeAsWorker } from "../../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";

const LEASE_SECONDS = 60;
const RENEWAL_INTERVAL_MS = 15_000;

const acquire = defineStatement<"metrics", [TenantId, run: string, now: string], { run_id: string }>(
  "metrics",
  "rebuilds.acquire",
  `insert into rebuilds (tenant_id, run_id, seen_at) values ($1, $2, $3)
   on conflict (tenant_id) do update set run_id = excluded.run_id, seen_at = excluded.seen_at
   where rebuilds.seen_at < excluded.seen_at - interval '${LEASE_SECONDS} seconds'
   returning run_id`,
);

const renew = defineStatement<"metrics", [TenantId, run: string, now: string], { run_id: string }>(
  "metrics",
  "rebuilds.renew",
  "update rebuilds set seen_at = greatest(seen_at, $3) where tenant_id = $1 and run_id = $2 returning run_id",
);

const release = defineStatement<"metrics", [TenantId, run: string], never>(
  "metrics",
  "rebuilds.release",
  "delete from rebuilds where tenant_id = $1 and run_id = $2",
);

export class RebuildLease {
  readonly #metrics: Pool<"metrics">;
  readonly #tenantId: TenantId;
  readonly #now: () => EpochMicros;
  readonly #runId = uuidv7();
  /** A portion may take longer to count than a lease lasts. A renewal that fails changes nothing: see `hold`. */
  readonly #renewal = setInterval(() => void this.#renew().catch(() => undefined), RENEWAL_INTERVAL_MS).unref();

  private constructor(metrics: Pool<"metrics">, tenantId: TenantId, now: () => EpochMicros) {
    this.#metrics = metrics;
    this.#tenantId = tenantId;
    this.#now = now;
  }

  /** Null where another run holds the lease. */
  static async acquire(
    metrics: Pool<"metrics">,
    tenantId: TenantId,
    now: () => EpochMicros,
  ): Promise<RebuildLease | null> {
    const lease = new RebuildLease(metrics, tenantId, now);
    const statement = acquire(tenantId, lease.#runId, formatInstant(now()));
    const rows = await writeAsWorker(metrics, (session) => session.run(statement)).catch((error: unknown) => {
      clearInterval(lease.#renewal);
      throw error;
    });
    if (rows.length > 0) return lease;
    clearInterval(lease.#renewal);
    return null;
  }

  /** Locks the lease until the transaction ends. Throws CONFLICT where another run has taken over. */
  async hold(session: Session<"metrics">): Promise<void> {
    const rows = await session.run(renew(this.#tenantId, this.#runId, formatInstant(this.#now())));
    if (rows.length > 0) return;
    throw new PublicError("CONFLICT", "Another run took over the rebuild of this tenant; what this one did is done.");
  }

  #renew(): Promise<void> {
    return writeAsWorker(this.#metrics, (session) => this.hold(session));
  }

  async release(): Promise<void> {
    clearInterval(this.#renewal);
    await writeAsWorker(this.#metrics, (session) => session.run(release(this.#tenantId, this.#runId)));
  }
}

/** Says who has to wait, and how long. */
export function leaseIsTaken(): PublicError {
  const message = `A rebuild of this tenant's rollups is running, or was ended less than ${LEASE_SECONDS} seconds ago.`;
  return new PublicError("CONFLICT", message, { retryAfterSeconds: LEASE_SECONDS });
}
