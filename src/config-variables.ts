/** Every environment variable that the program reads: what it is called, means, and is where it is not set. */
import { z } from "zod";

interface Variable<Schema extends z.ZodType> {
  /** As one would write it; null where nothing is the default. */
  readonly default: string | null;
  readonly meaning: string;
  readonly schema: Schema;
  /** Its value is never repeated in an error. */
  readonly isSecret: boolean;
}

function setting<T>(standard: string, meaning: string, schema: z.ZodType<T, string>): Variable<z.ZodType<T, unknown>> {
  return { default: standard, meaning, schema: z.prefault(schema, standard), isSecret: false };
}

function optional<T>(
  meaning: string,
  schema: z.ZodType<T, string>,
  { isSecret = false } = {},
): Variable<z.ZodType<T | null, unknown>> {
  return { default: null, meaning, schema: z.prefault(z.nullable(schema), null), isSecret };
}

function wholeNumber(min: number, max: number): z.ZodType<number, string> {
  const error = `a whole number from ${min} to ${max}`;
  return z.string().regex(/^\d+$/, error).transform(Number).pipe(z.number().min(min, error).max(max, error));
}

function isUrl(text: string, protocols: readonly string[]): boolean {
  return URL.canParse(text) && protocols.includes(new URL(text).protocol);
}

const isDatabaseUrl = (text: string): boolean =>
  isUrl(text, ["postgres:", "postgresql:"]) && new URL(text).pathname.length > 1;
const DATABASE_URL = "a URL like postgresql://user:password@host:5432/database";
const SSL_MODES: readonly string[] = ["disable", "no-verify", "prefer", "require", "verify-ca", "verify-full"];
/** pg takes any other word for TLS, which whoever misspelt `disable` or `no-verify` would look for in vain. */
const hasKnownSslMode = (text: string): boolean =>
  new URL(text).searchParams.getAll("sslmode").every((mode) => SSL_MODES.includes(mode));
const databaseUrl = z
  .string()
  .refine(isDatabaseUrl, { error: DATABASE_URL, abort: true })
  .refine(hasKnownSslMode, `a URL whose sslmode is one of ${SSL_MODES.join(", ")}`);
const redisUrl = z
  .string()
  .refine((text) => isUrl(text, ["redis:", "rediss:"]), "a URL like redis://host:6379, or rediss:// for TLS");
const LOCAL_HOSTS: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Whether what comes from there is its owner's word: over TLS, or from this machine. */
export function isTrustworthyUrl(text: string): boolean {
  return isUrl(text, ["https:"]) || (isUrl(text, ["http:"]) && LOCAL_HOSTS.has(new URL(text).hostname));
}

const trustworthyUrl = z
  .string()
  .refine(isTrustworthyUrl, "a URL like https://login.example.org/ (http:// on this machine alone)");
const isWebOrigin = (text: string): boolean => isUrl(text, ["https:", "http:"]) && new URL(text).origin === text;
const webOrigins = z
  .string()
  .transform((text) => text.split(",").map((origin) => origin.trim()))
  .refine((origins) => origins.every(isWebOrigin), "origins like https://app.example.org, with commas between them");
const claimText = z.string().max(255, "a text of at most 255 characters");
/** Whose documents have to be registered ones: nobody's, those of callers with a token, everybody's. */
const DOCUMENT_LOCKS = ["off", "tokens", "all"] as const;
export type DocumentLock = (typeof DOCUMENT_LOCKS)[number];
const documentLock = z.enum(DOCUMENT_LOCKS, `one of ${DOCUMENT_LOCKS.join(", ")}`);
const onOrOff = z.enum(["on", "off"], "on or off").transform((value) => value === "on");
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
const logLevel = z.enum(LOG_LEVELS, `one of ${LOG_LEVELS.join(", ")}`);
const host = z.string().regex(/^[0-9A-Za-z.:_-]+$/, "a host name or an address");
const path = z.string().refine((text) => !text.includes("\0"), "a path");

