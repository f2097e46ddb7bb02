import { DatabaseError } from "pg";

/**
 * Classes of SQLSTATE with which a server says that it cannot serve now, rather than that the statement is wrong: connection,
 * login, no such database, out of resources (also: too many connections), operator's intervention (also: shutting down,
 * statement timeout), system error.
 */
const AWAY_CLASSES: ReadonlySet<string> = new Set(["08", "28", "3D", "53", "57", "58"]);

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
  if (error instanceof DatabaseError) return AWAY_CLASSES.has(error.code?.slice(0, 2) ?? "");
  return error instanceof DatabaseUnreachable;
}
