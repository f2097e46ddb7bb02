/**
 * The border that errors cross on their way to a client. What is ours and public keeps its code and message; what GraphQL
 * itself refuses (syntax, types) keeps its message, which is about the client's own document; everything else is logged
 * with its cause and answered as INTERNAL.
 */
import { unwrapResolverError } from "@apollo/server/errors";
import { GraphQLError, type GraphQLFormattedError } from "graphql";
import { isDatabaseAway } from "../database/database-away.js";
import { ERROR_CATALOGUE, type ErrorCode, PublicError } from "../errors.js";
import type { Logger } from "../observability/logger.js";
import { SparseWarnings } from "../observability/sparse-warnings.js";

/** Apollo's own codes for what is wrong with a request, under the names of the catalogue. */
const APOLLO_CODES: Readonly<Record<string, ErrorCode>> = {
  GRAPHQL_PARSE_FAILED: "BAD_INPUT",
  GRAPHQL_VALIDATION_FAILED: "BAD_INPUT",
  BAD_USER_INPUT: "BAD_INPUT",
  BAD_REQUEST: "BAD_INPUT",
  OPERATION_RESOLUTION_FAILURE: "BAD_INPUT",
  BAD_INPUT: "BAD_INPUT",
  PERSISTED_QUERY_NOT_FOUND: "PERSISTED_QUERY_NOT_FOUND",
};

/** The requests that errors arose in: Apollo tells a formatter the error alone. */
export type RequestsOfErrors = WeakMap<object, string>;

export function formatError(log: Logger, requests: RequestsOfErrors) {
  const warnings = new SparseWarnings(log);
  return (formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError => {
    const error = unwrapResolverError(thrown);
    const { locations, path } = formatted;
    const place = { ...(locations !== undefined && { locations }), ...(path !== undefined && { path }) };
    const known = publicErrorOf(error);
    if (known !== null) {
      // What a caller did wrong is the caller's to read.
      if (known.cause !== undefined && ERROR_CATALOGUE[known.code].status >= 500) {
        warnings.warn({ err: known.cause, code: known.code }, known.message);
      }
      return { message: known.message, ...place, extensions: extensionsOf(known) };
    }
    const code =
      APOLLO_CODES[String(formatted.extensions?.["code"])] ??
      (isRefusedCall(thrown) || isRefusedArgument(thrown) ? "BAD_INPUT" : undefined);
    if (code !== undefined && (error instanceof GraphQLError || thrown instanceof GraphQLError)) {
      const message = isStackOverflow(formatted) ? "The document nests values too deeply." : formatted.message;
      return { message, ...place, extensions: { code } };
    }
    const requestId = typeof thrown === "object" && thrown !== null ? requests.get(thrown) : undefined;
    log.error({ err: error, requestId }, "an unexpected error");
    const message = "Something went wrong on our side. The request id finds it in the logs.";
    return { message, ...place, extensions: { code: "INTERNAL" satisfies ErrorCode, requestId } };
  };
}

/** What graphql-js goes through by calling itself, lists in lists, has no limit but the stack's; Apollo keeps its message alone. */
function isStackOverflow({ message }: GraphQLFormattedError): boolean {
  return message === "Maximum call stack size exceeded";
}

/**
 * What GraphQL refuses without a code of Apollo's, and before any field is asked for: variables that do not fit, an operation
 * that is not there, a document under another one's hash.
 */
function isRefusedCall(thrown: unknown): boolean {
  if (!(thrown instanceof GraphQLError) || thrown.path !== undefined) return false;
  const { originalError } = thrown;
  // What a scalar said to a variable's value.
  return originalError === undefined || originalError instanceof GraphQLError;
}

/**
 * A null that a variable brought where none may be, which a document can hold that is valid: the variable has a default, or the
 * argument. graphql-js refuses the field's arguments with an error that has nothing to tell it by but its words.
 */
function isRefusedArgument(thrown: unknown): boolean {
  if (!(thrown instanceof GraphQLError) || !(thrown.originalError instanceof GraphQLError)) return false;
  return thrown.originalError.path === undefined && thrown.message.startsWith('Argument "');
}

function publicErrorOf(error: unknown): PublicError | null {
  if (error instanceof PublicError) return error;
  // Of the whole operation, and of no field that Apollo would unwrap it from.
  if (error instanceof GraphQLError && error.originalError instanceof PublicError) return error.originalError;
  if (isDatabaseAway(error)) {
    const message = "A database that this answer needs is away; try again.";
    return new PublicError("UNAVAILABLE", message, { cause: error, retryAfterSeconds: 1 });
  }
  return null;
}

function extensionsOf(error: PublicError): Record<string, unknown> {
  return {
    code: error.code,
    ...(error.field !== undefined && { field: error.field }),
    ...error.cost,
    ...(error.retryAfterSeconds !== undefined && { retryAfter: error.retryAfterSeconds }),
  };
}

/** The HTTP status of an answer that has nothing but errors. */
export function statusOf(errors: readonly GraphQLFormattedError[]): number | undefined {
  const code = errors[0]?.extensions?.["code"];
  return typeof code === "string" && code in ERROR_CATALOGUE ? ERROR_CATALOGUE[code as ErrorCode].status : undefined;
}

/** Whether the client could have done nothing about it. */
export function isOurFault(error: GraphQLFormattedError): boolean {
  const code = error.extensions?.["code"];
  return code === ("INTERNAL" satisfies ErrorCode) || code === ("UNAVAILABLE" satisfies ErrorCode);
}

/** What is wrong with a document at many places is one error with as many locations: no short call has a long answer. */
export function toldOnce(errors: readonly GraphQLFormattedError[]): readonly GraphQLFormattedError[] {
  const told = new Map<string, GraphQLFormattedError>();
  const rest: GraphQLFormattedError[] = [];
  for (const error of errors) {
    // Those of fields have a path, and one for each.
    if (error.path !== undefined) rest.push(error);
    else {
      const same = told.get(error.message);
      const locations = [...(same?.locations ?? []), ...(error.locations ?? [])];
      told.set(error.message, { ...error, ...(locations.length > 0 && { locations }) });
    }
  }
  return told.size === 0 ? errors : [...told.values(), ...rest];
}
