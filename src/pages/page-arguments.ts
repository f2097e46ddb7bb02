/** The arguments of a list, as the Relay cursor connections specification has them. */
import { PublicError } from "../errors.js";

/** The most rows a page may have. */
export const MAX_PAGE_SIZE = 100;
export const DEFAULT_PAGE_SIZE = 20;

/** `first`, `after`, `last` and `before` as they were given. */
export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

/**
 * A page that was asked for: at most `limit` rows between the two cursors, both exclusive; FORWARD those that come first
 * in the list, BACKWARD those that come last. Either way the rows are answered in the order of the list.
 */
export interface PageRequest {
  readonly limit: number;
  readonly direction: "FORWARD" | "BACKWARD";
  readonly after: string | null;
  readonly before: string | null;
}

/**
 * Throws BAD_INPUT naming the argument at fault. Without `first` and `last` a page has 20 rows: the first ones, or the ones
 * just before `before` where it stands alone.
 */
export function readPageArguments(given: PageArguments): PageRequest {
  const first = readSize("first", given.first);
  const last = readSize("last", given.last);
  const after = given.after ?? null;
  const before = given.before ?? null;
  if (first !== null && last !== null) {
    throw new PublicError("BAD_INPUT", "Give first or last, not both.", { field: ["last"] });
  }
  const isBackward = last !== null || (first === null && after === null && before !== null);
  return {
    limit: first ?? last ?? DEFAULT_PAGE_SIZE,
    direction: isBackward ? "BACKWARD" : "FORWARD",
    after,
    before,
  };
}

/** The most rows that a page of these sizes has, whether or not they may be given. */
export function pageSizeOf(first: unknown, last: unknown): number {
  const size = first ?? last ?? DEFAULT_PAGE_SIZE;
  return typeof size === "number" ? Math.min(Math.max(0, size), MAX_PAGE_SIZE) : DEFAULT_PAGE_SIZE;
}

function readSize(name: "first" | "last", given: number | null | undefined): number | null {
  if (given === undefined || given === null) return null;
  if (!Number.isInteger(given) || given < 1 || given > MAX_PAGE_SIZE) {
    const message = `${name} is ${given}; a page has 1 to ${MAX_PAGE_SIZE} rows.`;
    throw new PublicError("BAD_INPUT", message, { field: [name] });
  }
  return given;
}
