/**
 * Tells who presents a key. Whatever is wrong with it, the answer is the same: it must not tell which keys exist.
 *
 * While the metrics database is away nobody can tell whether a key was revoked. One that was valid within the last hour may
 * then still record events, which would be lost otherwise, and nothing else: what it could read must not leave on a guess.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Pool } from "../database/pool.js";
import { PublicError } from "../errors.js";
import { growingLru } from "../growing-lru.js";
import type { Logger } from "../observability/logger.js";
import type { EpochMicros } from "../time/instant.js";
import { KeyDirectory, KeyDirectoryAway, type KeyRecord } from "./key-directory.js";
import { type KeyFingerprint, parseKeySecret } from "./key-secret.js";
import type { KeyTallies } from "./key-tallies.js";
import type { KeyUse } from "./key-use.js";
import { createPrincipal, type KeyPrincipal } from "./principal.js";

/** For the operator's eyes (metrics), never the client's. */
export type AuthenticationFailure = "malformed" | "unknown" | "expired" | "revoked" | "unavailable";

interface AuthenticatorOptions {
  readonly metrics: Pool<"metrics">;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** How long a revoked key may go on working. */
  readonly revocationLagMs?: number;
  /** How long a key seen valid may go on writing while the database is away. */
  readonly outageGraceMs?: number;
  readonly keyUse?: KeyUse;
  readonly keyTallies?: KeyTallies;
  readonly onFailure?: (reason: AuthenticationFailure) => void;
}

interface SeenKey {
  readonly record: KeyRecord;
  readonly validAt: EpochMicros;
}

const BEARER = /^bearer +(\S+) *$/i;
const REFUSED = "A valid API key is needed: send it as `Authorization: Bearer <key>`.";
const MAX_SEEN = 20_000;
/** Compared with where there is no key, so that this takes as long as where there is one. Nobody has its secret. */
const NOBODYS_HASH = randomBytes(32);

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #directory: KeyDirectory;
  readonly #outageGraceMicros: number;
  /** By the hash of the secret: keys that were valid when last looked up. */
  readonly #seen = growingLru<string, SeenKey>(MAX_SEEN);

  constructor(options: AuthenticatorOptions) {
    const { metrics, now, log, revocationLagMs = 500, outageGraceMs = 3_600_000 } = options;
    this.#options = options;
    this.#directory = new KeyDirectory({ metrics, now, log, maxAgeMs: revocationLagMs });
    this.#outageGraceMicros = outageGraceMs * 1000;
  }

  /** Counts the request to the key. Throws PublicError: UNAUTHENTICATED for no valid key, UNAVAILABLE where that cannot be told, OVERLOADED in a flood. */
  async authenticate(authorizationHeader: string): Promise<KeyPrincipal> {
    const presented = parseKeySecret(BEARER.exec(authorizationHeader)?.[1] ?? "");
    if (presented === null) return this.#refuse("malformed");
    const principal = await this.#principalOf(presented);
    this.#options.keyTallies?.countRequest(principal);
    return principal;
  }

  async #principalOf(presented: KeyFingerprint): Promise<KeyPrincipal> {
    try {
      const record = await this.#validRecord(presented);
      this.#options.keyUse?.touch(record.principal, record.lastUsedAt);
      return record.principal;
    } catch (error) {
      if (error instanceof KeyDirectoryAway) return this.#duringOutage(presented, error);
      throw error;
    }
  }

  async #validRecord(presented: KeyFingerprint): Promise<KeyRecord> {
    const { records, readAt } = await this.#directory.find(presented.prefix);
    const record = matching(records, presented.hash);
    const hash = presented.hash.toString("base64");
    if (record === undefined || record.revokedAt !== null) {
      this.#seen.delete(hash);
      return this.#refuse(record === undefined ? "unknown" : "revoked");
    }
    if (this.#isExpired(record)) return this.#refuse("expired");
    this.#seen.set(hash, { record, validAt: readAt });
    return record;
  }

  #duringOutage(presented: KeyFingerprint, outage: KeyDirectoryAway): KeyPrincipal {
    const seen = this.#seen.get(presented.hash.toString("base64"));
    const mayWrite =
      seen !== undefined &&
      this.#options.now() - seen.validAt < this.#outageGraceMicros &&
      seen.record.principal.scopes.has("WRITE_EVENTS");
    if (!mayWrite) {
      this.#options.onFailure?.("unavailable");
      const message = "API keys cannot be checked right now; try again.";
      throw new PublicError("UNAVAILABLE", message, { cause: outage, retryAfterSeconds: 1 });
    }
    if (this.#isExpired(seen.record)) return this.#refuse("expired");
    const { tenantId, keyId, scopes, campaignTags } = seen.record.principal;
    const unconfirmedScopes = [...scopes].filter((scope) => scope !== "WRITE_EVENTS");
    return createPrincipal(tenantId, keyId, ["WRITE_EVENTS"], { unconfirmedScopes, campaignTags });
  }

  #isExpired(record: KeyRecord): boolean {
    return record.expiresAt !== null && record.expiresAt <= this.#options.now();
  }

  #refuse(reason: AuthenticationFailure): never {
    this.#options.onFailure?.(reason);
    throw new PublicError("UNAUTHENTICATED", REFUSED);
  }
}

/** The key with this hash. Compares with every one in constant time, and at least once. */
function matching(records: readonly KeyRecord[], hash: Buffer): KeyRecord | undefined {
  if (records.length === 0) timingSafeEqual(NOBODYS_HASH, hash);
  return records.reduce<KeyRecord | undefined>(
    (found, record) => (timingSafeEqual(record.hash, hash) ? record : found),
    undefined,
  );
}
