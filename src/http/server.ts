/**
 * The HTTP server and what belongs to no route: request ids, the access log, security headers, health, and a stop that lets
 * requests finish. A log line names the route's pattern, never the address asked for: queries hold what users typed.
 */
import { randomUUID } from "node:crypto";
import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import {
  fastify,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import type { Logger } from "../observability/logger.js";
import type { Telemetry } from "../observability/telemetry.js";
import { withinTime } from "../within-time.js";
import { answerError, sendError } from "./error-answer.js";

/** Something that the server talks to. Without an optional one it goes on, with less. */
export interface Dependency {
  readonly isRequired: boolean;
  /** Whether it answers right now. */
  readonly answers: () => Promise<boolean>;
}

interface ServerOptions {
  readonly log: Logger;
  readonly telemetry: Telemetry;
  /** By name, as `/readyz` tells them. */
  readonly dependencies: Readonly<Record<string, Dependency>>;
  readonly bodyLimitBytes: number;
  /**
   * How long a client may take to send a call, and how long it may take nothing of its answer: long enough for a slow line with a large
   * call, short enough that slow clients cannot hold the server's sockets, and the answers in them.
   */
  readonly clientTimeoutMs: number;
}

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;
const READINESS_TIMEOUT_MS = 2_000;
/** Asked every few seconds by machines; their log lines would bury the others. */
const PROBES: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/metrics"]);

/** For answers that nobody should ever frame, sniff or run. A route that serves pages sets its own. */
const SECURITY_HEADERS = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Servers that are about to stop. */
const stopping = new WeakSet<FastifyInstance>();

export function createServer(options: ServerOptions): FastifyInstance {
  const app = fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
    genReqId: requestIdOf,
    bodyLimit: options.bodyLimitBytes,
    requestTimeout: options.clientTimeoutMs,
    connectionTimeout: options.clientTimeoutMs,
    // While stopping, requests on open connections are answered as ever; each answer then closes its connection.
    return503OnClosing: false,
    clientErrorHandler: refuseBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      setHeaders(request, reply);
      answerError(error, request, reply);
    },
  });
  // Without promises: each request would wait for three of them.
  app.addHook("onRequest", (request, reply, done) => {
    setHeaders(request, reply);
    done();
  });
  app.addHook("onSend", (_request, reply, payload, done) => {
    if (stopping.has(app)) reply.header("connection", "close");
    done(null, payload);
  });
  // Of what its lines hold nothing is to be taken out, and looking costs as much as writing them.
  const accessLog = options.log.child({}, { redact: [] });
  app.addHook("onResponse", (request, reply, done) => {
    noteRequest(request, reply, accessLog, options.telemetry);
    done();
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) =>
    sendError(request, reply, { status: 404, code: "NOT_FOUND", message: "There is nothing at this address." }),
  );
  registerHealth(app, options);
  return app;
}

/** From now on `/readyz` answers 503, so that load balancers send requests elsewhere; everything else goes on. */
export function announceStop(app: FastifyInstance): void {
  stopping.add(app);
}

/** Takes no more connections and lets requests under way finish; those that take longer than this are cut. */
export async function stopServer(app: FastifyInstance, timeoutMs: number): Promise<void> {
  announceStop(app);
  const timer = setTimeout(() => {
    app.log.warn({ timeoutMs }, "requests under way were cut");
    app.server.closeAllConnections();
  }, timeoutMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

function registerHealth(app: FastifyInstance, { telemetry, dependencies }: ServerOptions): void {
  // One check at a time: whoever asks meanwhile gets its answer, and cannot make us ask the databases more often.
  let checking: Promise<Readiness> | undefined;
  const check = () => (checking ??= checkReadiness(app, dependencies).finally(() => (checking = undefined)));

  app.get("/healthz", async (_request, reply) => reply.header("cache-control", "no-store").send({ status: "alive" }));
  app.get("/readyz", async (_request, reply) => {
    reply.header("cache-control", "no-store");
    if (stopping.has(app)) return reply.code(503).send({ status: "stopping", dependencies: {} });
    const readiness = await check();
    return reply.code(readiness.status === "unavailable" ? 503 : 200).send(readiness);
  });
  app.get("/metrics", async (_request, reply) => {
    const { contentType, text } = await telemetry.render();
    return reply.type(contentType).header("cache-control", "no-store").send(text);
  });
}

interface Readiness {
  /** What all servers share and can go on without is no reason to send requests elsewhere: there is no elsewhere. */
  readonly status: "ready" | "degraded" | "unavailable";
  readonly dependencies: Record<string, boolean>;
}

/** Each dependency has its own time to answer: one that hangs must not hide that the required ones are there. */
async function checkReadiness(app: FastifyInstance, dependencies: ServerOptions["dependencies"]): Promise<Readiness> {
  const found = await Promise.all(
    Object.entries(dependencies).map(async ([name, { isRequired, answers }]) => {
      const isThere = await withinTime(answers(), READINESS_TIMEOUT_MS).catch((error: unknown) => {
        app.log.warn({ err: error, dependency: name }, "the readiness check failed");
        return false;
      });
      return { name, isRequired, isThere };
    }),
  );
  const away = found.filter(({ isThere }) => !isThere);
  const status = away.some(({ isRequired }) => isRequired) ? "unavailable" : away.length > 0 ? "degraded" : "ready";
  return { status, dependencies: Object.fromEntries(found.map(({ name, isThere }) => [name, isThere])) };
}

function requestIdOf(request: Pick<IncomingMessage, "headers">): string {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
}

function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...SECURITY_HEADERS, "x-request-id": request.id });
}

function noteRequest(
  { id: requestId, method, routeOptions }: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
  telemetry: Telemetry,
): void {
  const route = routeOptions.url ?? "unmatched";
  const status = reply.statusCode;
  const durationMs = Math.round(reply.elapsedTime * 1000) / 1000;
  telemetry.httpRequest(method, route, status, reply.elapsedTime / 1000);
  const level = PROBES.has(route) && status < 400 ? "debug" : "info";
  log[level]({ requestId, method, route, status, durationMs }, "request");
}

/** What is no HTTP, or too slow or too large in its head. Not logged: the error carries the bytes that came. */
function refuseBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }[error.code ?? ""] ?? 400;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\nx-request-id: ${randomUUID()}\r\n\r\n`,
  );
}
