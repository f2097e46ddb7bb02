/**
 * Errors that arise before GraphQL runs, in GraphQL's shape, so that a client reads one kind of answer. What is ours to know
 * goes to the log with the request's id, and only that id goes out.
 */
import { STATUS_CODES } from "node:http";
import { errorCodes, type FastifyReply, type FastifyRequest } from "fastify";
import { ERROR_CATALOGUE, type ErrorCode, PublicError } from "../errors.js";

interface ErrorAnswer {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: readonly string[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

const GRAPHQL_RESPONSE = "application/graphql-response+json";

/** The server's error handler: answers whatever a route, a hook or a parser threw. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = answerOf(error, request);
  if (answer.code === "INTERNAL") request.log.error({ err: error }, "request failed");
  else if (error instanceof Error && error.cause !== undefined) {
    request.log.warn({ err: error.cause, code: answer.code }, "request could not be answered");
  }
  return sendError(request, reply, answer);
}

/** An error as GraphQL's shape has it, with the status, the request's id and when to try again. */
export function sendError(request: FastifyRequest, reply: FastifyReply, answer: ErrorAnswer): FastifyReply {
  const { status, code, message, field, retryAfterSeconds } = answer;
  if (retryAfterSeconds !== undefined) reply.header("retry-after", Math.ceil(retryAfterSeconds));
  if (status === 401) reply.header("www-authenticate", "Bearer");
  const retryAfter = retryAfterSeconds === undefined ? {} : { retryAfter: retryAfterSeconds };
  const extensions = { code, ...(field !== undefined && { field }), requestId: request.id, ...retryAfter };
  const body = { errors: [{ message, extensions }] };
  const type = request.headers.accept?.includes(GRAPHQL_RESPONSE) ? GRAPHQL_RESPONSE : "application/json";
  return reply
    .code(status)
    .type(`${type}; charset=utf-8`)
    .header("cache-control", "no-store")
    .send(JSON.stringify(body));
}

function answerOf(error: unknown, request: FastifyRequest): ErrorAnswer {
  if (error instanceof PublicError) {
    const { code, message, field, retryAfterSeconds } = error;
    return { status: ERROR_CATALOGUE[code].status, code, message, field, retryAfterSeconds };
  }
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
  if (status === 413) {
    const message = `The body of a call has at most ${request.routeOptions.bodyLimit} bytes.`;
    return { status, code: "TOO_LARGE", message };
  }
  if (status === 415) return { status, code: "BAD_INPUT", message: "The body must be of the type application/json." };
  if (error instanceof errorCodes.FST_ERR_CTP_INVALID_JSON_BODY) {
    // The second and third are refused by the parser: merged by anybody, they would change every object.
    const message = "The body is not valid JSON, or has a key `__proto__` or `constructor.prototype`.";
    return { status, code: "BAD_INPUT", message };
  }
  if (error instanceof errorCodes.FST_ERR_CTP_EMPTY_JSON_BODY) {
    return { status, code: "BAD_INPUT", message: "The body is empty." };
  }
  // Other messages of the framework quote the request; the status tells enough.
  if (status >= 400 && status < 500) return { status, code: "BAD_INPUT", message: `${STATUS_CODES[status]}.` };
  return {
    status: 500,
    code: "INTERNAL",
    message: "Something failed on our side. The request id finds it in our logs.",
  };
}
