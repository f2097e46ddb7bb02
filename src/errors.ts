/**
 * The closed catalogue of what a client can be told. Each error has a public message, written for the client, and may
 * have a cause, which is logged and never leaves the process. Whatever is not one of these becomes INTERNAL.
 */
export const ERROR_CATALOGUE = {
  UNAUTHENTICATED: { status: 401, meaning: "No key, an unknown, expired or revoked one." },
  FORBIDDEN: { status: 403, meaning: "The key lacks the scope that a field needs." },
  BAD_INPUT: { status: 400, meaning: "An argument that its type allows and its meaning does not." },
  BAD_CURSOR: { status: 400, meaning: "A cursor that is not from this list, filter, order and tenant." },
  NOT_FOUND: { status: 404, meaning: "No such object, or another tenant's: the two are not told apart." },
  CONFLICT: { status: 409, meaning: "It contradicts what is stored already." },
  IDEMPOTENCY_KEY_REUSED: { status: 409, meaning: "The idempotency key was used with other content." },
  TOO_LARGE: { status: 413, meaning: "More events or bytes than one call may hold." },
  OVERLOADED: { status: 503, meaning: "Try again after retryAfter seconds; nothing was recorded." },
  UNAVAILABLE: { status: 503, meaning: "A part that this answer needs is away; try again." },
  INTERNAL: { status: 500, meaning: "Our fault. The request id finds it in the logs." },
} as const satisfies Record<string, { status: number; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

interface PublicErrorOptions {
  readonly cause?: unknown;
  /** The argument at fault, as a path: ["input", "events"]. */
  readonly field?: readonly string[];
  readonly retryAfterSeconds?: number;
}

/** An error whose message may be shown to the client. */
export class PublicError extends Error {
  override readonly name = "PublicError";
  readonly code: ErrorCode;
  readonly field: readonly string[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: PublicErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.field = options.field;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The text of anything thrown, for logs and terminals. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
