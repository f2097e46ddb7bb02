import type { Config } from "./config.js";
import { Pool } from "./database/pool.js";
import type { Logger } from "./observability/logger.js";
import type { Telemetry } from "./observability/telemetry.js";

export interface DatabaseUrls {
  readonly events: string;
  readonly metrics: string;
}

export interface Pools {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
  stop(): Promise<void>;
}

/** The server ends a request's statement after its own limit: whoever hears nothing this long after it hears nothing ever. */
const ANSWER_MARGIN_MS = 5_000;

/** The connections of one process. `purpose` tells its pools apart in the metrics. */
export function openPools(
  urls: DatabaseUrls,
  config: Config,
  purpose: string,
  { log, telemetry }: { readonly log: Logger; readonly telemetry: Telemetry },
): Pools {
  const { poolSize: maxConnections, waitTimeoutMs, statementTimeoutMs, preparedStatements } = config.databases;
  const shared = {
    maxConnections,
    waitTimeoutMs,
    requestStatementTimeoutMs: statementTimeoutMs,
    ...answerTimeout(config, purpose),
    preparedStatements,
    log,
    onStatement: (name: string, seconds: number, failed: boolean) => telemetry.statement(name, seconds, failed),
  };
  const events = new Pool({ database: "events", url: urls.events, ...shared });
  const metrics = new Pool({ database: "metrics", url: urls.metrics, ...shared });
  telemetry.watchPool(`${purpose} events`, () => events.usage);
  telemetry.watchPool(`${purpose} metrics`, () => metrics.usage);
  return {
    events,
    metrics,
    stop: async () => void (await Promise.all([events.stop(), metrics.stop()])),
  };
}

/** Commands wait as long as it takes: a recount is one statement, and somebody watches it. */
function answerTimeout({ databases }: Config, purpose: string): { readonly answerTimeoutMs?: number } {
  if (purpose === "command") return {};
  if (purpose !== "serve") return { answerTimeoutMs: databases.answerTimeoutMs };
  return { answerTimeoutMs: databases.statementTimeoutMs + ANSWER_MARGIN_MS };
}
