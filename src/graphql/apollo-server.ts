import {
  ApolloServer,
  type ApolloServerOptionsWithSchema,
  type ApolloServerPlugin,
  type BaseContext,
  type GraphQLRequestContextResponseForOperation,
  type GraphQLResponse,
  HeaderMap,
  type HTTPGraphQLRequest,
} from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import type { GraphQLSchema } from "graphql";
import type { Logger } from "../observability/logger.js";
import type { Telemetry } from "../observability/telemetry.js";
import { Answering, printAndEmpty } from "./answering.js";
import type { RequestContext } from "./context.js";
import { type DocumentLimits, rulesOf } from "./document-faults.js";
import { JsonPieces } from "./json-text.js";
import { type KnownCall, KnownCalls } from "./known-calls.js";
import { ParsedDocuments } from "./parsed-documents.js";
import type { PersistedQueries } from "./persisted-queries.js";

interface ApolloOptions {
  readonly schema: GraphQLSchema;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly limits: DocumentLimits;
  readonly maxAnswerChars: number;
  readonly persistedQueries: PersistedQueries;
}

interface HttpAnswer {
  readonly status: number;
  readonly headers: HeaderMap;
  readonly body: JsonPieces;
}

/**
 * Of an answer of the type application/json a status of 400 could be a proxy's word as well as ours, so that clients of that
 * type look into those with 200 alone: the specification wants it for every call that was well-formed, whatever its document.
 * In the other type a refused document is a 400. Which type a client gets is known only once the answer is there.
 */
class HttpApolloServer extends ApolloServer<RequestContext> {
  readonly #answering: Answering;
  readonly #known: KnownCalls;

  constructor(options: ApolloServerOptionsWithSchema<RequestContext>, answering: Answering, known: KnownCalls) {
    super(options);
    this.#answering = answering;
    this.#known = known;
  }

  async answer(call: HTTPGraphQLRequest, context: RequestContext): Promise<HttpAnswer> {
    const known = this.#known.find(call);
    const answer =
      known === null ? await askApollo(this, call, context) : await answerKnown(this.#answering, known, context);
    const contentType = answer.headers.get("content-type") ?? "";
    if (known === null && answer.status === 200) this.#known.learn(call, contentType);
    const isPlainJson = contentType.startsWith("application/json");
    return isPlainJson && this.#answering.isRefusal(answer.headers) ? { ...answer, status: 200 } : answer;
  }
}

/** Asks Apollo, which looks at the call whole. */
export async function askApollo<Context extends BaseContext>(
  apollo: ApolloServer<Context>,
  httpGraphQLRequest: HTTPGraphQLRequest,
  context: Context,
): Promise<HttpAnswer> {
  const call = { httpGraphQLRequest, context: async () => context };
  const { status, headers, body } = await apollo.executeHTTPGraphQLRequest(call);
  // Parts that follow later (@defer, subscriptions) are not in the schema.
  if (body.kind !== "complete") throw new Error("An answer in parts was not asked for");
  const pieces = new JsonPieces([body.string], []);
  // What was waited for holds it, and may be old: with it the text would live until all is collected.
  body.string = "";
  return { status: status ?? 200, headers, body: pieces };
}

async function answerKnown(
  answering: Answering,
  { source, contentType, ...asked }: KnownCall,
  contextValue: RequestContext,
): Promise<HttpAnswer> {
  const started = performance.now();
  const http: { status?: number; readonly headers: HeaderMap } = { headers: new HeaderMap() };
  const { document, operation } = asked;
  const result = await answering.execute({ ...asked, contextValue });
  answering.finish({ source, document, operation, contextValue, http, result }, (performance.now() - started) / 1000);
  http.headers.set("content-type", contentType);
  return { status: http.status ?? 200, headers: http.headers, body: printAndEmpty(result) };
}

type Asked = GraphQLRequestContextResponseForOperation<RequestContext>;

const NO_HEAD = { headers: new HeaderMap() };

/**
 * The answer to a document that was found valid, in place of Apollo's own execution.
 *
 * Apollo has another door, for gateways, through which an answer goes with what it has formatted. For each request it makes an
 * object with a getter, and V8 puts the functions of getters among the old objects: until the next full collection each keeps
 * alive all that it can see, which is the whole request with its answer (docs/decisions/0051).
 */
async function answerTo(
  answering: Answering,
  { document, operation, operationName, request, contextValue, queryHash }: Asked,
): Promise<GraphQLResponse> {
  // Apollo has worked it out by now. Without it one document could not be told from another.
  if (queryHash === undefined) throw new TypeError("A document has no hash");
  const singleResult = await answering.execute({
    document,
    // Undefined where the document has none of the name that was asked for.
    operation: operation ?? null,
    operationName: request.operationName ?? operationName,
    variables: request.variables ?? {},
    contextValue,
    documentHash: queryHash,
    extensions: request.extensions,
  });
  return { http: NO_HEAD as GraphQLResponse["http"], body: { kind: "single", singleResult } };
}

/** One plugin for all that is done to a request: Apollo waits for each, whether it has anything to do or not. */
function requestPlugin(answering: Answering): ApolloServerPlugin<RequestContext> {
  return {
    async requestDidStart() {
      const started = performance.now();
      return {
        async didEncounterErrors({ errors, contextValue }) {
          for (const error of errors) answering.noteRequest(error, contextValue);
        },
        responseForOperation: (asked) => answerTo(answering, asked),
        async willSendResponse({ source, document, operation, contextValue, response: { http, body } }) {
          // Parts that follow later (@defer, subscriptions) are not in the schema.
          if (body.kind !== "single") return;
          const answered = { source, document, operation, contextValue, http, result: body.singleResult };
          answering.finish(answered, (performance.now() - started) / 1000);
        },
      };
    },
  };
}

/** Apollo with what is used of it. Cache control and reporting cost a third of its speed and are of no use here. */
export function createApolloServer(options: ApolloOptions): HttpApolloServer {
  const { schema, log, telemetry, limits, maxAnswerChars, persistedQueries } = options;
  const answering = new Answering({ schema, log, telemetry, maxAnswerChars });
  const documents = new ParsedDocuments();
  const apollo: ApolloServerOptionsWithSchema<RequestContext> = {
    schema,
    introspection: true,
    // Mutations by POST only, and no simple requests from other sites' pages: a page that sends a key is asked about it first.
    csrfPrevention: { requestHeaders: ["authorization", "apollo-require-preflight", "x-apollo-operation-name"] },
    allowBatchedHttpRequests: false,
    persistedQueries: { cache: persistedQueries, ttl: null },
    documentStore: documents,
    hideSchemaDetailsFromClientErrors: true,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: limits.maxTokens },
    validationRules: rulesOf(limits),
    plugins: [
      requestPlugin(answering),
      ApolloServerPluginCacheControlDisabled(),
      // GraphiQL is served elsewhere, from here.
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
    ],
    formatError: answering.format,
    stringifyResult: (result) => printAndEmpty(result).take("", 0).toString(),
    logger: {
      debug: (message: unknown) => log.debug(String(message)),
      info: (message: unknown) => log.info(String(message)),
      warn: (message: unknown) => log.warn(String(message)),
      error: (message: unknown) => log.error(String(message)),
    },
  };
  return new HttpApolloServer(apollo, answering, new KnownCalls(documents));
}