/** Shorter ones can be guessed from one cursor. */
export const MIN_SECRET_CHARS = 32;
const secret = z.string().min(MIN_SECRET_CHARS, `at least ${MIN_SECRET_CHARS} characters`);

const YEAR_DAYS = 36_500;
const HOUR_MS = 3_600_000;

export const CONFIG_VARIABLES = {
  PORT: setting("4000", "Where HTTP is served; 0 takes any free port.", wholeNumber(0, 65_535)),
  HOST: setting("127.0.0.1", "The address it is served on. In a container: 0.0.0.0.", host),
  DATA_DIR: setting(".mailtally", "Holds the embedded PostgreSQL, and the secret where none is set.", path),
  EVENTS_DATABASE_URL: optional(
    "PostgreSQL for the event log. Set both databases or neither; without them an embedded server starts.",
    databaseUrl,
    { isSecret: true },
  ),
  METRICS_DATABASE_URL: optional("PostgreSQL for the metrics, keys and campaigns: another database.", databaseUrl, {
    isSecret: true,
  }),
  REDIS_URL: optional("A Redis that all servers share as a cache. Without it each has its own alone.", redisUrl, {
    isSecret: true,
  }),
  MAILTALLY_SECRET: optional(
    `Signs cursors and keys the recipients' hashes: at least ${MIN_SECRET_CHARS} characters, the same on every server, kept for good. Without it one is made and kept in DATA_DIR.`,
    secret,
    { isSecret: true },
  ),
  AUTH_ISSUER: optional(
    "Who signs the tokens that users sign in with, exactly as their `iss`: https://…. Without it only API keys are taken.",
    trustworthyUrl,
  ),
  AUTH_AUDIENCE: optional("What tokens must name in their `aud`. Needed with AUTH_ISSUER.", claimText),
  AUTH_JWKS_URL: optional(
    "Where the issuer publishes its keys. Without it, where its /.well-known/openid-configuration says.",
    trustworthyUrl,
  ),
  AUTH_TENANT_CLAIM: setting("tenant", "The claim of a token with the tenant's slug or id.", claimText),
  AUTH_SCOPES_CLAIM: setting(
    "scope",
    "The claim with the scopes: a text with spaces between them, or an array.",
    claimText,
  ),
  AUTH_CLOCK_SKEW_SECONDS: setting("30", "How far the issuer's clock may be from the server's.", wholeNumber(0, 600)),
  CORS_ORIGINS: optional(
    "The origins whose pages may ask /graphql from a browser, with commas between them. Without it none but GraphiQL's own.",
    webOrigins,
  ),
  TRUSTED_DOCUMENTS: setting(
    "off",
    "Who may ask for registered documents alone (docs/dashboards.md): off: nobody; tokens: users who sign in with a token; all: everybody.",
    documentLock,
  ),
  LOG_LEVEL: optional(
    `How much is logged: ${LOG_LEVELS.join(", ")}. Without it info by serve and work, warn by npm start and commands.`,
    logLevel,
  ),
  SHUTDOWN_TIMEOUT_MS: setting(
    "10000",
    "How long requests and batches under way may take after a signal to stop.",
    wholeNumber(0, HOUR_MS),
  ),
  SHUTDOWN_DELAY_MS: setting(
    "0",
    "How long a server goes on taking connections after a signal to stop, while /readyz says 503.",
    wholeNumber(0, HOUR_MS),
  ),
  MAX_EVENTS_PER_CALL: setting("1000", "Events in one call.", wholeNumber(1, 100_000)),
  MAX_CALL_BYTES: setting("5000000", "Bytes in one call.", wholeNumber(1_000, 100_000_000)),
  CLIENT_TIMEOUT_MS: setting(
    "120000",
    "How long a client may take to send a call, or to take nothing of its answer. More than a statement may take.",
    wholeNumber(1_000, HOUR_MS),
  ),
  MAX_UNSENT_ANSWER_MB: setting(
    "256",
    "Large answers (above 256 kB) that clients have not taken yet, per process; past it such answers are UNAVAILABLE.",
    wholeNumber(1, 100_000),
  ),
  MAX_ADDRESS_CHARS: setting("320", "Characters of a recipient's address.", wholeNumber(1, 2_000)),
  MAX_METADATA_BYTES: setting("8192", "Bytes of an event's metadata, as JSON.", wholeNumber(2, 1_000_000)),
  MAX_URL_CHARS: setting("8192", "Characters of a link.", wholeNumber(1, 100_000)),
  MAX_TEXT_CHARS: setting("1024", "Characters of an event's other texts.", wholeNumber(1, 100_000)),
  MAX_FUTURE_MINUTES: setting("10", "How far ahead of the server's clock an event may lie.", wholeNumber(0, 1_440)),
  STORE_ADDRESSES: setting(
    "on",
    "off: addresses are stored nowhere, recipients are known by their keys alone. Set the same for serve, work and import.",
    onOrOff,
  ),
  EVENT_RETENTION_DAYS: optional(
    "Events older than this are refused and dropped; their counts stay. Without it they are kept.",
    wholeNumber(1, YEAR_DAYS),
  ),
  MAX_WAITING_EVENTS_PER_TENANT: setting(
    "1000000",
    "Accepted events of one tenant that may wait to be recorded; past it its calls are refused with OVERLOADED, and its imports wait. Live and imported events are counted apart.",
    wholeNumber(1, 1_000_000_000),
  ),
  MAX_WAITING_EVENTS: setting(
    "5000000",
    "The same for all tenants together; must be more than one tenant's.",
    wholeNumber(1, 1_000_000_000),
  ),
  MAX_WAITING_SECONDS_PER_TENANT: setting(
    "86400",
    "How long the oldest of a tenant's waiting events may have waited before its calls are refused.",
    wholeNumber(1, 31_536_000),
  ),
  MAX_WAITING_SECONDS: setting(
    "259200",
    "The same for all tenants together: past it everybody's calls are refused; must be more than one tenant's.",
    wholeNumber(1, 31_536_000),
  ),
  MAX_LINKS_PER_CAMPAIGN: setting(
    "1000",
    "Links counted by themselves; more are counted together.",
    wholeNumber(1, 100_000),
  ),
  MAX_FILTER_TAGS: setting("100", "Tags that one filter may name.", wholeNumber(1, 10_000)),
  MAX_SERIES_POINTS: setting("3000", "Points of one series.", wholeNumber(1, 100_000)),
  MAX_QUERY_TOKENS: setting("5000", "Tokens of one GraphQL document.", wholeNumber(100, 1_000_000)),
  MAX_QUERY_DEPTH: setting("20", "Levels of one GraphQL document.", wholeNumber(2, 100)),
  MAX_QUERY_NESTED_PAGES: setting(
    "2",
    "Pages in pages of one GraphQL document: campaigns, and the links of each, are 2.",
    wholeNumber(1, 20),
  ),
  MAX_QUERY_ALIASES: setting(
    "100",
    "Aliased and repeated fields of one GraphQL operation, those of a fragment each time it is spread.",
    wholeNumber(1, 100_000),
  ),
  MAX_QUERY_DIRECTIVES: setting(
    "50",
    "Directives of one GraphQL operation, counted likewise.",
    wholeNumber(1, 100_000),
  ),
  MAX_ANSWER_CHARS: setting(
    "16000000",
    "Characters of one GraphQL answer, about; past it the answer is TOO_LARGE.",
    wholeNumber(10_000, 80_000_000),
  ),
  MAX_QUERY_COST: setting(
    "20000",
    "Points that one GraphQL operation may cost, at most COST_BUDGET; 0: whatever it costs.",
    wholeNumber(0, 1_000_000_000),
  ),
  COST_BUDGET: setting(
    "100000",
    "Points that a key, or a user, may spend at once; past it calls are refused with THROTTLED. 0: nobody is throttled.",
    wholeNumber(0, 1_000_000_000),
  ),
  COST_RESTORE_PER_SECOND: setting("2000", "Points of it that come back each second.", wholeNumber(1, 1_000_000_000)),
  MAX_KEY_OVERLAP_SECONDS: setting(
    "604800",
    "How long a key's old secret may go on working after a rotation; 0: it never does.",
    wholeNumber(0, 31_536_000),
  ),
  DATABASE_POOL_SIZE: setting(
    "10",
    "Connections to each database, per process: 3 at least, and more than WORKER_CONCURRENCY.",
    wholeNumber(1, 1_000),
  ),
  DATABASE_WAIT_TIMEOUT_MS: setting(
    "5000",
    "How long a request waits for a connection, and a call of events for those before it.",
    wholeNumber(1, HOUR_MS),
  ),
  INSERT_QUEUE_MB: setting(
    "64",
    "Megabytes of events that wait in a process for the inserts before them; past it calls are refused.",
    wholeNumber(1, 10_000),
  ),
  STATEMENT_TIMEOUT_MS: setting(
    "10000",
    "How long a request's statement may run in the database.",
    wholeNumber(1, HOUR_MS),
  ),
  DATABASE_ANSWER_TIMEOUT_MS: setting(
    "300000",
    "After so long without an answer a worker gives a connection up; a server 5 s after STATEMENT_TIMEOUT_MS.",
    wholeNumber(1_000, 24 * HOUR_MS),
  ),
  PREPARED_STATEMENTS: setting("on", "off: behind a pooler that cannot keep prepared statements.", onOrOff),
  WORKER_CONCURRENCY: setting("2", "Batches that one worker applies at a time.", wholeNumber(1, 64)),
  WORKER_BATCH_EVENTS: setting("5000", "Events in a batch, at most.", wholeNumber(1, 100_000)),
  WORKER_PORT: optional(
    "Where `work` serves its own /healthz, /readyz and /metrics; without it it serves nothing.",
    wholeNumber(0, 65_535),
  ),
  WORKER_POLL_MS: setting("25", "How long an idle worker rests before it looks again.", wholeNumber(1, 60_000)),
  WORKER_MAX_ATTEMPTS: setting(
    "6",
    "How often an event that cannot be recorded is tried before it goes to the dead letters.",
    wholeNumber(1, 100),
  ),
  WORKER_RETRY_FIRST_MS: setting(
    "1000",
    "How long the second try waits after the first; each later one twice as long, with jitter.",
    wholeNumber(1, HOUR_MS),
  ),
  WORKER_RETRY_MAX_MS: setting("60000", "How long a try waits after the one before, at most.", wholeNumber(1, HOUR_MS)),
  CACHE_MEMORY_MB: setting(
    "32",
    "Megabytes of the cache in each process, half of them for whole answers; 0 keeps nothing.",
    wholeNumber(0, 100_000),
  ),
  CACHE_NOW_TTL_SECONDS: setting(
    "30",
    "How long an answer is kept at most while its range includes now.",
    wholeNumber(0, 86_400),
  ),
  CACHE_RECENT_TTL_SECONDS: setting("300", "The same, where its range ended lately.", wholeNumber(0, 86_400)),
  CACHE_CLOSED_TTL_SECONDS: setting("3600", "The same, where its range is long over.", wholeNumber(0, 604_800)),
} as const;

export type VariableName = keyof typeof CONFIG_VARIABLES;

/** The README's table of variables, in Markdown. */
export function configTable(): string {
  const rows = Object.entries(CONFIG_VARIABLES).map(([name, variable]) => {
    const standard = variable.default === null ? "" : `\`${variable.default}\``;
    return `| \`${name}\` | ${standard} | ${variable.meaning} |`;
  });
  return ["| Variable | Default | Meaning |", "| --- | --- | --- |", ...rows].join("\n");
}
