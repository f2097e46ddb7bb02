/** The composition root of serving: HTTP, GraphQL and GraphiQL over the two databases and the cache. */
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Authenticator } from "./access/authenticator.js";
import { Budgets } from "./access/budgets/budgets.js";
import { KeyTallies } from "./access/key-tallies.js";
import { createSignIn } from "./access/sign-in.js";
import type { TokenAuthenticator, TokenAuthenticatorOptions } from "./access/token-authenticator.js";
import { KeyUse } from "./access/key-use.js";
import { AnswerCache } from "./cache/answer-cache.js";
import { Cache } from "./cache/cache.js";
import type { RedisLayer } from "./cache/redis-layer.js";
import type { Config } from "./config.js";
import { createIntake } from "./create-intake.js";
import { answers as databaseAnswers } from "./tenancy/answers.js";
import { DocumentDirectory } from "./documents/document-directory.js";
import { outliveAbandonedFields } from "./graphql/abandoned-fields.js";
import { createApolloServer } from "./graphql/apollo-server.js";
import { RequestContext } from "./graphql/context.js";
import { documentLimitsOf } from "./graphql/document-faults.js";
import { DocumentGate } from "./graphql/document-gate.js";
import { buildPublicSchema, schemaFingerprint } from "./graphql/schema.js";
import type { PublicLimits, Services } from "./graphql/tenant-access.js";
import { PersistedQueries } from "./graphql/persisted-queries.js";
import { WholeAnswers } from "./graphql/whole-answers.js";
import { registerGraphiql } from "./http/graphiql.js";
import { registerGraphql } from "./http/graphql-route.js";
import { listen } from "./http/listen.js";
import { announceStop, createServer, stopServer } from "./http/server.js";
import { DepthReadings } from "./ingest/depth-readings.js";
import { openPools } from "./open-pools.js";
import { BucketCuts } from "./metrics/bucket-cut.js";
import { FreshnessReadings } from "./metrics/freshness-readings.js";
import { Cursors } from "./pages/cursors.js";
import { type Running, type Runtime, systemClock } from "./runtime.js";
import { RequestSlots } from "./tenancy/request-slots.js";
import { TenantStates } from "./tenancy/tenant-states.js";

export interface Serving extends Running {
  /** Where it is served, such as http://127.0.0.1:4000. */
  readonly url: string;
}

/** Of each pool, for what is short: keys, versions and writes. A pool has three at least. */
const CONNECTIONS_BESIDE_REQUESTS = 2;

