/** The only module that reads the environment. A blank variable is one that is not set. */
import { z } from "zod";
import { CONFIG_VARIABLES, type DocumentLock, type VariableName } from "./config-variables.js";

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** The origins of other sites whose pages may ask. */
  readonly corsOrigins: readonly string[];
  readonly trustedDocuments: DocumentLock;
  readonly maxCallBytes: number;
  readonly clientTimeoutMs: number;
  /** Of the answers that clients have not taken yet. */
  readonly maxUnsentBytes: number;
  readonly maxQueryTokens: number;
  readonly maxQueryDepth: number;
  readonly maxQueryNestedPages: number;
  readonly maxQueryAliases: number;
  readonly maxQueryDirectives: number;
  readonly maxAnswerChars: number;
}

export interface DatabasesConfig {
  /** Null: the embedded server's. */
  readonly urls: { readonly events: string; readonly metrics: string } | null;
  /** Connections to each database. */
  readonly poolSize: number;
  readonly waitTimeoutMs: number;
  /** Of events that wait for the inserts before them. */
  readonly insertQueueChars: number;
  readonly statementTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly preparedStatements: boolean;
}

export interface LimitsConfig {
  readonly maxEventsPerCall: number;
  readonly maxAddressChars: number;
  readonly maxMetadataBytes: number;
  readonly maxUrlChars: number;
  readonly maxTextChars: number;
  readonly maxFutureMinutes: number;
  /** Null: events are kept. */
  readonly eventRetentionDays: number | null;
  readonly maxLinksPerCampaign: number;
  readonly maxFilterTags: number;
  readonly maxSeriesPoints: number;
  readonly maxKeyOverlapSeconds: number;
}

/** In points: see docs/cost.md. */
export interface CostConfig {
  /** Of one operation; null: no limit. */
  readonly maxQueryCost: number | null;
  /** Of each key and user; null: nobody is throttled. */
  readonly budget: { readonly maximum: number; readonly restoreRate: number } | null;
}

/** What may wait in the inbox, in each lane: of one tenant, and of all together. */
export interface WaitingConfig {
  readonly tenant: { readonly events: number; readonly seconds: number };
  readonly all: { readonly events: number; readonly seconds: number };
}

export interface WorkerConfig {
  /** Where `work` answers probes; null: nowhere. */
  readonly port: number | null;
  readonly concurrency: number;
  readonly batchEvents: number;
  readonly pollMs: number;
  readonly maxAttempts: number;
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
}

export interface CacheConfig {
  /** Null: each process has its own cache alone. */
  readonly redisUrl: string | null;
  readonly memoryBytes: number;
  /** While a range includes now, after it ended a short while ago, and later. */
  readonly ttlSeconds: { readonly OPEN: number; readonly RECENT: number; readonly CLOSED: number };
}

export interface Config {
  readonly dataDir: string;
  /** Null where none is set: see loadSecret. */
  readonly secret: string | null;
  /** Null where none is set: each command has its own. */
  readonly logLevel: string | null;
  readonly shutdownTimeoutMs: number;
  /** Of servers, before that. */
  readonly shutdownDelayMs: number;
  readonly http: HttpConfig;
  /** Null: only API keys are let in. */
  readonly auth: AuthConfig | null;
  readonly databases: DatabasesConfig;
  /** False: recipients are known by their keys alone. */
  readonly storeAddresses: boolean;
  readonly limits: LimitsConfig;
  readonly cost: CostConfig;
  readonly waiting: WaitingConfig;
  readonly worker: WorkerConfig;
  readonly cache: CacheConfig;
  /** What looks wrong and may be right, for the log. */
  readonly warnings: readonly string[];
}

/** What tokens must be to be let in; the claims are names of them. */
export interface AuthConfig {
  readonly issuer: string;
  readonly audience: string;
  /** Null: where the issuer's OpenID configuration says. */
  readonly jwksUrl: string | null;
  readonly tenantClaim: string;
  readonly scopesClaim: string;
  readonly clockSkewSeconds: number;
}

