import { DatabaseError } from "pg";

/**
 * Classes of SQLSTATE with which a server says that it cannot serve now, rather than that the statement is wrong: connection,
 * login, no such database, out of resources (also: too many connections), operator's intervention (also: shutting down,
 * statement timeout), system error.
 */
const AWAY_CLASSES: ReadonlySet<string> = new Set(["08", "28", "3D", "53", "57", "58"]);
/**
 * And what belongs to no such class: a database that takes no connections (ALLOW_CONNECTIONS), which the server calls an object in the
 * wrong state; and one that only reads, as a standby does, or a provider's whose disk is full.
 */
const AWAY_CODES: ReadonlySet<string> = new Set(["55000", "25006"]);

/** No answer of the server at all: the network, or the wait for a connection. The driver throws plain Errors for these. */
export class DatabaseUnreachable extends Error {
  override readonly name = "DatabaseUnreachable";
}

/** What a driver threw, told apart from the program's own faults: those have names of their own, or come from elsewhere. */
export function driverErrorOf(thrown: unknown): unknown {
  const isPlain = thrown instanceof AggregateError || (thrown instanceof Error && thrown.name === "Error");
  if (!isPlain) return thrown;
  return new DatabaseUnreachable(thrown.message || "The database cannot be reached", { cause: thrown });
}

/** Whether an error means that its database is away, or too busy to answer, so that trying again may help. */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof DatabaseError) {
    const { code = "" } = error;
    return AWAY_CODES.has(code) || AWAY_CLASSES.has(code.slice(0, 2));
  }
  return error instanceof DatabaseUnreachable;
}

/** Whether the database said so, or said nothing at all, and not the program. */
export function comesFromDatabase(error: unknown): boolean {
  return error instanceof DatabaseError || error instanceof DatabaseUnreachable;
}

/** Class of SQLSTATE: a deadlock, or a serialization that failed. */
const ROLLED_BACK_CLASS = "40";

/** Whether a transaction failed for what others did at the same time, so that the same one may succeed now. */
export function wasRolledBack(error: unknown): boolean {
  return error instanceof DatabaseError && error.code?.slice(0, 2) === ROLLED_BACK_CLASS;
}
