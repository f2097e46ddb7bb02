import { HeaderMap, type HTTPGraphQLRequest } from "@apollo/server";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendCompressed } from "./compression.js";
import { allowCrossOrigin } from "./cross-origin.js";
import { sendError } from "./error-answer.js";
import { UnsentAnswers } from "./unsent-answers.js";

interface GraphqlRouteOptions<Context> {
  readonly server: GraphqlServer<Context>;
  /** Of large answers that clients have not taken yet. */
  readonly maxUnsentBytes: number;
  /** Who asks, and what the resolvers work with. A PublicError of it is the answer. */
  readonly contextOf: (request: FastifyRequest) => Promise<Context>;
  /** The origins of other sites whose pages may ask. */
  readonly corsOrigins?: readonly string[];
  /** Whole answers that may be given again. */
  readonly answers?: KeptAnswers<Context>;
  /** The call as it is to be executed. A PublicError of it is the answer. */
  readonly prepare?: (context: Context, call: HTTPGraphQLRequest) => Promise<HTTPGraphQLRequest>;
  /** Asked once the answer is known; null where there is nothing to tell. */
  readonly tell?: (context: Context) => Told | null;
  /** Gives back what the context holds. Called once for each context, when the answer is known, also after a failure. */
  readonly release?: (context: Context) => Promise<void>;
}

interface GraphqlServer<Context> {
  answer(
    call: HTTPGraphQLRequest,
    context: Context,
  ): Promise<{ readonly status: number; readonly headers: HeaderMap; readonly body: MadeBody }>;
}

/** An object, as JSON, without extensions. */
interface MadeBody {
  /** Once, with `tail` in place of as many characters at its end. */
  take(tail: string, replaced: number): string | Buffer;
}

/** What each answer tells besides the data. */
interface Told {
  /** An object, as JSON; null where there is nothing to tell. */
  readonly extensions: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

interface KeptBody {
  /** With these extensions. */
  with(extensions: string): Buffer;
  readonly plain: Buffer;
}

interface KeptAnswer {
  readonly contentType: string;
  readonly body: KeptBody;
}

interface KeptAnswers<Context> {
  /** What is kept of the answer to a call, and where to put it; null where nothing is or can be. */
  placeOf(
    context: Context,
    call: { readonly accept: string; readonly body: Buffer },
  ): Promise<{
    readonly found: KeptAnswer | null;
    /** Returns what it may be sent from; null where it must not be kept: then it was not taken. */
    keep(answer: { readonly contentType: string; readonly body: MadeBody }): KeptBody | null;
  } | null>;
}

const PATH = "/graphql";
/** An answer is one caller's, and may hold a new key's secret: no proxy and no browser is to keep it. What may be, we keep. */
const CACHE_CONTROL = "private, no-store";

/**
 * GraphQL over HTTP, by POST with a JSON body and by GET: a thin route, since what it means is Apollo's to say, and so is the
 * guard against forged requests of browsers.
 */
export function registerGraphql<Context>(app: FastifyInstance, options: GraphqlRouteOptions<Context>): void {
  app.register(async (scope) => {
    allowCrossOrigin(scope, options.corsOrigins ?? []);
    // What a browser sends across origins without asking first must not become a mutation.
    scope.removeContentTypeParser("text/plain");
    // As bytes: what is answered from the kept answers is never parsed.
    scope.removeContentTypeParser("application/json");
    scope.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    const parseJson = scope.getDefaultJsonParser("error", "error");
    const parse = (request: FastifyRequest) =>
      new Promise<unknown>((resolve, reject) => {
        if (!Buffer.isBuffer(request.body)) return resolve(request.body);
        parseJson(request, request.body.toString(), (error, value) =>
          error === null ? resolve(value) : reject(error),
        );
      });
    const route = { ...options, parse, unsent: new UnsentAnswers(options.maxUnsentBytes) };
    scope.route({
      method: ["GET", "POST"],
      url: PATH,
      exposeHeadRoute: false,
      handler: (request, reply) => answer(route, request, reply),
    });
    scope.route({
      method: ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"],
      url: PATH,
      // Before the body is read.
      onRequest: async (request, reply) =>
        sendError(request, reply.header("allow", "GET, POST"), {
          status: 405,
          code: "BAD_INPUT",
          message: "GraphQL is asked by POST or GET.",
        }),
      handler: (_request, reply) => reply,
    });
  });
}

interface Route<Context> extends GraphqlRouteOptions<Context> {
  readonly parse: (request: FastifyRequest) => Promise<unknown>;
  readonly unsent: UnsentAnswers;
}

async function answer<Context>(
  { server, contextOf, answers, prepare, tell, release, parse, unsent }: Route<Context>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const context = await contextOf(request);
  try {
    const accept = request.headers.accept ?? "";
    const place = Buffer.isBuffer(request.body)
      ? await answers?.placeOf(context, { accept, body: request.body })
      : null;
    const found = place?.found ?? null;
    if (found !== null) {
      const told = tell?.(context) ?? null;
      const { contentType, body } = found;
      reply
        .headers(told?.headers ?? {})
        .header("cache-control", CACHE_CONTROL)
        .type(contentType);
      const bytes = bytesOf(body, told?.extensions ?? null);
      unsent.begin(reply, bytes);
      return sendCompressed(reply, bytes, { isKept: true });
    }
    const call = graphqlRequestOf(request, await parse(request));
    const { status, headers, body } = await server.answer(
      prepare === undefined ? call : await prepare(context, call),
      context,
    );
    for (const [name, value] of headers) reply.header(name, value);
    // A refusal is not the answer to anything: not even where the operation was executed before it, as for a type that nobody writes.
    const contentType = headers.get("content-type") ?? "";
    const kept = status === 200 ? (place?.keep({ contentType, body }) ?? null) : null;
    const told = tell?.(context) ?? null;
    reply
      .code(status)
      .headers(told?.headers ?? {})
      .header("cache-control", CACHE_CONTROL);
    const extensions = told?.extensions ?? null;
    const sent = kept === null ? made(body, extensions) : bytesOf(kept, extensions);
    unsent.begin(reply, sent);
    return sendCompressed(reply, sent, { isKept: kept !== null });
  } finally {
    await release?.(context);
  }
}

function bytesOf(body: KeptBody, extensions: string | null): Buffer {
  return extensions === null ? body.plain : body.with(extensions);
}

function made(body: MadeBody, extensions: string | null): string | Buffer {
  return extensions === null ? body.take("\n", 0) : body.take(`,"extensions":${extensions}}\n`, "}".length);
}

function graphqlRequestOf(request: FastifyRequest, body: unknown): HTTPGraphQLRequest {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const start = request.url.indexOf("?");
  return {
    method: request.method,
    headers,
    search: start < 0 ? "" : request.url.slice(start),
    body,
  };
}
