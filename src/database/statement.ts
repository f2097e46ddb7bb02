import type { DatabaseName } from "./database-name.js";

/** A named SQL statement with its values. The type says which database it is for: the wrong one does not compile. */
export interface Statement<D extends DatabaseName, Row> {
  readonly database: D;
  /** Stable; names the prepared statement, and the statement in logs and metrics. */
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
  /** False where the text has too many shapes to keep a plan of each, or the best plan depends on the values. */
  readonly isPrepared?: boolean;
  /** Never set; carries the row's type. */
  readonly row?: Row;
}

/** What is longer is cut, and two statements may be taken for one. */
const MAX_NAME_CHARS = 63;

/** Defines a statement whose text never changes: one plan per connection. */
export function defineStatement<D extends DatabaseName, Values extends readonly unknown[], Row>(
  database: D,
  name: string,
  text: string,
): (...values: Values) => Statement<D, Row> {
  if (name.length > MAX_NAME_CHARS) throw new RangeError(`PostgreSQL would cut the statement's name ${name}`);
  return (...values) => ({ database, name, text, values });
}

/**
 * Statements of one kind whose texts follow from what is asked for. Each that is prepared is kept by every connection for good,
 * and clients can ask for more shapes than a server has room for: those past the first so many are run without.
 */
export function defineShapes<D extends DatabaseName, Values extends readonly unknown[], Row>(
  database: D,
  maxPrepared: number,
): (name: string, text: () => string) => (...values: Values) => Statement<D, Row> {
  const shapes = new Map<string, (...values: Values) => Statement<D, Row>>();
  return (name, text) => {
    const known = shapes.get(name);
    if (known !== undefined) return known;
    const define = defineStatement<D, Values, Row>(database, name, text());
    if (shapes.size >= maxPrepared) return (...values) => ({ ...define(...values), isPrepared: false });
    shapes.set(name, define);
    return define;
  };
}
