/**
 * The public keys that an issuer signs its tokens with, as it publishes them. They are fetched when the first token comes, when
 * one names a key that is not among them, and when they have grown old, so that a withdrawn key is refused in time.
 *
 * Tokens with made-up key names must not make us ask the issuer each time: keys that were just fetched are not asked for again,
 * and while it does not answer it is left alone for a moment. Those it has already told us go on being good meanwhile.
 */
import { createRemoteJWKSet, type CryptoKey, customFetch, errors, type JWTVerifyGetKey } from "jose";
import { z } from "zod";
import { isTrustworthyUrl } from "../config-variables.js";

interface SigningKeysOptions {
  readonly issuer: string;
  /** Null: where the issuer's OpenID configuration says. */
  readonly jwksUrl: string | null;
  /** How old keys may grow. */
  readonly maxAgeMs?: number;
  /** How long after a fetch an unknown key is believed to be none. */
  readonly refetchMs?: number;
  /** How long the issuer is left alone after it failed. */
  readonly pauseMs?: number;
}

type KeySet = ReturnType<typeof createRemoteJWKSet>;

/** Which keys there are could not be told. */
export class SigningKeysAway extends Error {
  override readonly name = "SigningKeysAway";
}

const FETCH_TIMEOUT_MS = 3_000;
const openIdConfiguration = z.object({ issuer: z.string(), jwks_uri: z.string().refine(isTrustworthyUrl) });

export class SigningKeys {
  readonly #options: SigningKeysOptions;
  readonly #pauseMs: number;
  #keySet: Promise<KeySet> | undefined;
  #failedAt = -Infinity;

  constructor(options: SigningKeysOptions) {
    this.#options = options;
    this.#pauseMs = options.pauseMs ?? 1_000;
  }

  /** The one key that a token's head means. Throws SigningKeysAway, and errors of jose's where there is no such key. */
  readonly keyOf: JWTVerifyGetKey<CryptoKey> = async (header, token) => {
    try {
      const keySet = await (this.#keySet ??= this.#open());
      return await keySet(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (error instanceof errors.JOSENotSupported || error instanceof SigningKeysAway) throw error;
      this.#failedAt = performance.now();
      throw new SigningKeysAway("The issuer's signing keys cannot be had", { cause: error });
    }
  };

  async #open(): Promise<KeySet> {
    try {
      const { jwksUrl, maxAgeMs = 300_000, refetchMs = 5_000 } = this.#options;
      return createRemoteJWKSet(new URL(jwksUrl ?? (await this.#discover())), {
        timeoutDuration: FETCH_TIMEOUT_MS,
        cacheMaxAge: maxAgeMs,
        cooldownDuration: refetchMs,
        [customFetch]: (url, init) => this.#fetch(url, init),
      });
    } catch (error) {
      this.#keySet = undefined;
      throw error;
    }
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#options;
    const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const response = await this.#fetch(url, { redirect: "manual", signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (response.status !== 200) throw new Error(`The OpenID configuration was answered with ${response.status}`);
    const found = openIdConfiguration.parse(await response.json());
    if (found.issuer !== issuer) throw new Error("The OpenID configuration is of another issuer than AUTH_ISSUER");
    return found.jwks_uri;
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    const isPause = performance.now() - this.#failedAt < this.#pauseMs;
    if (isPause) throw new SigningKeysAway("The issuer's signing keys could not be had a moment ago");
    return fetch(url, init);
  }
}
