/** Mercurius with its just-in-time compiler, over an answer in memory. */
import Fastify from "fastify";
import mercurius from "mercurius";
import { resolversOfAnswer, TYPE_DEFINITIONS } from "./in-memory-schema.ts";

const app = Fastify();
await app.register(mercurius, { schema: TYPE_DEFINITIONS, resolvers: resolversOfAnswer(), jit: 1, graphiql: false });
const url = await app.listen({ port: 0, host: "127.0.0.1" });
process.stdout.write(`listening on ${new URL(url).port}\n`);
process.once("SIGTERM", () => process.exit(0));
