import { ConfigError } from "../config.js";
import { messageOf, PublicError } from "../errors.js";

/** What the operator can mend is told in a line; what they cannot is a bug and shows where it is. */
export function tellError(error: unknown): void {
  const isOperators = error instanceof ConfigError || error instanceof PublicError;
  const text = isOperators || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message);
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : "";
  const reason = cause === "" || text.includes(cause) ? "" : `\n  because: ${cause}`;
  process.stderr.write(`${text}${reason}\n`);
}
