/**
 * The answers to operations: executed and priced, their errors formatted, with the HTTP status that says what they are. The same
 * whether Apollo has looked at the call (apollo-server.ts) or nobody need to (known-calls.ts).
 */
import type { HTTPGraphQLHead } from "@apollo/server";
import {
  type DocumentNode,
  type ExecutionResult,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  OperationTypeNode,
} from "graphql";
import { type ErrorCode, PublicError } from "../errors.js";
import type { Logger } from "../observability/logger.js";
import type { OperationKind, RequestOutcome, Telemetry } from "../observability/telemetry.js";
import { isLonger } from "./answer-length.js";
import type { RequestContext } from "./context.js";
import { createPricedExecution, type ExecutePriced, type PricedExecution } from "./cost/priced-execution.js";
import { createExecutor } from "./executor.js";
import { formatError, isOurFault, type RequestsOfErrors, statusOf, toldOnce } from "./format-error.js";
import { type JsonPieces, printJson } from "./json-text.js";
import { isVersioned } from "./versioned.js";

interface AnsweringOptions {
  readonly schema: GraphQLSchema;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly maxAnswerChars: number;
}

interface Asked extends Omit<PricedExecution, "contextValue"> {
  readonly contextValue: RequestContext;
}

/** An answer that is known, and what it answers. */
interface Answered {
  /** Undefined where there was no text. */
  readonly source: string | undefined;
  /** Undefined where it was not found valid. */
  readonly document: DocumentNode | undefined;
  /** Undefined where the document has none of the name that was asked for. */
  readonly operation: OperationDefinitionNode | undefined;
  readonly contextValue: RequestContext;
  readonly http: HTTPGraphQLHead;
  readonly result: FormattedExecutionResult;
}

/** Apollo's word for a mutation by GET. */
const METHOD_NOT_ALLOWED = 405;

export class Answering {
  readonly format: ReturnType<typeof formatError>;
  readonly #schema: GraphQLSchema;
  readonly #telemetry: Telemetry;
  readonly #execute: ExecutePriced;
  readonly #maxAnswerChars: number;
  readonly #requests: RequestsOfErrors = new WeakMap();
  /** The heads of answers to documents that were never executed, since they or their variables are wrong. */
  readonly #refusals = new WeakSet<HTTPGraphQLHead["headers"]>();

  constructor({ schema, log, telemetry, maxAnswerChars }: AnsweringOptions) {
    this.#schema = schema;
    this.#maxAnswerChars = maxAnswerChars;
    this.#telemetry = telemetry;
    this.#execute = createPricedExecution(schema, createExecutor({ schema }));
    this.format = formatError(log, this.#requests);
  }

  /** Never rejects. */
  async execute(asked: Asked): Promise<FormattedExecutionResult> {
    const { data, errors } = await this.#execute(asked).catch((error: unknown): ExecutionResult => ({
      errors: [asGraphqlError(error)],
    }));
    const formatted = errors?.map((error) => {
      this.noteRequest(error, asked.contextValue);
      return this.format(error.toJSON(), error);
    });
    const answer = { ...(formatted !== undefined && { errors: formatted }), ...(data !== undefined && { data }) };
    return isLonger(answer, this.#maxAnswerChars) ? this.#tooLong(asked.operation) : answer;
  }

  #tooLong(operation: OperationDefinitionNode | null): FormattedExecutionResult {
    const isDone =
      operation?.operation === OperationTypeNode.MUTATION ? " What it changes is changed all the same." : "";
    const message = `The answer has more than ${this.#maxAnswerChars} characters; ask for smaller pages or fewer fields.${isDone}`;
    const error = new GraphQLError(message, { originalError: new PublicError("TOO_LARGE", message) });
    return { errors: [this.format(error.toJSON(), error)], data: null };
  }

  /** A formatter is told the error alone. */
  noteRequest(error: object, { requestId }: RequestContext): void {
    this.#requests.set(error, requestId);
  }

  /** Sets the status, and tells whoever counts or keeps answers. */
  finish(answered: Answered, seconds: number): void {
    this.#setStatus(answered);
    const { operation, result } = answered;
    const kind: OperationKind = operation?.operation === "mutation" ? "mutation" : "query";
    this.#telemetry.request(operation === undefined ? "none" : kind, outcomeOf(result), seconds);
    this.#permitKeeping(answered);
  }

  /** Whether these are the heads of an answer to a document that was refused. */
  isRefusal(headers: HTTPGraphQLHead["headers"]): boolean {
    return this.#refusals.has(headers);
  }

  /**
   * An answer that is nothing but an error has the error's HTTP status; one that holds data is a 200, as the specification of
   * GraphQL over HTTP demands. Who is not known has no use for the nulls of what was refused: that is a request's error.
   */
  #setStatus({ result, http, source }: Answered): void {
    if (result.errors === undefined) return;
    if (result.errors.some(isUnauthenticated)) delete result.data;
    const errors = toldOnce(result.errors);
    result.errors = errors;
    const { data } = result;
    if (data !== null && data !== undefined) return;
    // What is wrong is the method, and Apollo says which one is right.
    if (http.status === METHOD_NOT_ALLOWED) return;
    http.status = statusOf(errors) ?? http.status ?? 500;
    if (source !== undefined && data === undefined && errors.every(isOfDocument)) this.#refusals.add(http.headers);
    const retryAfter = errors[0]?.extensions?.["retryAfter"];
    if (typeof retryAfter === "number") http.headers.set("retry-after", String(Math.ceil(retryAfter)));
  }

  /** Tells what may be given again as it is: see whole-answers.ts. */
  #permitKeeping({ document, operation, result, contextValue }: Answered): void {
    if (document === undefined || operation === undefined || result.errors !== undefined) return;
    if (isVersioned(this.#schema, document, operation)) contextValue.tenant?.answerLife.permit();
  }
}

/**
 * Without the line's end that Apollo appends: the route writes it, behind the extensions. Nobody looks at the data again: emptied, it
 * does not live as long as the promises of a request that had to wait, which are old by then (docs/decisions/0051).
 */
export function printAndEmpty(result: FormattedExecutionResult): JsonPieces {
  const pieces = printJson(result);
  const { data } = result;
  if (data !== null && data !== undefined) for (const name of Object.keys(data)) data[name] = null;
  return pieces;
}

/** What is wrong with the document itself, whoever sends it and whenever. */
const CODES_OF_DOCUMENTS: ReadonlySet<unknown> = new Set<ErrorCode>(["BAD_INPUT", "QUERY_TOO_COSTLY"]);

function isOfDocument({ extensions }: GraphQLFormattedError): boolean {
  return CODES_OF_DOCUMENTS.has(extensions?.["code"]);
}

function isUnauthenticated({ extensions }: GraphQLFormattedError): boolean {
  return extensions?.["code"] === ("UNAUTHENTICATED" satisfies ErrorCode);
}

function asGraphqlError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  const original = error instanceof Error ? error : new Error(String(error));
  return new GraphQLError(original.message, { originalError: original });
}

function outcomeOf({ data, errors }: Pick<FormattedExecutionResult, "data" | "errors">): RequestOutcome {
  if (errors === undefined || errors.length === 0) return "ok";
  if (data !== null && data !== undefined) return "partial";
  return errors.some((error) => isOurFault(error)) ? "failed" : "refused";
}
