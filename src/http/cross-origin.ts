import fastifyCors from "@fastify/cors";
import type { FastifyInstance } from "fastify";

const DAY_SECONDS = 86_400;

/** What clients put into a call: ours, those of Apollo's and of its guard, and those of tracing (W3C). None of them means anything here but the first four. */
const ALLOWED_HEADERS = [
  "authorization",
  "content-type",
  "apollo-require-preflight",
  "x-request-id",
  "apollographql-client-name",
  "apollographql-client-version",
  "x-apollo-operation-name",
  "traceparent",
  "tracestate",
  "baggage",
];

/**
 * Lets pages of these origins ask what is in this scope, and read the answer; to all others it is as if this were not here, and their
 * browsers refuse. An origin is compared letter by letter: no pattern that a name somebody registers tomorrow could fit.
 *
 * Without credentials, in the sense of the specification: browsers add none of their own (cookies, passwords) to such a request, so
 * that a page can show only the key or token that it was given. Those go in `Authorization`, which scripts alone can set.
 */
export function allowCrossOrigin(scope: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const allowed = new Set(origins);
  scope.register(fastifyCors, {
    origin: async (origin: string | undefined) => (origin !== undefined && allowed.has(origin) ? origin : false),
    methods: ["GET", "POST"],
    allowedHeaders: ALLOWED_HEADERS,
    exposedHeaders: ["ratelimit", "ratelimit-policy", "retry-after", "x-request-id"],
    credentials: false,
    maxAge: DAY_SECONDS,
    // Another OPTIONS from there is answered as a preflight rather than in the plugin's own words.
    strictPreflight: false,
  });
}