/** What is wrong with the configuration, all of it: each fault names its variable and never repeats a secret. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The configuration cannot be used:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
    this.faults = faults;
  }
}

type Shape = { [Name in VariableName]: (typeof CONFIG_VARIABLES)[Name]["schema"] };
type Values = z.output<z.ZodObject<Shape>>;
type Texts = Partial<Record<VariableName, string>>;

const NAMES = Object.keys(CONFIG_VARIABLES) as VariableName[];
const environment = z.object(
  Object.fromEntries(NAMES.map((name) => [name, CONFIG_VARIABLES[name].schema])) as unknown as Shape,
);

/** Throws ConfigError. What comes back is frozen throughout. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const texts = readTexts(env);
  const parsed = environment.safeParse(texts);
  const faults = [...faultsOf(texts, parsed.error?.issues ?? []), ...contradictions(texts)];
  if (parsed.success)
    faults.push(...marksOutOfOrder(parsed.data), ...tooFewConnections(parsed.data), ...neverPaid(parsed.data));
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults);
  return deepFreeze(arrange(parsed.data, strangers(env)));
}

function readTexts(env: NodeJS.ProcessEnv): Texts {
  const texts: Texts = {};
  for (const name of NAMES) {
    const text = env[name]?.trim();
    if (text !== undefined && text !== "") texts[name] = text;
  }
  return texts;
}

function faultsOf(texts: Texts, issues: readonly z.core.$ZodIssue[]): string[] {
  const expected = new Map(issues.map((issue) => [issue.path[0] as VariableName, issue.message]));
  return NAMES.filter((name) => expected.has(name)).map((name) => {
    const given = CONFIG_VARIABLES[name].isSecret ? "" : `, not ${JSON.stringify(texts[name])}`;
    return `${name} must be ${expected.get(name)}${given}`;
  });
}

/** What is wrong between variables, told beside what is wrong with each. */
function contradictions(texts: Texts): string[] {
  const { EVENTS_DATABASE_URL: events, METRICS_DATABASE_URL: metrics } = texts;
  const faults: string[] = [];
  const lacking = events === undefined ? "EVENTS_DATABASE_URL" : "METRICS_DATABASE_URL";
  if ((events === undefined) !== (metrics === undefined)) {
    faults.push(`${lacking} must be set too: set both databases, or neither for the embedded ones`);
  }
  if (events !== undefined && metrics !== undefined && isOneDatabase(events, metrics)) {
    faults.push("EVENTS_DATABASE_URL and METRICS_DATABASE_URL must be two databases, on one server or on two");
  }
  const auth = { AUTH_ISSUER: texts.AUTH_ISSUER, AUTH_AUDIENCE: texts.AUTH_AUDIENCE };
  if ([...Object.values(auth), texts.AUTH_JWKS_URL].some((text) => text !== undefined)) {
    for (const [name, text] of Object.entries(auth)) {
      if (text === undefined)
        faults.push(`${name} must be set too: tokens are taken of one issuer and for one audience`);
    }
  }
  return faults;
}

/** With a mark of its own that is no lower, one tenant's flood would refuse everybody's calls. */
function marksOutOfOrder(values: Values): string[] {
  return (["MAX_WAITING_EVENTS", "MAX_WAITING_SECONDS"] as const).flatMap((all) => {
    const own = `${all}_PER_TENANT` as const;
    if (values[own] < values[all]) return [];
    return [`${own} must be less than ${all}, which is ${values[all]}, not ${values[own]}`];
  });
}

/** A worker's loop holds a connection and may need a second, for a partition; rebuild and verify need three at a time. */
function tooFewConnections({ DATABASE_POOL_SIZE: size, WORKER_CONCURRENCY: loops }: Values): string[] {
  const least = Math.max(loops + 1, 3);
  if (size >= least) return [];
  return [`DATABASE_POOL_SIZE must be ${least} or more where WORKER_CONCURRENCY is ${loops}, not ${size}`];
}

/** What no budget can ever hold would be refused whatever the limit says. */
function neverPaid({ MAX_QUERY_COST: max, COST_BUDGET: budget }: Values): string[] {
  if (budget === 0 || max <= budget) return [];
  return [`MAX_QUERY_COST must be at most COST_BUDGET, which is ${budget}, not ${max}`];
}

/** Of what is no URL of a database nothing can be said. */
function isOneDatabase(events: string, metrics: string): boolean {
  const areDatabases =
    CONFIG_VARIABLES.EVENTS_DATABASE_URL.schema.safeParse(events).success &&
    CONFIG_VARIABLES.METRICS_DATABASE_URL.schema.safeParse(metrics).success;
  return areDatabases && databaseOf(events) === databaseOf(metrics);
}

function databaseOf(text: string): string {
  const url = new URL(text);
  // Without a host the socket's folder is among the parameters.
  return [url.hostname, url.port === "" ? "5432" : url.port, url.pathname, url.searchParams.get("host") ?? ""].join(
    " ",
  );
}

/** Warnings alone: Kubernetes sets variables of this form for a service that is called mailtally. */
function strangers(env: NodeJS.ProcessEnv): string[] {
  const known: readonly string[] = NAMES;
  return Object.keys(env)
    .filter((name) => name.startsWith("MAILTALLY_") && !known.includes(name))
    .toSorted()
    .map((name) => `${name} is not a variable of this program`);
}

