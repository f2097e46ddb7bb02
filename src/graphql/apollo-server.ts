import {
  ApolloServer,
  type ApolloServerPlugin,
  type GraphQLRequestContextResponseForOperation,
  type GraphQLRequestContextWillSendResponse,
  type GraphQLResponse,
  HeaderMap,
  type HTTPGraphQLResponse,
} from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import {
  type ExecutionResult,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
} from "graphql";
import type { ErrorCode } from "../errors.js";
import type { Logger } from "../observability/logger.js";
import type { RequestContext } from "./context.js";
import type { OperationKind, RequestOutcome, Telemetry } from "../observability/telemetry.js";
import { createPricedExecution, type ExecutePriced } from "./cost/priced-execution.js";
import { type DocumentLimits, rulesOf } from "./document-faults.js";
import { createExecutor } from "./executor.js";
import { ParsedDocuments } from "./parsed-documents.js";
import type { PersistedQueries } from "./persisted-queries.js";
import { isVersioned } from "./versioned.js";
import { formatError, isOurFault, type RequestsOfErrors, statusOf, toldOnce } from "./format-error.js";

interface ApolloOptions {
  readonly schema: GraphQLSchema;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly limits: DocumentLimits;
  readonly persistedQueries: PersistedQueries;
}

/** The heads of answers to documents that were never executed, since they or their variables are wrong. */
const refusedDocuments = new WeakSet<HeaderMap>();

/**
 * An answer that is nothing but an error has the error's HTTP status; one that holds data is a 200, as the specification of
 * GraphQL over HTTP demands. Who is not known has no use for the nulls of what was refused: that is a request's error.
 */
function setStatus({ response, source }: Answered): void {
  if (response.body.kind !== "single") return;
  if (response.body.singleResult.errors?.some(isUnauthenticated)) delete response.body.singleResult.data;
  const { data, errors: each } = response.body.singleResult;
  const errors = each === undefined ? undefined : toldOnce(each);
  if (errors !== undefined) response.body.singleResult.errors = errors;
  if (errors === undefined || (data !== null && data !== undefined)) return;
  // A mutation by GET: what is wrong is the method, and Apollo says which one is right.
  if (response.http.status === METHOD_NOT_ALLOWED) return;
  response.http.status = statusOf(errors) ?? response.http.status ?? 500;
  if (source !== undefined && data === undefined && errors.every(isOfDocument)) {
    refusedDocuments.add(response.http.headers);
  }
  const retryAfter = errors[0]?.extensions?.["retryAfter"];
  if (typeof retryAfter === "number") response.http.headers.set("retry-after", String(Math.ceil(retryAfter)));
}

type Answered = GraphQLRequestContextWillSendResponse<RequestContext>;

const METHOD_NOT_ALLOWED = 405;

/**
 * Of an answer of the type application/json a status of 400 could be a proxy's word as well as ours, so that clients of that
 * type look into those with 200 alone: the specification wants it for every call that was well-formed, whatever its document.
 * In the other type a refused document is a 400. Which type a client gets is known only once the answer is there.
 */
class HttpApolloServer extends ApolloServer<RequestContext> {
  override async executeHTTPGraphQLRequest(call: HttpCall): Promise<HTTPGraphQLResponse> {
    const answer = await super.executeHTTPGraphQLRequest(call);
    const isPlainJson = answer.headers.get("content-type")?.startsWith("application/json") === true;
    return isPlainJson && refusedDocuments.has(answer.headers) ? { ...answer, status: 200 } : answer;
  }
}

type HttpCall = Parameters<ApolloServer<RequestContext>["executeHTTPGraphQLRequest"]>[0];

/** What is wrong with the document itself, whoever sends it and whenever. */
const CODES_OF_DOCUMENTS: ReadonlySet<unknown> = new Set<ErrorCode>(["BAD_INPUT", "QUERY_TOO_COSTLY"]);

function isOfDocument({ extensions }: GraphQLFormattedError): boolean {
  return CODES_OF_DOCUMENTS.has(extensions?.["code"]);
}

function isUnauthenticated({ extensions }: GraphQLFormattedError): boolean {
  return extensions?.["code"] === ("UNAUTHENTICATED" satisfies ErrorCode);
}

/** Tells what may be given again as it is: see whole-answers.ts. */
function permitKeeping(schema: GraphQLSchema, { document, operation, response, contextValue }: Answered): void {
  if (document === undefined || operation === undefined || response.body.kind !== "single") return;
  if (response.body.singleResult.errors !== undefined) return;
  if (isVersioned(schema, document, operation)) contextValue.tenant?.answerLife.permit();
}

function observe(telemetry: Telemetry, { operation, response }: Answered, seconds: number): void {
  const kind: OperationKind = operation?.operation === "mutation" ? "mutation" : "query";
  const result = response.body.kind === "single" ? response.body.singleResult : {};
  telemetry.request(operation === undefined ? "none" : kind, outcomeOf(result), seconds);
}

