/**
 * The public keys that an issuer signs its tokens with, as it publishes them. They are fetched when the first token comes, when
 * one names a key that is not among them, and when they have grown old, so that a withdrawn key is refused in time.
 *
 * Tokens with made-up key names must not make us ask the issuer each time: keys that were just fetched are not asked for again,
 * and while it does not answer it is left alone for a moment. Those it has already told us go on being good meanwhile.
 *
 * A published key that cannot be used is like one that is not there: its tokens are bad, and the issuer is not.
 */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type CryptoKey,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from "jose";
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
    const keySet = await (this.#keySet ??= this.#open());
    try {
      return await keySet(header, token);
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof SigningKeysAway) throw error;
      throw new errors.JWKSNoMatchingKey("The key cannot be imported", { cause: error });
    }
  };

  async #open(): Promise<KeySet> {
    try {
      const { jwksUrl, maxAgeMs = 300_000, refetchMs = 5_000 } = this.#options;
      return createRemoteJWKSet(new URL(jwksUrl ?? (await this.#discover())), {
        timeoutDuration: FETCH_TIMEOUT_MS,
        cacheMaxAge: maxAgeMs,
        cooldownDuration: refetchMs,
        [customFetch]: async (url, init) => Response.json(await this.#ask(url, init, keySetOf)),
      });
    } catch (error) {
      this.#keySet = undefined;
      throw error;
    }
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#options;
    const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const init: RequestInit = { redirect: "manual", signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) };
    return this.#ask(url, init, (json) => {
      const found = openIdConfiguration.parse(json);
      if (found.issuer !== issuer) throw new Error("The OpenID configuration is of another issuer than AUTH_ISSUER");
      return found.jwks_uri;
    });
  }

  /** What is read from the JSON there. Throws SigningKeysAway where that fails, and leaves the issuer alone for a moment then. */
  async #ask<T>(url: string, init: RequestInit, read: (json: unknown) => T): Promise<T> {
    const isPause = performance.now() - this.#failedAt < this.#pauseMs;
    if (isPause) throw new SigningKeysAway("The issuer's signing keys could not be had a moment ago");
    try {
      const response = await fetch(url, init);
      if (response.status !== 200) throw new Error(`${url} was answered with ${response.status}`);
      return read(await response.json());
    } catch (error) {
      this.#failedAt = performance.now();
      throw new SigningKeysAway("The issuer's signing keys cannot be had", { cause: error });
    }
  }
}

/** Throws where it is none. What its keys are worth is found out when they are used. */
function keySetOf(json: unknown): JSONWebKeySet {
  return createLocalJWKSet(json as JSONWebKeySet).jwks();
}
