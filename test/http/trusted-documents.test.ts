import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { DocumentId } from "../../src/documents/document-id.js";
import { registerDocuments } from "../../src/documents/trusted-documents.js";
import { systemClock } from "../../src/runtime.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { newSigningKey, sign, type SigningKey, startTestIssuer, type TestIssuer } from "../support/test-issuer.js";
import { startRedis } from "../support/test-redis.js";
import { withoutCost } from "../support/told-cost.js";
import { waitFor } from "../support/wait-for.js";

const AUDIENCE = "https://mailtally.example";
const SCOPES = ["READ_METRICS", "WRITE_EVENTS", "MANAGE_CAMPAIGNS"] as const;
const RANGE = `range: { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }`;
const VIEWER = "{ viewer { tenant { slug } scopes } }";
const CAMPAIGNS = `query Names($first: Int) { campaigns(first: $first) { totalCount nodes { name metrics { sent { unique } } } } }
query Totals { kpis(${RANGE}) { metrics { sent { unique } } } }`;
const CREATE = `mutation Make { createCampaign(input: { name: "made" }) { campaign { id } } }`;

let issuer: TestIssuer;
let signer: SigningKey;
/** Servers that lock nobody, those with tokens, and everybody. */
let open: Product;
let dashboards: Product;
let closed: Product;
beforeAll(async () => {
  issuer = await startTestIssuer();
  signer = await newSigningKey();
  issuer.publish(signer);
  const auth = { AUTH_ISSUER: issuer.issuer, AUTH_AUDIENCE: AUDIENCE };
  [open, dashboards, closed] = await Promise.all([
    startProduct({ env: auth }),
    startProduct({ env: { ...auth, TRUSTED_DOCUMENTS: "tokens" } }),
    startProduct({ env: { ...auth, TRUSTED_DOCUMENTS: "all" } }),
  ]);
  for (const product of [open, dashboards, closed]) {
    for (const document of [VIEWER, CAMPAIGNS, CREATE]) await register(product, document);
  }
});
afterAll(async () => {
  await Promise.all([open, dashboards, closed].map((product) => product.stop()));
  await issuer.stop();
});

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");
const idOf = (text: string) => `sha256:${hashOf(text)}`;
const persisted = (text: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash: hashOf(text) } } });

async function register(product: Product, document: string, id = idOf(document)): Promise<void> {
  await registerDocuments(product.pools.metrics, [{ id: id as DocumentId, document }], systemClock());
}

function tokenOf(tenantId: string, scopes: readonly string[] = SCOPES): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 600;
  const claims = { iss: issuer.issuer, aud: AUDIENCE, sub: "ada", exp, tenant: tenantId, scope: scopes.join(" ") };
  return sign(claims, signer);
}

async function post(product: Product, bearer: string | null, body: unknown) {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(bearer !== null && { authorization: `Bearer ${bearer}` }) },
    body: JSON.stringify(body),
  });
  const text = withoutCost(await response.text());
  return { status: response.status, text, body: JSON.parse(text) as Record<string, unknown> };
}

async function get(product: Product, bearer: string, parameters: Record<string, string> | [string, string][]) {
  const response = await fetch(`${product.url}/graphql?${new URLSearchParams(parameters)}`, {
    headers: { authorization: `Bearer ${bearer}`, "apollo-require-preflight": "1" },
  });
  return { status: response.status, body: JSON.parse(withoutCost(await response.text())) as Record<string, unknown> };
}

const refusal = (code: string, status: number) => ({ status, body: { errors: [{ extensions: { code } }] } });
const NOT_TRUSTED = refusal("DOCUMENT_NOT_TRUSTED", 403);
const NOT_FOUND = refusal("PERSISTED_QUERY_NOT_FOUND", 200);
const BAD_INPUT = refusal("BAD_INPUT", 400);

