/**
 * Keeps projectors out of the metrics database for the moment in which both databases are looked at together. Every
 * metrics transaction of a projector holds the lock until it ends; PostgreSQL lets go of it only after the commit can be
 * seen. Who holds it alone knows that no message is half on its way: a snapshot taken then holds all that a message
 * changed together with its id in applied_messages, or neither.
 *
 * The lock belongs to a transaction, never to a connection, so that a pooler in transaction mode is no danger.
 */
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { writeAsWorker } from "../tenancy/transactions.js";

/** A key of our own among advisory locks. */
const PROJECTOR_LOCK = 7_245_103_551;

/** Held by every projector's transaction, side by side with the others'. */
export const holdProjectorLock = defineStatement<"metrics", [], never>(
  "metrics",
  "projector.hold_lock",
  `select pg_advisory_xact_lock_shared(${PROJECTOR_LOCK})`,
);

const lockAlone = defineStatement<"metrics", [], never>(
  "metrics",
  "projector.lock_alone",
  `select pg_advisory_xact_lock(${PROJECTOR_LOCK})`,
);

/**
 * Runs `work` while no projector has a metrics transaction open. Projectors wait as long as it runs, so it is to be short.
 * Takes a connection of its own beside those of `work`. Throws where the lock was lost before `work` had ended: what must
 * not be written without it goes through the lock's own session.
 */
export function lockProjectorsOut<T>(
  metrics: Pool<"metrics">,
  work: (locked: Session<"metrics">) => Promise<T>,
): Promise<T> {
  // The commit is what tells that the lock was held to the end: it fails where the connection broke meanwhile.
  return writeAsWorker(metrics, async (session) => {
    await session.run(lockAlone());
    return work(session);
  });
}
