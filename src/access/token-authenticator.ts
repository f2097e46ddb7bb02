/**
 * Tells who presents a token of the identity provider that the operator trusts (OpenID Connect, JSON Web Tokens). A token says for
 * which tenant it is and which scopes it gives. Whatever is wrong with one, the answer is the same: it must not tell which
 * tenants exist, nor help to forge a better one; why it was refused stands in the log at debug.
 *
 * Only algorithms with a public key are taken, and the token's own head is believed in nothing but which of the issuer's
 * published keys to try: not in `none`, not in a secret algorithm with a public key as the secret, not in keys or addresses in it.
 */
import { hash } from "node:crypto";
import { errors, type JWTPayload, jwtVerify } from "jose";
import type { AuthConfig } from "../config.js";
import type { Pool } from "../database/pool.js";
import { PublicError } from "../errors.js";
import { growingLru } from "../growing-lru.js";
import type { Logger } from "../observability/logger.js";
import { isName } from "../text-faults.js";
import type { EpochMicros } from "../time/instant.js";
import { createUserPrincipal, type UserPrincipal } from "./principal.js";
import { orderScopes } from "./scope.js";
import { SigningKeys, SigningKeysAway } from "./signing-keys.js";
import { TokenTenants } from "./token-tenants.js";

/** For the operator's eyes (metrics), never the client's. */
export type TokenFailure = "token_refused" | "token_without_scope" | "token_unavailable";

export interface TokenAuthenticatorOptions {
  readonly settings: AuthConfig;
  readonly metrics: Pool<"metrics">;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  readonly signingKeys?: SigningKeys;
  readonly onFailure?: (reason: TokenFailure) => void;
}

interface Verified {
  readonly principal: UserPrincipal;
  /** Seconds since the Unix epoch, as in the token. */
  readonly expiresAt: number;
}

const ALGORITHMS = ["RS256", "ES256", "EdDSA"];
const REFUSED = "A valid token is needed: sign in again.";
const MAX_VERIFIED = 10_000;
/** A dashboard's token comes with every call of it, and a signature takes longer to check than many an answer to find. */
const VERIFIED_TTL_MS = 30_000;
/** OpenID Connect's own limit. */
const MAX_SUBJECT_CHARS = 255;

export class TokenAuthenticator {
  readonly #options: TokenAuthenticatorOptions;
  readonly #signingKeys: SigningKeys;
  readonly #tenants: TokenTenants;
  /** By the token's hash: tokens themselves are not kept. */
  readonly #verified = growingLru<string, Verified>(MAX_VERIFIED, { ttlMs: VERIFIED_TTL_MS });

  constructor(options: TokenAuthenticatorOptions) {
    this.#options = options;
    this.#signingKeys = options.signingKeys ?? new SigningKeys(options.settings);
    this.#tenants = new TokenTenants(options.metrics);
  }

  /**
   * Throws PublicError: UNAUTHENTICATED for no valid token, FORBIDDEN for one that gives no scope, UNAVAILABLE where its key
   * or its tenant cannot be told.
   */
  async authenticate(token: string): Promise<UserPrincipal> {
    const digest = hash("sha256", token, "base64");
    const known = this.#verified.get(digest);
    const { principal, expiresAt } = known ?? (await this.#verify(token));
    if (known === undefined) this.#verified.set(digest, { principal, expiresAt });
    else if (expiresAt <= this.#nowSeconds() - this.#options.settings.clockSkewSeconds) this.#refuse("expired");
    return principal;
  }

  async #verify(token: string): Promise<Verified> {
    const claims = await this.#claimsOf(token);
    const { issuer, tenantClaim, scopesClaim } = this.#options.settings;
    const { sub: subject = "", exp: expiresAt = 0 } = claims;
    if (!isName(subject, MAX_SUBJECT_CHARS)) return this.#refuse("its subject cannot be kept");
    const tenant = claims[tenantClaim];
    const tenantId = typeof tenant === "string" ? await this.#tenants.find(tenant) : null;
    if (tenantId === null) return this.#refuse(`its claim ${tenantClaim} names no tenant`);
    const scopes = orderScopes(namesIn(claims[scopesClaim]));
    if (scopes.length === 0) {
      this.#options.onFailure?.("token_without_scope");
      throw new PublicError("FORBIDDEN", "The token gives none of the scopes that there are.");
    }
    return { principal: createUserPrincipal(tenantId, { issuer, subject }, scopes), expiresAt };
  }

  async #claimsOf(token: string): Promise<JWTPayload> {
    const { issuer, audience, clockSkewSeconds } = this.#options.settings;
    try {
      const { payload } = await jwtVerify(token, this.#signingKeys.keyOf, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        requiredClaims: ["exp", "sub"],
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(this.#nowSeconds() * 1000),
      });
      return payload;
    } catch (error) {
      if (error instanceof SigningKeysAway) {
        this.#options.onFailure?.("token_unavailable");
        const message = "Tokens cannot be checked right now; try again.";
        throw new PublicError("UNAVAILABLE", message, { cause: error, retryAfterSeconds: 1 });
      }
      const why = error instanceof errors.JOSEError ? error.code : error instanceof Error ? error.name : "unknown";
      return this.#refuse(error instanceof errors.JWTClaimValidationFailed ? `${why} ${error.claim}` : why);
    }
  }

  #nowSeconds(): number {
    return this.#options.now() / 1_000_000;
  }

  #refuse(why: string): never {
    this.#options.log.debug({ why }, "a token was refused");
    this.#options.onFailure?.("token_refused");
    throw new PublicError("UNAUTHENTICATED", REFUSED);
  }
}

/** As OAuth has scopes, and as identity providers have other lists. */
function namesIn(claim: unknown): readonly string[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim.filter((name) => typeof name === "string") : [];
}