describe("a registered document", () => {
  test("is answered by its id as its text is, by POST and by GET", async () => {
    const { key } = await open.createTenant();
    const expected = await post(open, key, { query: VIEWER });
    expect(expected.body).toHaveProperty("data.viewer.scopes");
    for (const body of [
      { documentId: idOf(VIEWER) },
      { documentId: hashOf(VIEWER) },
      { documentId: idOf(VIEWER), query: null },
      { documentId: idOf(VIEWER), query: "" },
      { documentId: idOf(VIEWER), extensions: { trace: 1 }, variables: {} },
      persisted(VIEWER),
    ]) {
      expect(await post(open, key, body), JSON.stringify(body)).toEqual(expected);
    }
    const { extensions } = persisted(VIEWER);
    const given: Record<string, string>[] = [{ documentId: idOf(VIEWER) }, { extensions: JSON.stringify(extensions) }];
    for (const parameters of given) {
      expect(await get(open, key, parameters)).toEqual({ status: 200, body: expected.body });
    }
  });

  test("takes variables and the name of an operation", async () => {
    const { key } = await open.createTenant();
    const asked = { operationName: "Names", variables: { first: 1 } };
    const expected = await post(open, key, { query: CAMPAIGNS, ...asked });
    expect(expected.body).toEqual({ data: { campaigns: { totalCount: 0, nodes: [] } } });
    expect(await post(open, key, { documentId: idOf(CAMPAIGNS), ...asked })).toEqual(expected);
    const parameters = { documentId: idOf(CAMPAIGNS), operationName: "Names", variables: `{"first":1}` };
    expect((await get(open, key, parameters)).body).toEqual(expected.body);
    const wrong = { documentId: idOf(CAMPAIGNS), operationName: "Names", variables: { first: "x" } };
    expect((await post(open, key, wrong)).body).toMatchObject({ errors: [{ extensions: { code: "BAD_INPUT" } }] });
  });

  test("is answered by the id that a tool gave it, once it is registered, without a restart", async () => {
    const { key } = await open.createTenant();
    const [id, document] = ["9396637dbcb10a72095ed574363b1de2", "query Late { viewer { scopes } }"];
    expect(await post(open, key, { documentId: id })).toMatchObject(NOT_FOUND);
    await register(open, document, id);
    await expect
      .poll(async () => (await post(open, key, { documentId: id })).body, { timeout: 3_000 })
      .toHaveProperty("data.viewer.scopes");
    expect((await post(open, key, persisted(document))).body).toHaveProperty("data.viewer.scopes");
  });

  test("is executed with the asker's own authority and for the asker's own tenant", async () => {
    const [one, other] = [await open.createTenant(), await open.createTenant()];
    const slugs = new Set<unknown>();
    for (const { tenantId, key } of [one, other]) {
      for (const bearer of [key, await tokenOf(tenantId)]) {
        const { body } = await post(open, bearer, { documentId: idOf(VIEWER) });
        const { data } = body as { data: { viewer: { tenant: { slug: string } } } };
        slugs.add(`${tenantId} ${data.viewer.tenant.slug}`);
      }
    }
    expect(slugs.size).toBe(2);
    const writer = await open.createKey(one.tenantId, ["WRITE_EVENTS"]);
    const asked = { documentId: idOf(CAMPAIGNS), operationName: "Names" };
    expect(await post(open, writer, asked)).toMatchObject(refusal("FORBIDDEN", 403));
  });

  test("is no way around the rule that mutations come by POST", async () => {
    const { key } = await open.createTenant();
    expect((await get(open, key, { documentId: idOf(CREATE) })).status).toBe(405);
    expect((await post(open, key, { documentId: idOf(CREATE) })).body).toHaveProperty(
      "data.createCampaign.campaign.id",
    );
  });

  test("that is not there is told as such, in both media types a 200", async () => {
    const { key } = await open.createTenant();
    expect(await post(open, key, { documentId: idOf("{ nobody }") })).toMatchObject(NOT_FOUND);
    expect(await get(open, key, { documentId: "nobody" })).toMatchObject(NOT_FOUND);
  });

  test.each([
    ["an id that is none", { documentId: "md5:abc" }],
    ["an id that is no text", { documentId: 7 }],
    ["an id beside another text", { documentId: idOf(VIEWER), query: "{ __typename }" }],
    ["an id beside its own text", { documentId: idOf(VIEWER), query: VIEWER }],
  ])("%s is refused as bad input, naming documentId", async (_what, body) => {
    const { key } = await open.createTenant();
    const answer = await post(open, key, body);
    expect(answer).toMatchObject(BAD_INPUT);
    expect(answer.body).toMatchObject({ errors: [{ extensions: { field: ["documentId"] } }] });
  });

  test("asked for twice in one address, or by nobody, is refused", async () => {
    const { key } = await open.createTenant();
    const id = ["documentId", idOf(VIEWER)] as [string, string];
    expect(await get(open, key, [id, id])).toMatchObject(BAD_INPUT);
    expect(await post(open, null, { documentId: idOf(VIEWER) })).toMatchObject(refusal("UNAUTHENTICATED", 401));
  });
});

