import { setTimeout as pause } from "node:timers/promises";
import { type Client, DatabaseError } from "pg";

/** How a statement that needs a strong lock goes about it. */
export interface LockPatience {
  /** Everybody who wants the table queues behind a statement that waits for its lock: for so long at most. */
  readonly lockTimeoutMs: number;
  /** How often it is tried, with pauses in which the queue moves on. */
  readonly attempts: number;
}

/** Well below the time that a request's statement may take (STATEMENT_TIMEOUT_MS), so that none fails for a migration. */
export const LOCK_PATIENCE: LockPatience = { lockTimeoutMs: 2_000, attempts: 5 };

const FIRST_PAUSE_MS = 500;
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK_DETECTED = "40P01";

/** One transaction that gives up where a lock does not come, rolls back, and is tried again; the last failure is thrown. */
export async function withLockRetries<T>(client: Client, patience: LockPatience, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    await client.query("begin");
    try {
      // The value is a number of ours: SET takes no parameters.
      await client.query(`set local lock_timeout = ${Math.ceil(patience.lockTimeoutMs)}`);
      const result = await work();
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => undefined);
      if (attempt >= patience.attempts || !isLockFailure(error)) throw error;
      await pause(FIRST_PAUSE_MS * attempt);
    }
  }
}

function isLockFailure(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === LOCK_NOT_AVAILABLE || error.code === DEADLOCK_DETECTED);
}
