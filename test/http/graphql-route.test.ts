import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginCacheControlDisabled } from "@apollo/server/plugin/disabled";
import type { FastifyRequest } from "fastify";
import { expect, onTestFinished, test } from "vitest";
import { PublicError } from "../../src/errors.js";
import { askApollo } from "../../src/graphql/apollo-server.js";
import { registerGraphql } from "../../src/http/graphql-route.js";
import { waitFor } from "../support/wait-for.js";
import { testServer } from "./http-fixture.js";

interface TestContext {
  readonly who: string;
}

const typeDefs = `
  type Query { who: String!  fails: String! }
  type Mutation { say(text: String!): String! }
`;
const resolvers = {
  Query: {
    who: (_root: unknown, _args: unknown, context: TestContext) => context.who,
    fails: () => {
      throw new Error("it fails");
    },
  },
  Mutation: { say: (_root: unknown, args: { text: string }) => args.text },
};

type RouteOptions = Parameters<typeof registerGraphql<TestContext>>[1];

async function graphqlServer(
  contextOf?: (request: FastifyRequest) => Promise<TestContext>,
  answers?: RouteOptions["answers"],
  maxUnsentBytes = 1_000_000,
) {
  const { app, lines } = testServer();
  const server = new ApolloServer<TestContext>({
    typeDefs,
    resolvers,
    includeStacktraceInErrorResponses: false,
    plugins: [ApolloServerPluginCacheControlDisabled()],
  });
  await server.start();
  onTestFinished(() => server.stop());
  const released: string[] = [];
  registerGraphql(app, {
    server: { answer: (call, context) => askApollo(server, call, context) },
    maxUnsentBytes,
    contextOf: contextOf ?? (async (request) => ({ who: request.headers.authorization ?? "nobody" })),
    release: async (context) => void released.push(context.who),
    ...(answers !== undefined && { answers }),
  });
  const post = (payload: unknown, headers: Record<string, string> = {}) =>
    app.inject({
      method: "POST",
      url: "/graphql",
      headers: { "content-type": "application/json", ...headers },
      payload: typeof payload === "string" ? payload : JSON.stringify(payload),
    });
  return { app, post, released, lines };
}

test("a query is answered by POST and by GET, in the context of its request", async () => {
  const { app, post, released } = await graphqlServer();
  const posted = await post({ query: "{ who }" }, { authorization: "ada" });
  expect(posted).toMatchObject({ statusCode: 200 });
  expect(posted.json()).toEqual({ data: { who: "ada" } });
  expect(posted.headers["content-type"]).toContain("application/json");
  expect(posted.headers["x-request-id"]).toBeDefined();
  const got = await app.inject({ url: "/graphql?query={who}", headers: { "apollo-require-preflight": "1" } });
  expect(got.json()).toEqual({ data: { who: "nobody" } });
  expect(released).toEqual(["ada", "nobody"]);
});

test("nobody on the way may keep an answer, be it new, kept by ourselves or an error", async () => {
  const bytes = Buffer.from('{"data":{"who":"ada"}}');
  const kept = { contentType: "application/json", body: { plain: bytes, with: () => bytes } };
  const { app, post } = await graphqlServer(undefined, {
    placeOf: async (_context, { body }) => ({ found: body.includes("kept") ? kept : null, keep: () => null }),
  });
  const answers = [
    await post({ query: "{ who }" }),
    await post({ query: 'mutation { say(text: "a secret") }' }),
    await post({ query: "{ kept: who }" }),
    await app.inject({ url: "/graphql?query={who}", headers: { "apollo-require-preflight": "1" } }),
    await post({ query: "{ fails }" }),
    await post({ query: "{ nothing }" }),
  ];
  for (const { headers } of answers) expect(headers["cache-control"]).toBe("private, no-store");
  expect((await post("{")).headers["cache-control"]).toBe("no-store");
});

test("large answers that nobody takes have a limit, small ones none, and what was taken or cut off makes room", async () => {
  const bytes = Buffer.from(JSON.stringify({ data: "x".repeat(9_000_000) }));
  const kept = { contentType: "application/json", body: { plain: bytes, with: () => bytes } };
  const { app } = await graphqlServer(
    undefined,
    { placeOf: async (_context, { body }) => ({ found: body.includes("kept") ? kept : null, keep: () => null }) },
    20_000_000,
  );
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => app.close());
  const ask = (query: string, signal?: AbortSignal) =>
    fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", "accept-encoding": "identity" },
      body: JSON.stringify({ query }),
      ...(signal !== undefined && { signal }),
    });
  const abort = new AbortController();
  const untaken = [await ask("{ kept: who }", abort.signal), await ask("{ kept: who }", abort.signal)];
  expect(untaken.map(({ status }) => status)).toEqual([200, 200]);
  const refused = await ask("{ kept: who }");
  expect(refused.status).toBe(503);
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(await refused.json()).toMatchObject({ errors: [{ extensions: { code: "UNAVAILABLE" } }] });
  expect((await ask("{ who }")).status).toBe(200);
  abort.abort();
  const answered = async () => {
    const response = await ask("{ kept: who }");
    await response.arrayBuffer();
    return response.status === 200;
  };
  await waitFor(answered, { what: "room for another answer" });
  for (let time = 0; time < 5; time++) expect(await answered()).toBe(true);
});

