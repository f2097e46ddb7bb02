import { type ErrorCode, PublicError } from "../errors.js";
import type { UserErrorType } from "./types/user-error-type.js";

/** What the caller can mend by another input; everything else fails the field. */
const USER_ERRORS: ReadonlySet<ErrorCode> = new Set(["BAD_INPUT", "CONFLICT", "NOT_FOUND", "FORBIDDEN"]);

type Path = readonly string[];

/** For mutations whose only argument is the id: whatever is wrong, it is with that. */
export const AT_ID = (): Path => ["id"];

/**
 * Runs a mutation; what is wrong with its input comes back as userErrors. `placeOf`: where that is in the mutation's
 * arguments, from where the error says that it is.
 */
export async function withUserErrors<Result>(
  work: () => Promise<Result>,
  placeOf: (field: Path | undefined) => Path | undefined = (field) => field,
): Promise<
  { readonly result: Result; readonly userErrors: [] } | { readonly result: null; readonly userErrors: UserErrorType[] }
> {
  try {
    return { result: await work(), userErrors: [] };
  } catch (error) {
    if (!(error instanceof PublicError) || !USER_ERRORS.has(error.code)) throw error;
    const { code, message } = error;
    const place = placeOf(error.field);
    return { result: null, userErrors: [{ code, field: place === undefined ? null : [...place], message }] };
  }
}