/** Every way that we know to bring a text along, of a caller who may not. */
const FREE_TEXTS: readonly (readonly [what: string, body: unknown])[] = [
  ["a text", { query: VIEWER }],
  ["a text that does not parse", { query: "{{{" }],
  ["a text beside the id of a registered document", { query: "{ __typename }", documentId: idOf(VIEWER) }],
  ["a text beside its hash, to be known by it from then on", { query: VIEWER, ...persisted(VIEWER) }],
  ["a text under another's hash", { query: "{ __typename }", ...persisted(VIEWER) }],
  ["a text of another type", { query: { kind: "Document" }, documentId: idOf(VIEWER) }],
  ["a list of calls", [{ query: VIEWER }]],
  ["a list with a registered one", [{ documentId: idOf(VIEWER) }, { query: VIEWER }]],
  ["no text at all", { variables: {} }],
  ["introspection", { query: "{ __schema { queryType { name } } }" }],
  ["a mutation", { query: CREATE }],
];

describe("where users with tokens are locked to registered documents", () => {
  test.each(FREE_TEXTS)("%s of theirs is refused before it is parsed", async (_what, body) => {
    const { tenantId } = await dashboards.createTenant();
    const answer = await post(dashboards, await tokenOf(tenantId), body);
    expect(answer).toMatchObject(NOT_TRUSTED);
    expect(answer.body).not.toHaveProperty("data");
  });

  test("a text of theirs by GET is refused as well, wherever it stands", async () => {
    const { tenantId } = await dashboards.createTenant();
    const token = await tokenOf(tenantId);
    const id = ["documentId", idOf(VIEWER)] as [string, string];
    const attempts: [string, string][][] = [
      [["query", VIEWER]],
      [["query", ""], ["query", VIEWER], id],
      [id, ["query", "{ __typename }"]],
    ];
    for (const parameters of attempts) expect(await get(dashboards, token, parameters)).toMatchObject(NOT_TRUSTED);
    expect((await get(dashboards, token, [id])).body).toHaveProperty("data.viewer.scopes");
  });

  test("they ask by id and by hash, as clients of both forms do", async () => {
    const { tenantId } = await dashboards.createTenant();
    const token = await tokenOf(tenantId);
    for (const body of [{ documentId: idOf(VIEWER) }, persisted(VIEWER)]) {
      expect((await post(dashboards, token, body)).body).toHaveProperty("data.viewer.scopes");
    }
  });

  test("a text that somebody else's client made known by its hash is not theirs to ask for", async () => {
    const { tenantId, key } = await dashboards.createTenant();
    const text = "{ viewer { tenant { id } } }";
    expect((await post(dashboards, key, { query: text, ...persisted(text) })).body).toHaveProperty("data");
    expect((await post(dashboards, key, persisted(text))).body).toHaveProperty("data");
    expect(await post(dashboards, await tokenOf(tenantId), persisted(text))).toMatchObject(NOT_FOUND);
    expect(await post(dashboards, await tokenOf(tenantId), { documentId: idOf(text) })).toMatchObject(NOT_FOUND);
  });

  test("keys go on asking what they like, and the schema can be read without one", async () => {
    const { key } = await dashboards.createTenant();
    expect((await post(dashboards, key, { query: VIEWER })).body).toHaveProperty("data.viewer");
    const introspection = { query: "{ __schema { queryType { name } } }" };
    for (const bearer of [key, null]) {
      expect((await post(dashboards, bearer, introspection)).body).toHaveProperty("data.__schema");
    }
  });

  test("an answer that was kept for a key with the same scopes is not theirs by the same text", async () => {
    const { tenantId, key: owner } = await dashboards.createTenant();
    await recordEvents(dashboards, owner, [sent("a")]);
    await dashboards.settled(owner);
    const key = await dashboards.createKey(tenantId, SCOPES);
    const call = { query: CAMPAIGNS, operationName: "Names" };
    await untilKept(dashboards, () => post(dashboards, key, call));
    const token = await tokenOf(tenantId);
    for (let time = 0; time < 3; time += 1) expect(await post(dashboards, token, call)).toMatchObject(NOT_TRUSTED);
  });
});

describe("where everybody is locked to registered documents", () => {
  test.each(FREE_TEXTS)("%s is refused of keys too, and of strangers", async (_what, body) => {
    const { key } = await closed.createTenant();
    expect(await post(closed, key, body)).toMatchObject(NOT_TRUSTED);
    expect(await post(closed, null, body)).toMatchObject(NOT_TRUSTED);
  });

  test("keys ask by id", async () => {
    const { key } = await closed.createTenant();
    expect((await post(closed, key, { documentId: idOf(VIEWER) })).body).toHaveProperty("data.viewer.scopes");
  });
});