type Asked = GraphQLRequestContextResponseForOperation<RequestContext>;
type FormatError = ReturnType<typeof formatError>;

const NO_HEAD = { headers: new HeaderMap() };

interface Answering {
  readonly execute: ExecutePriced;
  readonly format: FormatError;
  readonly requests: RequestsOfErrors;
}

/**
 * The answer to a document that was found valid, in place of Apollo's own execution.
 *
 * Apollo has another door, for gateways, through which an answer goes with what it has formatted. For each request it makes an
 * object with a getter, and V8 puts the functions of getters among the old objects: until the next full collection each keeps
 * alive all that it can see, which is the whole request with its answer (docs/decisions/0051).
 */
async function answerTo(
  { execute, format, requests }: Answering,
  { document, operation, operationName, request, contextValue, queryHash }: Asked,
): Promise<GraphQLResponse> {
  // Apollo has worked it out by now. Without it one document could not be told from another.
  if (queryHash === undefined) throw new TypeError("A document has no hash");
  const { data, errors } = await execute({
    document,
    // Undefined where the document has none of the name that was asked for.
    operation: operation ?? null,
    operationName: request.operationName ?? operationName,
    variables: request.variables ?? {},
    contextValue,
    documentHash: queryHash,
    extensions: request.extensions,
  }).catch((error: unknown): ExecutionResult => ({ errors: [asGraphqlError(error)] }));
  const formatted = errors?.map((error) => {
    requests.set(error, contextValue.requestId);
    return format(error.toJSON(), error);
  });
  const singleResult = { ...(formatted !== undefined && { errors: formatted }), ...(data !== undefined && { data }) };
  return { http: NO_HEAD as GraphQLResponse["http"], body: { kind: "single", singleResult } };
}

function asGraphqlError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  const original = error instanceof Error ? error : new Error(String(error));
  return new GraphQLError(original.message, { originalError: original });
}

/** One plugin for all that is done to a request: Apollo waits for each, whether it has anything to do or not. */
function requestPlugin(
  { schema, telemetry }: Pick<ApolloOptions, "schema" | "telemetry">,
  answering: Answering,
): ApolloServerPlugin<RequestContext> {
  const { requests } = answering;
  return {
    async requestDidStart() {
      const started = performance.now();
      return {
        async didEncounterErrors({ errors, contextValue }) {
          for (const error of errors) requests.set(error, contextValue.requestId);
        },
        responseForOperation: (asked) => answerTo(answering, asked),
        async willSendResponse(answered) {
          setStatus(answered);
          observe(telemetry, answered, (performance.now() - started) / 1000);
          permitKeeping(schema, answered);
        },
      };
    },
  };
}

function outcomeOf({ data, errors }: Pick<FormattedExecutionResult, "data" | "errors">): RequestOutcome {
  if (errors === undefined || errors.length === 0) return "ok";
  if (data !== null && data !== undefined) return "partial";
  return errors.some((error) => isOurFault(error)) ? "failed" : "refused";
}

/**
 * Without the line's end that Apollo appends: the route writes it, behind the extensions. Nobody looks at the data again: emptied, it
 * does not live as long as the promises of a request that had to wait, which are old by then (docs/decisions/0051).
 */
function printAndEmpty(result: FormattedExecutionResult): string {
  const text = JSON.stringify(result);
  const { data } = result;
  if (data !== null && data !== undefined) for (const name of Object.keys(data)) data[name] = null;
  return text;
}

/** Apollo with what is used of it. Cache control and reporting cost a third of its speed and are of no use here. */
export function createApolloServer(options: ApolloOptions): ApolloServer<RequestContext> {
  const { schema, log, limits, persistedQueries } = options;
  const requests: RequestsOfErrors = new WeakMap();
  const format = formatError(log, requests);
  const execute = createPricedExecution(schema, createExecutor({ schema }));
  return new HttpApolloServer({
    schema,
    introspection: true,
    // Mutations by POST only, and no simple requests from other sites' pages: a page that sends a key is asked about it first.
    csrfPrevention: { requestHeaders: ["authorization", "apollo-require-preflight", "x-apollo-operation-name"] },
    allowBatchedHttpRequests: false,
    persistedQueries: { cache: persistedQueries, ttl: null },
    documentStore: new ParsedDocuments(),
    hideSchemaDetailsFromClientErrors: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: limits.maxTokens },
    validationRules: rulesOf(limits),
    plugins: [
      requestPlugin(options, { execute, format, requests }),
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
    ],
    formatError: format,
    stringifyResult: printAndEmpty,
    logger: {
      debug: (message: unknown) => log.debug(String(message)),
      info: (message: unknown) => log.info(String(message)),
      warn: (message: unknown) => log.warn(String(message)),
      error: (message: unknown) => log.error(String(message)),
    },
  });
}
