import type { JWTPayload } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TenantId } from "../../src/ids.js";
import { type Product, startProduct } from "../support/product.js";
import { newSigningKey, sign, type SigningKey, startTestIssuer, type TestIssuer } from "../support/test-issuer.js";

const AUDIENCE = "https://mailtally.example";

let issuer: TestIssuer;
let signer: SigningKey;
let product: Product;
let tenantId: TenantId;
let key: string;
beforeAll(async () => {
  issuer = await startTestIssuer();
  signer = await newSigningKey("RS256");
  issuer.publish(signer);
  product = await startProduct({ env: { AUTH_ISSUER: issuer.issuer, AUTH_AUDIENCE: AUDIENCE } });
  ({ tenantId, key } = await product.createTenant());
});
afterAll(async () => {
  await product.stop();
  await issuer.stop();
});

function tokenOf(scope: string, changed: JWTPayload = {}): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 600;
  return sign({ iss: issuer.issuer, aud: AUDIENCE, sub: "ada", exp, tenant: tenantId, scope, ...changed }, signer);
}

const post = (token: string, body: string) =>
  fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body,
  });

test("a dashboard signs in with a token, sees its tenant, and may do what the token says", async () => {
  const token = await tokenOf("READ_METRICS");
  const { data } = await product.graphql<{ viewer: { scopes: string[]; tenant: { slug: string } } }>(
    token,
    "{ viewer { scopes tenant { slug } } }",
  );
  expect(data.viewer.scopes).toEqual(["READ_METRICS"]);
  const { status, errors } = await product.graphql(
    token,
    `mutation { createCampaign(input: { name: "x" }) { campaign { id } } }`,
  );
  expect({ status, code: errors?.[0]?.extensions["code"] }).toEqual({ status: 403, code: "FORBIDDEN" });
});

test("what a user changed is kept under the user's name and issuer", async () => {
  const token = await tokenOf("MANAGE_CAMPAIGNS MANAGE_KEYS READ_METRICS");
  const actor = "auditTrail(first: 1) { nodes { action actor { kind subject issuer keyId name } } }";
  const made = await product.graphql<{ createCampaign: { campaign: Record<string, unknown> } }>(
    token,
    `mutation { createCampaign(input: { name: "By a user" }) { campaign { ${actor} } } }`,
  );
  const byAda = { kind: "USER", subject: "ada", issuer: issuer.issuer, keyId: null, name: null };
  expect(made.data.createCampaign.campaign).toEqual({
    auditTrail: { nodes: [{ action: "CAMPAIGN_CREATED", actor: byAda }] },
  });
  const keyed = await product.graphql<{ createApiKey: { apiKey: Record<string, unknown> } }>(
    token,
    `mutation { createApiKey(input: { name: "By a user", scopes: [READ_METRICS] }) { apiKey { ${actor} } } }`,
  );
  expect(keyed.data.createApiKey.apiKey).toEqual({
    auditTrail: { nodes: [{ action: "API_KEY_CREATED", actor: byAda }] },
  });
  const { data } = await product.graphql(
    token,
    `mutation { createApiKey(input: { name: "More", scopes: [READ_EVENTS] }) { apiKey { id } userErrors { code } } }`,
  );
  expect(data).toEqual({ createApiKey: { apiKey: null, userErrors: [{ code: "FORBIDDEN" }] } });
});

test("users of two tenants who ask the same find each their own, cold and kept, and a key of one finds the same", async () => {
  const other = await product.createTenant();
  const ask = async (bearer: string) => {
    const { data } = await product.graphql<{ viewer: { tenant: { slug: string } } }>(
      bearer,
      "{ viewer { tenant { slug } scopes } }",
    );
    return data.viewer.tenant.slug;
  };
  const mine = await tokenOf("READ_METRICS");
  const theirs = await tokenOf("READ_METRICS", { tenant: other.tenantId });
  const sameKey = await product.createKey(tenantId, ["READ_METRICS"]);
  const slug = await ask(mine);
  for (let again = 0; again < 4; again++) {
    expect(await ask(mine)).toBe(slug);
    expect(await ask(sameKey)).toBe(slug);
    expect(await ask(theirs)).not.toBe(slug);
  }
});

test("a bad token is a 401 and one without a scope a 403, both before the call is parsed", async () => {
  const bad = await tokenOf("READ_METRICS", { aud: "elsewhere" });
  const without = await tokenOf("openid");
  for (const [token, status, code] of [
    [bad, 401, "UNAUTHENTICATED"],
    [without, 403, "FORBIDDEN"],
  ] as const) {
    for (const body of ['{"query":"{ __typename }"}', '{"query":"{"}', "{"]) {
      const answer = await post(token, body);
      expect(answer.status).toBe(status);
      expect(answer.headers.get("www-authenticate")).toBe(status === 401 ? "Bearer" : null);
      expect(await answer.json()).toEqual({
        errors: [expect.objectContaining({ extensions: { code, requestId: answer.headers.get("x-request-id") } })],
      });
    }
  }
});

test("while the issuer is away new tokens wait, and keys and known tokens go on", async () => {
  const known = await tokenOf("READ_METRICS");
  const ask = async (bearer: string) => (await product.graphql(bearer, "{ viewer { scopes } }")).status;
  expect(await ask(known)).toBe(200);
  issuer.setAway(true);
  const fresh = await startProduct({ env: { AUTH_ISSUER: issuer.issuer, AUTH_AUDIENCE: AUDIENCE }, worker: false });
  try {
    const tenant = await fresh.createTenant();
    const token = await tokenOf("READ_METRICS", { tenant: tenant.tenantId });
    expect((await fresh.graphql(token, "{ viewer { scopes } }")).status).toBe(503);
    expect((await fresh.graphql(tenant.key, "{ viewer { scopes } }")).status).toBe(200);
    expect(await ask(known)).toBe(200);
    expect(await ask(key)).toBe(200);
  } finally {
    issuer.setAway(false);
    await fresh.stop();
  }
});

test("where no issuer is set a token is as good as no key", async () => {
  const keysAlone = await startProduct({ worker: false });
  try {
    const { tenantId: tenant } = await keysAlone.createTenant();
    const token = await tokenOf("READ_METRICS", { tenant });
    expect((await keysAlone.graphql(token, "{ viewer { scopes } }")).status).toBe(401);
  } finally {
    await keysAlone.stop();
  }
});
