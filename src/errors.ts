/**
 * The closed catalogue of what a client can be told. Each error has a public message, written for the client, and may
 * have a cause, which is logged and never leaves the process. Whatever is not one of these becomes INTERNAL.
 */
export const ERROR_CATALOGUE = {
  UNAUTHENTICATED: {
    status: 401,
    meaning: "No key, an unknown, expired or revoked one.",
    remedy: "Send a key that is in force: Authorization: Bearer <key>.",
  },
  FORBIDDEN: {
    status: 403,
    meaning: "The key lacks the scope that a field needs.",
    remedy: "Ask with a key that has the scope; the field's description names it.",
  },
  BAD_INPUT: {
    status: 400,
    meaning: "An argument that its type allows and its meaning does not.",
    remedy: "Mend what the message and `field` name. The same call fails again.",
  },
  BAD_CURSOR: {
    status: 400,
    meaning: "A cursor that is not from this list, filter, order and tenant.",
    remedy: "Begin the list again without the cursor, or with the filter and order that it came from.",
  },
  PERSISTED_QUERY_NOT_FOUND: {
    status: 200,
    meaning: "A document that was asked for by its hash or id alone is not known.",
    remedy:
      "Send the document with its hash; clients with persisted queries do so by themselves. Where only registered ones are taken: have it registered.",
  },
  DOCUMENT_NOT_TRUSTED: {
    status: 403,
    meaning: "A document of the caller's own, where only registered ones are taken.",
    remedy: "Ask for a registered document by its `documentId`; whoever runs the server registers them.",
  },
  NOT_FOUND: {
    status: 404,
    meaning: "No such object, or another tenant's: the two are not told apart.",
    remedy: "Check the id. The same call fails again until there is such an object.",
  },
  CONFLICT: {
    status: 409,
    meaning: "It contradicts what is stored already.",
    remedy: "Read what is there, then decide.",
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 409,
    meaning: "The idempotency key was used with other content.",
    remedy: "Take a new key for new content; for the old answer, send the old content.",
  },
  TOO_LARGE: {
    status: 413,
    meaning: "More events or bytes than one call, or more characters than its answer, may hold.",
    remedy: "Split the call; for a shorter answer ask for smaller pages or fewer fields.",
  },
  QUERY_TOO_COSTLY: {
    status: 400,
    meaning: "The operation's price, `requested`, is above the `maximum` of one operation; nothing of it ran.",
    remedy: "Ask for smaller pages, shorter ranges or fewer fields. The same call fails again.",
  },
  THROTTLED: {
    status: 429,
    meaning: "The key's or user's budget does not hold the operation's price right now; nothing of it ran.",
    remedy: "Send the same call again after `retryAfter` seconds.",
  },
  OVERLOADED: {
    status: 503,
    meaning: "Try again after retryAfter seconds; nothing was recorded.",
    remedy: "Send the same call again after `retryAfter` seconds.",
  },
  UNAVAILABLE: {
    status: 503,
    meaning: "A part that this answer needs is away; try again.",
    remedy: "Send the same call again after `retryAfter` seconds. Events count once, however often they are sent.",
  },
  INTERNAL: {
    status: 500,
    meaning: "Our fault. The request id finds it in the logs.",
    remedy: "Try once more; then tell us the request id.",
  },
} as const satisfies Record<string, { status: number; meaning: string; remedy: string }>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** The table of docs/errors.md, in Markdown. */
export function errorTable(): string {
  const rows = Object.entries(ERROR_CATALOGUE).map(
    ([code, { status, meaning, remedy }]) => `| \`${code}\` | ${status} | ${meaning} | ${remedy} |`,
  );
  return ["| Code | Status | Meaning | What to do |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

interface PublicErrorOptions {
  readonly cause?: unknown;
  /** The argument at fault, as a path: ["input", "events"]. */
  readonly field?: readonly string[];
  readonly retryAfterSeconds?: number;
  /** The price that is too high, and the highest that is not. */
  readonly cost?: { readonly requested: number; readonly maximum: number };
}

/** An error whose message may be shown to the client. */
export class PublicError extends Error {
  override readonly name = "PublicError";
  readonly code: ErrorCode;
  readonly field: readonly string[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly cost: PublicErrorOptions["cost"];

  constructor(code: ErrorCode, message: string, options: PublicErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.cost = options.cost;
  }
}

/** The text of anything thrown, for logs and terminals. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