function arrange(values: Values, warnings: readonly string[]): Config {
  const { EVENTS_DATABASE_URL: events, METRICS_DATABASE_URL: metrics } = values;
  return {
    dataDir: values.DATA_DIR,
    secret: values.MAILTALLY_SECRET,
    logLevel: values.LOG_LEVEL,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_MS,
    shutdownDelayMs: values.SHUTDOWN_DELAY_MS,
    http: {
      host: values.HOST,
      port: values.PORT,
      corsOrigins: values.CORS_ORIGINS ?? [],
      trustedDocuments: values.TRUSTED_DOCUMENTS,
      maxCallBytes: values.MAX_CALL_BYTES,
      clientTimeoutMs: values.CLIENT_TIMEOUT_MS,
      maxUnsentBytes: values.MAX_UNSENT_ANSWER_MB * 1_000_000,
      maxQueryTokens: values.MAX_QUERY_TOKENS,
      maxQueryDepth: values.MAX_QUERY_DEPTH,
      maxQueryNestedPages: values.MAX_QUERY_NESTED_PAGES,
      maxQueryAliases: values.MAX_QUERY_ALIASES,
      maxQueryDirectives: values.MAX_QUERY_DIRECTIVES,
      maxAnswerChars: values.MAX_ANSWER_CHARS,
    },
    auth: authOf(values),
    databases: {
      urls: events === null || metrics === null ? null : { events, metrics },
      poolSize: values.DATABASE_POOL_SIZE,
      waitTimeoutMs: values.DATABASE_WAIT_TIMEOUT_MS,
      insertQueueChars: values.INSERT_QUEUE_MB * 1_000_000,
      statementTimeoutMs: values.STATEMENT_TIMEOUT_MS,
      answerTimeoutMs: values.DATABASE_ANSWER_TIMEOUT_MS,
      preparedStatements: values.PREPARED_STATEMENTS,
    },
    storeAddresses: values.STORE_ADDRESSES,
    limits: {
      maxEventsPerCall: values.MAX_EVENTS_PER_CALL,
      maxAddressChars: values.MAX_ADDRESS_CHARS,
      maxMetadataBytes: values.MAX_METADATA_BYTES,
      maxUrlChars: values.MAX_URL_CHARS,
      maxTextChars: values.MAX_TEXT_CHARS,
      maxFutureMinutes: values.MAX_FUTURE_MINUTES,
      eventRetentionDays: values.EVENT_RETENTION_DAYS,
      maxLinksPerCampaign: values.MAX_LINKS_PER_CAMPAIGN,
      maxFilterTags: values.MAX_FILTER_TAGS,
      maxSeriesPoints: values.MAX_SERIES_POINTS,
      maxKeyOverlapSeconds: values.MAX_KEY_OVERLAP_SECONDS,
    },
    cost: {
      maxQueryCost: values.MAX_QUERY_COST === 0 ? null : values.MAX_QUERY_COST,
      budget:
        values.COST_BUDGET === 0 ? null : { maximum: values.COST_BUDGET, restoreRate: values.COST_RESTORE_PER_SECOND },
    },
    waiting: {
      tenant: { events: values.MAX_WAITING_EVENTS_PER_TENANT, seconds: values.MAX_WAITING_SECONDS_PER_TENANT },
      all: { events: values.MAX_WAITING_EVENTS, seconds: values.MAX_WAITING_SECONDS },
    },
    worker: {
      port: values.WORKER_PORT,
      concurrency: values.WORKER_CONCURRENCY,
      batchEvents: values.WORKER_BATCH_EVENTS,
      pollMs: values.WORKER_POLL_MS,
      maxAttempts: values.WORKER_MAX_ATTEMPTS,
      retryFirstMs: values.WORKER_RETRY_FIRST_MS,
      retryMaxMs: values.WORKER_RETRY_MAX_MS,
    },
    cache: {
      redisUrl: values.REDIS_URL,
      memoryBytes: values.CACHE_MEMORY_MB * 1_000_000,
      ttlSeconds: {
        OPEN: values.CACHE_NOW_TTL_SECONDS,
        RECENT: values.CACHE_RECENT_TTL_SECONDS,
        CLOSED: values.CACHE_CLOSED_TTL_SECONDS,
      },
    },
    warnings,
  };
}

function authOf(values: Values): AuthConfig | null {
  const { AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience } = values;
  if (issuer === null || audience === null) return null;
  return {
    issuer,
    audience,
    jwksUrl: values.AUTH_JWKS_URL,
    tenantClaim: values.AUTH_TENANT_CLAIM,
    scopesClaim: values.AUTH_SCOPES_CLAIM,
    clockSkewSeconds: values.AUTH_CLOCK_SKEW_SECONDS,
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
