/** GraphQL Yoga on node:http, with the caches of documents that it has by itself, over an answer in memory. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createSchema, createYoga } from "graphql-yoga";
import { resolversOfAnswer, TYPE_DEFINITIONS } from "./in-memory-schema.ts";

const yoga = createYoga({
  schema: createSchema({ typeDefs: TYPE_DEFINITIONS, resolvers: resolversOfAnswer() }),
  graphiql: false,
  landingPage: false,
  logging: false,
});
// It hands the request on as fetch knows it, and writes the answer itself.
const server = createServer((request, response) => void yoga(request, response));
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
process.once("SIGTERM", () => process.exit(0));
