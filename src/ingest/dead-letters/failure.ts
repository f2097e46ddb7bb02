/** What an error while recording means: whether the data is at fault, and what is kept of it beside a dead letter. */
import { DatabaseUnreachable } from "../../database/database-away.js";
import { messageOf } from "../../errors.js";
import type { DeadReason } from "./dead-reason.js";

/** A row of the inbox that does not hold events. */
export class UnreadableRow extends Error {
  override readonly name = "UnreadableRow";
}

/** An error as a dead letter keeps it. PostgreSQL's detail is left out: it quotes whole rows, addresses among them. */
export interface Failure {
  readonly reason: DeadReason;
  readonly error: string;
  readonly sqlState: string | null;
  readonly constraint: string | null;
  readonly table: string | null;
  readonly statement: string | null;
}

const CHECK_VIOLATION = "23514";
const MAX_ERROR_CHARS = 2_000;
/**
 * Classes of SQLSTATE that are the data's: invalid values, broken constraints, too large, internal errors, and what a trigger, a view's
 * check option or a function that somebody added says of it.
 */
const DATA_CLASSES: Readonly<Record<string, DeadReason>> = {
  "21": "INVALID_VALUE",
  "22": "INVALID_VALUE",
  "23": "CONSTRAINT",
  "38": "CONSTRAINT",
  "39": "CONSTRAINT",
  "44": "CONSTRAINT",
  "54": "TOO_LARGE",
  P0: "CONSTRAINT",
  XX: "INTERNAL",
};

/**
 * Whether the connection, the server, the schema or another transaction was at fault, so that everything waits, and not
 * the data. An error of none of these kinds is a bug's, and another event may not meet it.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DatabaseUnreachable || isMissingPartition(error)) return true;
  const sqlState = sqlStateOf(error);
  if (sqlState !== null) return !(sqlState.slice(0, 2) in DATA_CLASSES);
  // The system's codes are ECONNRESET and the like. Node's own (ERR_INVALID_ARG_TYPE) tell of a value that is none.
  const code = textOf(error, "code");
  if (code !== null) return /^E(?!RR_)/.test(code);
  return error.name === "Error" && /connection|timeout|terminat/i.test(error.message);
}

/**
 * A partition that was known to exist is gone: dropped by retention, or by hand. Told by what it is, since the server's words may be of
 * any language: a check that failed and has no name is that of a partition.
 */
export function isMissingPartition(error: unknown): boolean {
  return sqlStateOf(error) === CHECK_VIOLATION && textOf(error, "constraint") === null;
}

export function failureOf(error: unknown): Failure {
  const sqlState = sqlStateOf(error);
  return {
    reason: error instanceof UnreadableRow ? "UNREADABLE" : (DATA_CLASSES[sqlState?.slice(0, 2) ?? ""] ?? "INTERNAL"),
    // PostgreSQL keeps no NUL in a text: an error must not keep its own event from being buried.
    error: messageOf(error).replaceAll("\0", "\u{FFFD}").slice(0, MAX_ERROR_CHARS),
    sqlState,
    constraint: textOf(error, "constraint"),
    table: textOf(error, "table"),
    statement: textOf(error, "statement"),
  };
}

function sqlStateOf(error: unknown): string | null {
  const code = textOf(error, "code");
  return code !== null && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

function textOf(error: unknown, property: string): string | null {
  if (typeof error !== "object" || error === null) return null;
  const value: unknown = Reflect.get(error, property);
  return typeof value === "string" && value !== "" ? value : null;
}
