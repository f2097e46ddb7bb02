import { createHmac } from "node:crypto";
import { exportJWK, exportSPKI, importJWK, type JWK, type JWTPayload } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { SigningKeys } from "../../src/access/signing-keys.js";
import { TokenAuthenticator } from "../../src/access/token-authenticator.js";
import type { AuthConfig } from "../../src/config.js";
import type { Pool } from "../../src/database/pool.js";
import { instantFromMillis } from "../../src/time/instant.js";
import type { Tenant } from "../../src/tenancy/tenants.js";
import { startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { newSigningKey, sign, type SigningKey, startTestIssuer, type TestIssuer } from "../support/test-issuer.js";
import { metricsPool, newTenant, silent, START, TestClock } from "./access-fixture.js";

const AUDIENCE = "mailtally";
const NOW = START / 1_000_000;

let databases: TestDatabases;
let proxy: Awaited<ReturnType<typeof startSeverableProxy>>;
let pool: Pool<"metrics">;
let tenant: Tenant;
let otherTenant: Tenant;
let issuer: TestIssuer;
let key: SigningKey;
let clock: TestClock;
let failures: string[];

beforeAll(async () => {
  databases = await createTestDatabases();
  proxy = await startSeverableProxy(databases.metricsUrl);
  ({ pool } = metricsPool(proxy.url));
  tenant = await newTenant(pool);
  otherTenant = await newTenant(pool);
});
afterAll(async () => {
  await pool.stop();
  await proxy.stop();
  await databases.drop();
});
beforeEach(async () => {
  issuer = await startTestIssuer();
  key = await newSigningKey();
  issuer.publish(key);
  clock = new TestClock();
  failures = [];
});
afterEach(() => issuer.stop());

interface Rig {
  readonly settings?: Partial<AuthConfig>;
  readonly refetchMs?: number;
  readonly maxAgeMs?: number;
  readonly pauseMs?: number;
}

function authenticator({ settings: changed = {}, refetchMs = 0, maxAgeMs = 300_000, pauseMs = 0 }: Rig = {}) {
  const settings: AuthConfig = {
    issuer: issuer.issuer,
    audience: AUDIENCE,
    jwksUrl: null,
    tenantClaim: "tenant",
    scopesClaim: "scope",
    clockSkewSeconds: 30,
    ...changed,
  };
  return new TokenAuthenticator({
    settings,
    metrics: pool,
    now: clock.read,
    log: silent,
    signingKeys: new SigningKeys({ ...settings, refetchMs, maxAgeMs, pauseMs }),
    onFailure: (reason) => failures.push(reason),
  });
}

function claims(changed: JWTPayload = {}): JWTPayload {
  const { slug } = tenant;
  const standard = { iss: issuer.issuer, aud: AUDIENCE, sub: "ada", iat: NOW, exp: NOW + 600 };
  return { ...standard, tenant: slug, scope: "READ_METRICS", ...changed };
}

const refused = { code: "UNAUTHENTICATED", message: "A valid token is needed: sign in again." };
const unavailable = { code: "UNAVAILABLE", retryAfterSeconds: 1 };

test.each(["RS256", "ES256", "EdDSA"])(
  "a token signed with %s opens what its claims name, and nothing else",
  async (alg) => {
    const signer = await newSigningKey(alg);
    issuer.publish(key, signer);
    const token = await sign(claims({ scope: "openid READ_EVENTS READ_METRICS read_metrics BE_GOD" }), signer);
    const principal = await authenticator().authenticate(token);
    expect(principal).toMatchObject({
      kind: "USER",
      tenantId: tenant.id,
      user: { issuer: issuer.issuer, subject: "ada" },
    });
    expect([...principal.scopes]).toEqual(["READ_METRICS", "READ_EVENTS"]);
    expect(principal.authority).toBe(`${tenant.id}:READ_METRICS,READ_EVENTS`);
    expect(issuer.asked).toEqual(["/.well-known/openid-configuration", "/jwks"]);
  },
);

test("one issuer's tokens are of many tenants, by slug or by id, and of each for its own alone", async () => {
  const tokens = authenticator();
  const tenantOf = async (name: string) =>
    (await tokens.authenticate(await sign(claims({ tenant: name }), key))).tenantId;
  expect(await tenantOf(tenant.slug)).toBe(tenant.id);
  expect(await tenantOf(otherTenant.slug)).toBe(otherTenant.id);
  expect(await tenantOf(otherTenant.id)).toBe(otherTenant.id);
});

test("claims are found under the names that are set, scopes also as an array, and keys where that is set", async () => {
  const settings = { tenantClaim: "https://example.org/tenant", scopesClaim: "roles", jwksUrl: issuer.jwksUrl };
  const own = { "https://example.org/tenant": tenant.slug, roles: ["READ_EVENTS", 5, null, "admin"] };
  const token = await sign(claims({ ...own, tenant: otherTenant.slug, scope: "MANAGE_KEYS" }), key);
  const principal = await authenticator({ settings }).authenticate(token);
  expect(principal.tenantId).toBe(tenant.id);
  expect([...principal.scopes]).toEqual(["READ_EVENTS"]);
  expect(issuer.asked).toEqual(["/jwks"]);
});

test.each<readonly [string, JWTPayload]>([
  ["of another issuer", { iss: "https://elsewhere.example" }],
  ["of the issuer but for a slash", { iss: "/" }],
  ["of no issuer", { iss: undefined }],
  ["for another audience", { aud: "another" }],
  ["for other audiences", { aud: ["another", "mailtally2"] }],
  ["for no audience", { aud: undefined }],
  ["that never expires", { exp: undefined }],
  ["that expires at a word", { exp: "never" as unknown as number }],
  ["that expired", { exp: NOW - 31 }],
  ["that is not valid yet", { nbf: NOW + 31 }],
  ["of nobody", { sub: undefined }],
  ["of an empty name", { sub: "" }],
  ["of a name too long to keep", { sub: "x".repeat(256) }],
  ["of a name that cannot be kept", { sub: "a\u0000b" }],
  ["for no tenant", { tenant: undefined }],
  ["for a tenant that does not exist", { tenant: "nobody" }],
  ["for an id that no tenant has", { tenant: "01900000-0000-7000-8000-00000000000a" }],
  ["for a tenant that cannot be", { tenant: "a\u0000b" }],
  ["for several tenants", { tenant: ["tenant-1", "tenant-2"] }],
])("a token %s is refused like every other", async (_what, changed) => {
  const iss = changed.iss === "/" ? { iss: `${issuer.issuer}/` } : {};
  const token = await sign(claims({ ...changed, ...iss }), key);
  await expect(authenticator().authenticate(token)).rejects.toMatchObject(refused);
  expect(failures).toEqual(["token_refused"]);
});

test("clocks may differ by the skew that is set, and by no more", async () => {
  const tokens = authenticator();
  await tokens.authenticate(await sign(claims({ exp: NOW - 29 }), key));
  await tokens.authenticate(await sign(claims({ nbf: NOW + 29 }), key));
  const strict = authenticator({ settings: { clockSkewSeconds: 0 } });
  await expect(strict.authenticate(await sign(claims({ exp: NOW }), key))).rejects.toMatchObject(refused);
});

test("a token that was let in is refused once it has expired", async () => {
  const tokens = authenticator();
  const token = await sign(claims({ exp: NOW + 5 }), key);
  await tokens.authenticate(token);
  clock.advance(34_000);
  await tokens.authenticate(token);
  clock.advance(2_000);
  await expect(tokens.authenticate(token)).rejects.toMatchObject(refused);
});

test.each(["", "openid profile", "READ_EVERYTHING", undefined, { READ_METRICS: true }, 7])(
  "a token that gives the scopes %j gives none, which is another thing than a bad token",
  async (scope) => {
    const token = await sign(claims({ scope }), key);
    await expect(authenticator().authenticate(token)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(failures).toEqual(["token_without_scope"]);
  },
);

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Tokens as forgers make them, none of them with the issuer's private key. */
const forgeries: Readonly<Record<string, () => Promise<string>>> = {
  "without a signature": async () => `${encoded({ alg: "none", typ: "JWT" })}.${encoded(claims())}.`,
  "without a signature, by another spelling": async () => `${encoded({ alg: "nOnE" })}.${encoded(claims())}.`,
  "whose claims were changed": async () => {
    const [head, , signature] = (await sign(claims(), key)).split(".");
    return `${head}.${encoded(claims({ scope: "MANAGE_KEYS" }))}.${signature}`;
  },
  "with the signature cut off": async () => (await sign(claims(), key)).split(".").slice(0, 2).join(".") + ".",
  "signed with the public key as a secret": async () => {
    const rsa = await newSigningKey("RS256");
    issuer.publish(rsa);
    const publicKey = await importJWK(rsa.publicJwk, "RS256", { extractable: true });
    const secret = publicKey instanceof Uint8Array ? publicKey : await exportSPKI(publicKey);
    const body = `${encoded({ alg: "HS256", kid: rsa.kid })}.${encoded(claims())}`;
    return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
  },
  "signed with a secret that the issuer published by mistake": async () => {
    issuer.publishJwks({ kty: "oct", k: Buffer.from("secret").toString("base64url"), kid: "s", alg: "HS256" });
    const body = `${encoded({ alg: "HS256", kid: "s" })}.${encoded(claims())}`;
    return `${body}.${createHmac("sha256", "secret").update(body).digest("base64url")}`;
  },
  "signed by a stranger under the issuer's key id": async () =>
    sign(claims(), { ...(await newSigningKey()), kid: key.kid }),
  "signed by a stranger under a key id of its own": async () => sign(claims(), await newSigningKey()),
  "that brings its key along": async () => {
    const stranger = await newSigningKey();
    return sign(claims(), stranger, { jwk: stranger.publicJwk, kid: undefined });
  },
  "that says where its key is": async () => {
    const stranger = await newSigningKey();
    const elsewhere = await startTestIssuer();
    elsewhere.publish(stranger);
    const token = await sign(claims(), stranger, { jku: elsewhere.jwksUrl, x5u: elsewhere.jwksUrl });
    await elsewhere.stop();
    return token;
  },
  "signed with an algorithm that is not taken": async () => {
    const other = await newSigningKey("PS256");
    issuer.publish(other);
    return sign(claims(), other);
  },
  "with a head that names another algorithm than the key's": async () => {
    const rsa = await newSigningKey("RS256");
    issuer.publish({ ...rsa, publicJwk: { ...rsa.publicJwk, alg: "RS512" } });
    return sign(claims(), rsa);
  },
  "with an extension that must be understood": async () => {
    const body = `${encoded({ alg: "ES256", kid: key.kid, crit: ["exp"], exp: 1 })}.${encoded(claims())}`;
    return `${body}.${(await sign(claims(), key)).split(".")[2]}`;
  },
  "that is no JSON": async () => `${Buffer.from("{").toString("base64url")}.e30.AAAA`,
  "of two empty parts": async () => "a.b.c",
};

test.each(Object.keys(forgeries))("a token %s is refused like every other", async (what) => {
  const token = await forgeries[what]?.();
  await expect(authenticator().authenticate(token ?? "")).rejects.toMatchObject(refused);
});

test("a new key is known with its first token, and one that was withdrawn is refused once the keys are read again", async () => {
  const tokens = authenticator({ maxAgeMs: 0 });
  await tokens.authenticate(await sign(claims(), key));
  const next = await newSigningKey("RS256");
  issuer.publish(key, next);
  await tokens.authenticate(await sign(claims(), next));
  issuer.publish(next);
  await expect(tokens.authenticate(await sign(claims({ sub: "eve" }), key))).rejects.toMatchObject(refused);
  await tokens.authenticate(await sign(claims({ sub: "eve" }), next));
});

test("tokens of made-up keys make nobody ask the issuer over and over", async () => {
  const tokens = authenticator({ refetchMs: 60_000 });
  await tokens.authenticate(await sign(claims(), key));
  const asked = issuer.asked.length;
  for (let forged = 0; forged < 20; forged++) {
    const token = await sign(claims(), await newSigningKey());
    await expect(tokens.authenticate(token)).rejects.toMatchObject(refused);
  }
  expect(issuer.asked.length).toBe(asked);
});

test.each<readonly [string, string, JWK]>([
  ["a point that is on no curve", "ES256", { kty: "EC", crv: "P-256", x: "AAAA", y: "AAAA" }],
  ["no modulus", "RS256", { kty: "RSA", e: "AQAB" }],
  ["nothing but its name", "EdDSA", { kty: "OKP", crv: "Ed25519" }],
  ["what should be secret too", "ES256", await exportJWK((await newSigningKey()).privateKey)],
])("a published key of %s is none, and keeps nobody from the others", async (_what, algorithm, published) => {
  const [signer, next] = [await newSigningKey(algorithm), await newSigningKey()];
  const broken = { ...signer, publicJwk: { ...published, kid: signer.kid, use: "sig" } };
  issuer.publish(key, broken);
  const tokens = authenticator({ pauseMs: 60_000 });
  await expect(tokens.authenticate(await sign(claims(), broken))).rejects.toMatchObject(refused);
  expect(failures).toEqual(["token_refused"]);
  issuer.publish(key, broken, next);
  await tokens.authenticate(await sign(claims(), next));
});

test("an answer of the issuer that is no set of keys says nothing of any token", async () => {
  issuer.publishJwks(null as unknown as JWK);
  await expect(authenticator().authenticate(await sign(claims(), key))).rejects.toMatchObject(unavailable);
});

test("while the issuer is away tokens cannot be checked, except those of keys that it told before", async () => {
  issuer.setAway(true);
  const tokens = authenticator();
  await expect(tokens.authenticate(await sign(claims(), key))).rejects.toMatchObject(unavailable);
  expect(failures).toEqual(["token_unavailable"]);
  issuer.setAway(false);
  await tokens.authenticate(await sign(claims(), key));

  issuer.setAway(true);
  await tokens.authenticate(await sign(claims({ sub: "grace" }), key));
  await expect(tokens.authenticate(await sign(claims(), await newSigningKey()))).rejects.toMatchObject(unavailable);
});

test("an issuer that failed is left alone for a moment", async () => {
  issuer.setAway(true);
  const tokens = authenticator({ pauseMs: 60_000 });
  for (const sub of ["a", "b", "c"]) {
    await expect(tokens.authenticate(await sign(claims({ sub }), key))).rejects.toMatchObject(unavailable);
  }
  expect(issuer.asked.length).toBe(1);
});

test.each([
  ["of another issuer", { issuer: "https://elsewhere.example" }],
  ["with keys at an address that anybody could answer for", { jwks_uri: "http://keys.example/jwks" }],
  ["without an address of keys", { jwks_uri: undefined }],
])("an OpenID configuration %s is not believed", async (_what, configuration) => {
  issuer.say(configuration);
  await expect(authenticator().authenticate(await sign(claims(), key))).rejects.toMatchObject(unavailable);
  expect(issuer.asked).toEqual(["/.well-known/openid-configuration"]);
});

test("while the metrics database is away a tenant that is known stays known, and of others nothing can be told", async () => {
  const tokens = authenticator();
  await tokens.authenticate(await sign(claims(), key));
  await proxy.sever();
  try {
    const { tenantId } = await tokens.authenticate(await sign(claims({ sub: "grace" }), key));
    expect(tenantId).toBe(tenant.id);
    const other = await sign(claims({ tenant: otherTenant.slug }), key);
    await expect(tokens.authenticate(other)).rejects.toMatchObject(unavailable);
  } finally {
    await proxy.restore();
  }
});

test("the clock of the server decides, not the process's", async () => {
  clock.now = instantFromMillis(Date.UTC(2031, 0, 1));
  await expect(authenticator().authenticate(await sign(claims(), key))).rejects.toMatchObject(refused);
});
