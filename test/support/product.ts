import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pino } from "pino";
import { createApiKey } from "../../src/access/api-keys.js";
import { type Scope, SCOPES } from "../../src/access/scope.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import { readConfig } from "../../src/config.js";
import type { TenantId } from "../../src/ids.js";
import { Telemetry } from "../../src/observability/telemetry.js";
import { openPools } from "../../src/open-pools.js";
import { secretKeyOf, systemClock, type Runtime } from "../../src/runtime.js";
import { serve } from "../../src/serve.js";
import { createTenant } from "../../src/tenancy/tenants.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { work } from "../../src/work.js";
import { createTestDatabases } from "./test-databases.js";
import { waitFor } from "./wait-for.js";

/** An answer of GraphQL over HTTP. */
export interface Answer<Data> {
  readonly status: number;
  readonly data: Data;
  readonly extensions?: { readonly cost: { readonly actual: number } };
  readonly errors?: readonly { message: string; path?: (string | number)[]; extensions: Record<string, unknown> }[];
}

interface ProductOptions {
  /** Environment variables beside the databases. */
  readonly env?: Readonly<Record<string, string>>;
  /** Without a worker events wait in the inbox. */
  readonly worker?: boolean;
  /** The ways to the databases, where they are not the direct ones. */
  readonly eventsUrl?: (directUrl: string) => Promise<string>;
  readonly metricsUrl?: (directUrl: string) => Promise<string>;
  /** Called with the name of every SQL statement that the server or worker runs. */
  readonly onStatement?: (name: string) => void;
}

class ObservedTelemetry extends Telemetry {
  readonly #onStatement: (name: string) => void;

  constructor(onStatement: (name: string) => void) {
    super();
    this.#onStatement = onStatement;
  }

  override statement(name: string, seconds: number, failed: boolean): void {
    this.#onStatement(name);
    super.statement(name, seconds, failed);
  }
}

/** The whole product in this process, over HTTP, on databases of its own. */
export async function startProduct(options: ProductOptions = {}) {
  const databases = await createTestDatabases();
  const dataDir = await mkdtemp(path.join(tmpdir(), "mailtally-product-"));
  const metricsUrl = (await options.metricsUrl?.(databases.metricsUrl)) ?? databases.metricsUrl;
  const eventsUrl = (await options.eventsUrl?.(databases.eventsUrl)) ?? databases.eventsUrl;
  const config = readConfig({
    PORT: "0",
    DATA_DIR: dataDir,
    EVENTS_DATABASE_URL: eventsUrl,
    METRICS_DATABASE_URL: metricsUrl,
    MAILTALLY_SECRET: "a secret of the tests, long enough for it",
    WORKER_POLL_MS: "5",
    WORKER_MAX_ATTEMPTS: "3",
    WORKER_RETRY_FIRST_MS: "5",
    ...options.env,
  });
  const log = pino({ level: process.env["TEST_LOG_LEVEL"] ?? "silent" });
  const runtime: Runtime = {
    config,
    urls: { events: eventsUrl, metrics: metricsUrl },
    secret: secretKeyOf(config.secret ?? ""),
    log,
    telemetry: new ObservedTelemetry(options.onStatement ?? (() => undefined)),
  };
  const working = options.worker === false ? null : work(runtime);
  const serving = await serve(runtime, () => working?.wake());
  const direct = { events: databases.eventsUrl, metrics: databases.metricsUrl };
  const pools = openPools(direct, config, "test", { log, telemetry: new Telemetry() });

  async function graphql<Data = Record<string, never>>(
    key: string | null,
    query: string,
    variables: Record<string, unknown> = {},
  ): Promise<Answer<Data>> {
    const response = await fetch(`${serving.url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        // In plain JSON a refused document is a 200.
        accept: "application/graphql-response+json",
        ...(key !== null && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    return { status: response.status, ...((await response.json()) as Omit<Answer<Data>, "status">) };
  }

  return {
    url: serving.url,
    runtime,
    databases,
    pools,
    graphql,
    async createTenant(timeZone = "UTC"): Promise<{ tenantId: TenantId; key: string }> {
      const slug = `t-${Math.random().toString(36).slice(2)}`;
      const { id } = await createTenant(pools.metrics, { slug, timeZone }, systemClock());
      return { tenantId: id, key: await this.createKey(id) };
    },
    async createKey(tenantId: TenantId, scopes: readonly Scope[] = SCOPES): Promise<string> {
      const { secret } = await writeAsTenant(pools.metrics, tenantId, (session) =>
        createApiKey(session, tenantId, { name: "Test", scopes, expiresAt: null }, OPERATOR, systemClock()),
      );
      return secret;
    },
    /** Resolves when everything that the key's tenant had accepted is in the numbers. */
    async settled(key: string): Promise<void> {
      const query = `{ kpis(range: { from: "2000-01-01T00:00:00Z", to: "2000-01-02T00:00:00Z" }) { freshness { pendingEvents } } }`;
      await waitFor(
        async () => {
          const { data } = await graphql<{ kpis: { freshness: { pendingEvents: number } } }>(key, query);
          return data.kpis.freshness.pendingEvents === 0;
        },
        { what: "all events to be rolled up", deadlineMs: 60_000 },
      );
    },
    async stop(): Promise<void> {
      await serving.stop();
      await working?.stop();
      await pools.stop();
      await databases.drop();
      await rm(dataDir, { recursive: true });
    },
  };
}

export type Product = Awaited<ReturnType<typeof startProduct>>;
