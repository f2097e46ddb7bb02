import type { FastifyInstance } from "fastify";
import { createServer, type Dependency } from "../../src/http/server.js";
import { createLogger } from "../../src/observability/logger.js";
import { Telemetry } from "../../src/observability/telemetry.js";

export interface TestServer {
  readonly app: FastifyInstance;
  readonly telemetry: Telemetry;
  /** What was logged so far, a line each. */
  readonly lines: string[];
}

/** A server that logs everything there is to log, into an array. */
export function testServer(
  dependencies: Readonly<Record<string, Dependency>> = {},
  { bodyLimitBytes = 10_000, clientTimeoutMs = 120_000 } = {},
): TestServer {
  const lines: string[] = [];
  const log = createLogger("trace", { write: (line) => void lines.push(line) });
  const telemetry = new Telemetry();
  return { app: createServer({ log, telemetry, dependencies, bodyLimitBytes, clientTimeoutMs }), telemetry, lines };
}
