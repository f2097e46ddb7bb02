import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

let keys = 0;

/** A key pair that no issuer has published yet. */
export async function newSigningKey(algorithm: string = "ES256"): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const kid = `key-${++keys}`;
  return { kid, algorithm, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, use: "sig" } };
}

/** An identity provider as far as we see of one: an OpenID configuration and the keys that it publishes, over HTTP. */
export async function startTestIssuer() {
  const asked: string[] = [];
  let published: readonly JWK[] = [];
  let isAway = false;
  /** What the OpenID configuration says otherwise than it should. */
  let said: Readonly<Record<string, unknown>> = {};
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const answer = { "/jwks": { keys: published }, "/.well-known/openid-configuration": configuration() }[
      request.url ?? ""
    ];
    response.writeHead(isAway ? 503 : answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? {}));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const configuration = () => ({ issuer, jwks_uri: `${issuer}/jwks`, ...said });

  return {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    /** The paths that were asked for, in order. */
    asked: asked as readonly string[],
    publish(...signingKeys: readonly SigningKey[]): void {
      published = signingKeys.map(({ publicJwk }) => publicJwk);
    },
    publishJwks(...jwks: readonly JWK[]): void {
      published = jwks;
    },
    setAway(away: boolean): void {
      isAway = away;
    },
    say(configured: Readonly<Record<string, unknown>>): void {
      said = configured;
    },
    async stop(): Promise<void> {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

export type TestIssuer = Awaited<ReturnType<typeof startTestIssuer>>;

/** A token with these claims and no others, signed by this key. */
export function sign(
  claims: JWTPayload,
  key: SigningKey,
  head: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: key.algorithm, kid: key.kid, ...head }).sign(key.privateKey);
}