/** `onAccepted`: told when events became durable, for a worker in the same process. */
export async function serve(runtime: Runtime, onAccepted?: () => void): Promise<Serving> {
  const { config, log, telemetry, secret } = runtime;
  const pools = openPools(runtime.urls, config, "serve", runtime);
  const { events, metrics } = pools;
  const now = systemClock;
  const redis = await openRedis(runtime);
  const tenantStates = new TenantStates({ pool: metrics });
  const keyUse = new KeyUse({ metrics, now, log });
  const keyTallies = new KeyTallies({ metrics, now, log });
  const { budget } = config.cost;
  const budgets = budget === null ? null : new Budgets({ budget, redis });
  const onFailure = (reason: string): void => telemetry.authenticationFailure(reason);
  const signIn = createSignIn({
    keys: new Authenticator({ metrics, now, log, keyUse, keyTallies, onFailure }),
    tokens: await openTokens(runtime, { metrics, now, onFailure }),
  });
  const { intake, inbox, campaigns, recipientKeys } = createIntake(runtime, pools, {
    onAccepted,
    // Whoever changed a campaign sees it in the next answer, and not once the reading of the version has grown old.
    onCampaignChanged: (tenantId) => tenantStates.forget(tenantId),
  });
  const services: Services = {
    events,
    metrics,
    cache: new Cache({
      redis,
      ttlSeconds: config.cache.ttlSeconds,
      maxBytes: config.cache.memoryBytes / 2,
      onHit: (layer) => telemetry.cache(layer),
    }),
    tenantStates,
    requestSlots: new RequestSlots({
      slots: config.databases.poolSize - CONNECTIONS_BESIDE_REQUESTS,
      waitTimeoutMs: config.databases.waitTimeoutMs,
    }),
    freshness: new FreshnessReadings(),
    cursors: new Cursors(secret),
    intake,
    recipientKeys,
    campaigns,
    keyTallies,
    budgets,
    maxQueryCost: config.cost.maxQueryCost,
    onCost: (points) => telemetry.cost(points),
    onUnpaid: (code) => telemetry.unpaidCall(code),
    limits: publicLimits(config),
    maxFilterTags: config.limits.maxFilterTags,
    maxSeriesPoints: config.limits.maxSeriesPoints,
    bucketCuts: new BucketCuts(config.limits.maxSeriesPoints),
    maxKeyOverlapSeconds: config.limits.maxKeyOverlapSeconds,
    now,
  };

  const schema = buildPublicSchema();
  const persistedQueries = new PersistedQueries(redis);
  const gate = new DocumentGate({
    directory: new DocumentDirectory({ metrics }),
    persistedQueries,
    lock: config.http.trustedDocuments,
    maxLines: config.http.maxQueryTokens,
  });
  const keepsNothing = redis === null && config.cache.memoryBytes === 0;
  const answers = new WholeAnswers({
    cache: new AnswerCache({
      redis,
      maxBytes: config.cache.memoryBytes / 2,
      onHit: (layer) => telemetry.wholeAnswer(layer),
    }),
    release: schemaFingerprint(schema),
    isLocked: (principal) => gate.isLocked(principal),
  });
  const apollo = createApolloServer({
    schema,
    persistedQueries,
    log,
    telemetry,
    limits: documentLimitsOf(config.http),
    maxAnswerChars: config.http.maxAnswerChars,
  });
  await apollo.start();
  const depths = new DepthReadings({ events, now, log });
  telemetry.watchInbox(() => depths.read());
  const app = createServer({
    log,
    telemetry,
    bodyLimitBytes: config.http.maxCallBytes,
    clientTimeoutMs: config.http.clientTimeoutMs,
    dependencies: {
      events: { isRequired: true, answers: () => databaseAnswers(events) },
      // Without it events are still accepted, and without Redis everything works: no server is better off than another.
      metrics: { isRequired: false, answers: () => databaseAnswers(metrics) },
      ...(redis !== null && { redis: { isRequired: false, answers: () => redis.ping() } }),
    },
  });
  registerGraphql(app, {
    server: apollo,
    maxUnsentBytes: config.http.maxUnsentBytes,
    async contextOf(request) {
      // Without a key the schema can be read, and nothing else: every other field asks who it is.
      const { authorization } = request.headers;
      const principal = authorization === undefined ? null : await signIn(authorization);
      return new RequestContext(request.id, services, principal);
    },
    ...(!keepsNothing && { answers }),
    prepare: (context, call) => gate.pass(context, call),
    tell: (context) => context.tellCost(),
    corsOrigins: config.http.corsOrigins,
    release: (context) => context.end(),
  });
  await registerGraphiql(app, { assetsDir: path.join(import.meta.dirname, "graphiql") });
  const endOutliving = outliveAbandonedFields(log);
  const stop = async (): Promise<void> => {
    if (app.server.listening) {
      // Until a load balancer has asked `/readyz`, it sends new connections, which a server that stops would refuse.
      announceStop(app);
      await pause(config.shutdownDelayMs);
    }
    await stopServer(app, config.shutdownTimeoutMs);
    endOutliving();
    await apollo.stop();
    await inbox.stop();
    await Promise.all([keyUse.stop(), keyTallies.stop(), budgets?.stop()]);
    await redis?.stop();
    await pools.stop();
  };
  try {
    return { url: await listen(app, { ...config.http, variables: "HOST and PORT" }), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

// What needs a package that nothing else does is loaded where it is configured: less to start, and a megabyte each.

async function openRedis({ config, log }: Runtime): Promise<RedisLayer | null> {
  const { redisUrl: url } = config.cache;
  if (url === null) return null;
  const { RedisLayer } = await import("./cache/redis-layer.js");
  return new RedisLayer({ url, log });
}

async function openTokens(
  { config, log }: Runtime,
  others: Pick<TokenAuthenticatorOptions, "metrics" | "now" | "onFailure">,
): Promise<TokenAuthenticator | null> {
  const { auth: settings } = config;
  if (settings === null) return null;
  const { TokenAuthenticator } = await import("./access/token-authenticator.js");
  return new TokenAuthenticator({ settings, log, ...others });
}

function publicLimits({ http, limits, databases }: Config): PublicLimits {
  return {
    maxEventsPerCall: limits.maxEventsPerCall,
    maxCallBytes: http.maxCallBytes,
    maxTokens: http.maxQueryTokens,
    maxDepth: http.maxQueryDepth,
    maxNestedPages: http.maxQueryNestedPages,
    maxAliases: http.maxQueryAliases,
    maxDirectives: http.maxQueryDirectives,
    maxAnswerChars: http.maxAnswerChars,
    statementTimeoutMs: databases.statementTimeoutMs,
    eventRetentionDays: limits.eventRetentionDays,
  };
}