const sent = (recipient: string) => ({
  type: "SENT",
  campaignExternalId: "c1",
  recipient: `${recipient}@example.com`,
  occurredAt: "2026-10-30T10:00:00Z",
});

async function answeredWhole(product: Product): Promise<number> {
  const text = await (await fetch(`${product.url}/metrics`)).text();
  return Number(/^mailtally_whole_answers_total\{layer="process"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** Asks again and again until the answer is one that was kept. */
async function untilKept<T>(product: Product, ask: () => Promise<T>): Promise<T> {
  const before = await answeredWhole(product);
  return waitFor(
    async () => {
      const answer = await ask();
      return (await answeredWhole(product)) > before ? answer : null;
    },
    { what: "an answer from those that are kept" },
  );
}

describe("an answer that is kept whole", () => {
  const CALL = { documentId: idOf(CAMPAIGNS), operationName: "Names" };

  test("is given again to calls by id, byte for byte, to locked users too", async () => {
    const { tenantId, key } = await dashboards.createTenant();
    await recordEvents(dashboards, key, [sent("a")]);
    await dashboards.settled(key);
    const token = await tokenOf(tenantId);
    const kept = await untilKept(dashboards, () => post(dashboards, token, CALL));
    const fresh = await post(dashboards, key, { query: CAMPAIGNS, operationName: "Names" });
    expect(kept).toEqual(fresh);
    expect(kept.text).toContain('"unique":1');
  });

  test("is not another tenant's, nor given on to who may not ask for it", async () => {
    const [one, other] = [await dashboards.createTenant(), await dashboards.createTenant()];
    await recordEvents(dashboards, one.key, [sent("a")]);
    await dashboards.settled(one.key);
    const token = await tokenOf(one.tenantId);
    await untilKept(dashboards, () => post(dashboards, token, CALL));
    for (let time = 0; time < 4; time += 1) {
      const { body } = await post(dashboards, await tokenOf(other.tenantId), CALL);
      expect(body).toMatchObject({ data: { campaigns: { totalCount: 0 } } });
      const writer = await tokenOf(one.tenantId, ["WRITE_EVENTS"]);
      expect(await post(dashboards, writer, CALL)).toMatchObject(refusal("FORBIDDEN", 403));
    }
  });

  test("gives way within a second to what was recorded since", async () => {
    const { tenantId, key } = await dashboards.createTenant();
    await recordEvents(dashboards, key, [sent("a")]);
    await dashboards.settled(key);
    const token = await tokenOf(tenantId);
    const kept = await untilKept(dashboards, () => post(dashboards, token, CALL));
    expect(kept.text).toContain('"unique":1');
    await recordEvents(dashboards, key, [sent("b")]);
    await dashboards.settled(key);
    await waitFor(async () => (await post(dashboards, token, CALL)).text.includes('"unique":2'), {
      what: "the second recipient in the numbers",
      deadlineMs: 1_000,
    });
  });

  test("is kept for no longer than its document may be answered after it was removed", async () => {
    const redis = await startRedis();
    const product = await startProduct({ env: { REDIS_URL: redis.url } });
    const client = new Redis(redis.url);
    onTestFinished(async () => {
      client.disconnect();
      await product.stop();
      await redis.stop();
    });
    await register(product, CAMPAIGNS);
    const { key } = await product.createTenant();
    await recordEvents(product, key, [sent("a")]);
    await product.settled(key);
    // Of a range that is over: by itself it would be kept for an hour.
    const lives = async (): Promise<number[]> => {
      const addresses = (await client.keys("*")).filter((address) => !address.startsWith("mailtally:cost:"));
      const whole = await Promise.all(
        addresses.map(async (address) => ((await client.get(address))?.includes('"kpis":') ? address : null)),
      );
      return Promise.all(whole.filter((address) => address !== null).map((address) => client.pttl(address)));
    };
    await untilKept(product, () => post(product, key, { documentId: idOf(CAMPAIGNS), operationName: "Totals" }));
    const byId = await lives();
    expect(byId.length).toBeGreaterThan(0);
    expect(Math.max(...byId)).toBeLessThanOrEqual(60_000);
    await untilKept(product, () => post(product, key, { query: CAMPAIGNS, operationName: "Totals" }));
    expect(Math.max(...(await lives()))).toBeGreaterThan(60_000);
  });
});
