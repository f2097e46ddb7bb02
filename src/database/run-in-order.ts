import type { DatabaseName } from "./database-name.js";
import type { Session } from "./pool.js";
import type { Statement } from "./statement.js";

/** Enough to hide the way there and back; what they hold lies in memory. */
const MAX_UNANSWERED = 16;

/**
 * Runs statements of a transaction one after the other, without waiting for each one's answer before the next is sent. The first of
 * them are sent before this returns, so that what was asked for earlier stays ahead of them. Throws what the first that failed threw.
 */
export async function runInOrder<D extends DatabaseName>(
  session: Session<D>,
  statements: Iterable<Statement<D, unknown>>,
): Promise<void> {
  const unanswered: Promise<unknown>[] = [];
  for (const statement of statements) {
    const answered = session.run(statement);
    // Told by the loops below, the first of all that fail.
    answered.catch(() => undefined);
    if (unanswered.push(answered) === MAX_UNANSWERED) await unanswered.shift();
  }
  for (const answered of unanswered) await answered;
}