test("the schema can be asked for without a key", async () => {
  const { post } = await graphqlServer();
  const answer = await post({ query: "{ __schema { queryType { name } } }" });
  expect(answer.json()).toEqual({ data: { __schema: { queryType: { name: "Query" } } } });
});

test("the media type of GraphQL over HTTP is answered with itself, also in an error", async () => {
  const { post } = await graphqlServer();
  const accept = "application/graphql-response+json";
  const answer = await post({ query: "{ nothing }" }, { accept });
  expect(answer.statusCode).toBe(400);
  expect(answer.headers["content-type"]).toContain(accept);
  expect((await post("{", { accept })).headers["content-type"]).toContain(accept);
});

test("a context that refuses is the answer, in GraphQL's shape and with its status", async () => {
  for (const [error, status, header] of [
    [new PublicError("UNAUTHENTICATED", "No key."), 401, ["www-authenticate", "Bearer"]],
    [new PublicError("UNAVAILABLE", "Away.", { retryAfterSeconds: 2 }), 503, ["retry-after", "2"]],
  ] as const) {
    const { post, released } = await graphqlServer(async () => {
      throw error;
    });
    const answer = await post({ query: "{ who }" });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers[header[0]]).toBe(header[1]);
    expect(answer.json()).toMatchObject({
      errors: [{ message: error.message, extensions: { code: error.code, requestId: answer.headers["x-request-id"] } }],
    });
    expect(released).toEqual([]);
  }
});

test("what a context holds is given back also when the operation fails", async () => {
  const { post, released } = await graphqlServer();
  await post({ query: "{ fails }" });
  await post({ query: "{ nothing" });
  await post({});
  expect(released).toEqual(["nobody", "nobody", "nobody"]);
});

test.each([
  ["no JSON", "{", "application/json", 400, "BAD_INPUT", "not valid JSON"],
  ["nothing", "", "application/json", 400, "BAD_INPUT", "empty"],
  ["a poisoned key", '{"variables":{"__proto__":{}}}', "application/json", 400, "BAD_INPUT", "__proto__"],
  ["another type", "{}", "application/x-www-form-urlencoded", 415, "BAD_INPUT", "application/json"],
  ["text, which browsers send across origins", "{}", "text/plain", 415, "BAD_INPUT", "application/json"],
  ["too much", JSON.stringify(" ".repeat(10_000)), "application/json", 413, "TOO_LARGE", "10000 bytes"],
])("a body of %s is refused in GraphQL's shape and says why", async (_what, payload, type, status, code, why) => {
  const { post } = await graphqlServer();
  const answer = await post(payload, { "content-type": type });
  expect(answer.statusCode).toBe(status);
  expect(answer.json()).toMatchObject({
    errors: [
      { message: expect.stringContaining(why), extensions: { code, requestId: answer.headers["x-request-id"] } },
    ],
  });
});

test("a mutation by GET, and a request that a foreign page could send unasked, change nothing", async () => {
  const { app } = await graphqlServer();
  const mutation = '/graphql?query=mutation{say(text:"x")}';
  const byGet = await app.inject({ url: mutation, headers: { "apollo-require-preflight": "1" } });
  expect(byGet.statusCode).toBe(405);
  const simple = await app.inject({ url: "/graphql?query={who}" });
  expect(simple.statusCode).toBe(400);
  expect(simple.body).toContain("CSRF");
});

test.each(["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] as const)(
  "%s is not allowed, whatever its body",
  async (method) => {
    const { app, released } = await graphqlServer();
    const answer = await app.inject({ method, url: "/graphql", headers: { "content-type": "x/y" }, payload: "?" });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers["allow"]).toBe("GET, POST");
    expect(released).toEqual([]);
  },
);

test("the log names neither the query's text nor its variables", async () => {
  const { app, post, lines } = await graphqlServer();
  await post({ query: "mutation($t: String!) { say(text: $t) }", variables: { t: "ada@example.org" } });
  await post('{"query": "ada@example.org');
  await app.inject("/graphql?query=ada@example.org");
  expect(lines.join("")).toContain('"route":"/graphql"');
  expect(lines.join("")).not.toContain("ada@");
});
