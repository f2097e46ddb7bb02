import { type ApolloServer, type BaseContext, HeaderMap, type HTTPGraphQLRequest } from "@apollo/server";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendError } from "./error-answer.js";

interface GraphqlRouteOptions<Context extends BaseContext> {
  readonly server: ApolloServer<Context>;
  /** Who asks, and what the resolvers work with. A PublicError of it is the answer. */
  readonly contextOf: (request: FastifyRequest) => Promise<Context>;
  /** Gives back what the context holds. Called once for each context, when the answer is known, also after a failure. */
  readonly release?: (context: Context) => Promise<void>;
}

const PATH = "/graphql";

/**
 * GraphQL over HTTP, by POST with a JSON body and by GET: a thin route, since what it means is Apollo's to say, and so is the
 * guard against forged requests of browsers.
 */
export function registerGraphql<Context extends BaseContext>(
  app: FastifyInstance,
  options: GraphqlRouteOptions<Context>,
): void {
  app.register(async (scope) => {
    // What a browser sends across origins without asking first must not become a mutation.
    scope.removeContentTypeParser("text/plain");
    scope.route({
      method: ["GET", "POST"],
      url: PATH,
      exposeHeadRoute: false,
      handler: (request, reply) => answer(options, request, reply),
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

async function answer<Context extends BaseContext>(
  { server, contextOf, release }: GraphqlRouteOptions<Context>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const context = await contextOf(request);
  try {
    const { status, headers, body } = await server.executeHTTPGraphQLRequest({
      httpGraphQLRequest: graphqlRequestOf(request),
      context: async () => context,
    });
    for (const [name, value] of headers) reply.header(name, value);
    // Parts that follow later (@defer, subscriptions) are not in the schema.
    if (body.kind !== "complete") throw new Error("An answer in parts was not asked for");
    return reply.code(status ?? 200).send(body.string);
  } finally {
    await release?.(context);
  }
}

function graphqlRequestOf(request: FastifyRequest): HTTPGraphQLRequest {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  const start = request.url.indexOf("?");
  return {
    method: request.method,
    headers,
    search: start < 0 ? "" : request.url.slice(start),
    body: request.body,
  };
}
