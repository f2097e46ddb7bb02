import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeGlobalId, type TenantId, uuidv7 } from "../../src/ids.js";
import { type Product, startProduct } from "../support/product.js";
import { waitFor } from "../support/wait-for.js";

let product: Product;
let tenantId: TenantId;
let key: string;
beforeAll(async () => {
  product = await startProduct({ env: { MAX_KEY_OVERLAP_SECONDS: "600" } });
  ({ tenantId, key } = await product.createTenant());
});
afterAll(() => product.stop());

interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly revokedAt: string | null;
  readonly formerPrefix: string | null;
  readonly formerExpiresAt: string | null;
}
interface Payload {
  readonly apiKey: ApiKey | null;
  readonly secret?: string | null;
  readonly userErrors: readonly { code: string; field: readonly string[] | null }[];
}

const API_KEY = "{ id name prefix scopes createdAt expiresAt lastUsedAt revokedAt formerPrefix formerExpiresAt }";

const TYPES = { input: "CreateApiKeyInput!", id: "ID!", overlapSeconds: "Int!" } as const;

async function mutate(
  field: string,
  variables: { readonly [Name in keyof typeof TYPES]?: unknown },
  as = key,
): Promise<Payload> {
  const names = Object.keys(variables) as (keyof typeof TYPES)[];
  const declared = names.map((name) => `$${name}: ${TYPES[name]}`).join(", ");
  const args = names.map((name) => `${name}: $${name}`).join(", ");
  const secret = field === "revokeApiKey" ? "" : "secret";
  const { data, errors } = await product.graphql<{ payload: Payload }>(
    as,
    `mutation (${declared}) {
       payload: ${field}(${args}) { apiKey ${API_KEY} ${secret} userErrors { code field message } } }`,
    variables,
  );
  expect(errors).toBeUndefined();
  return data.payload;
}

const create = (input: Record<string, unknown>, as?: string) => mutate("createApiKey", { input }, as);
const statusOf = async (secret: string) => (await product.graphql(secret, "{ viewer { scopes } }")).status;
const refusedSoon = (secret: string) =>
  waitFor(async () => (await statusOf(secret)) === 401, { what: "the secret to be refused", deadlineMs: 1_000 });

describe("createApiKey", () => {
  test("gives a key that works at once, and its secret this once", async () => {
    const { apiKey, secret, userErrors } = await create({
      name: "Reader",
      scopes: ["WRITE_EVENTS", "READ_METRICS"],
      expiresAt: "2999-01-01T00:00:00Z",
    });
    expect(userErrors).toEqual([]);
    const { data } = await product.graphql(secret ?? "", "{ viewer { scopes } }");
    expect(data).toEqual({ viewer: { scopes: ["READ_METRICS", "WRITE_EVENTS"] } });
    expect(apiKey).toEqual({
      id: expect.any(String),
      name: "Reader",
      prefix: expect.any(String),
      scopes: ["READ_METRICS", "WRITE_EVENTS"],
      createdAt: expect.stringMatching(/Z$/),
      expiresAt: "2999-01-01T00:00:00.000Z",
      lastUsedAt: null,
      revokedAt: null,
      formerPrefix: null,
      formerExpiresAt: null,
    });
    const shown = await product.graphql(key, `query ($id: ID!) { node(id: $id) { ... on ApiKey ${API_KEY} } }`, {
      id: apiKey?.id,
    });
    expect(shown.data).toMatchObject({ node: { id: apiKey?.id, name: "Reader" } });
    expect(JSON.stringify(shown)).not.toContain(secret);
    expect(secret).toContain(apiKey?.prefix);
  });

  test.each([
    [{ scopes: [] }, "BAD_INPUT", "scopes"],
    [{ name: "" }, "BAD_INPUT", "name"],
    [{ name: "x".repeat(101) }, "BAD_INPUT", "name"],
    [{ name: "a\u0000b" }, "BAD_INPUT", "name"],
    [{ expiresAt: "2020-01-01T00:00:00Z" }, "BAD_INPUT", "expiresAt"],
  ])("names the field at fault: %j", async (fault, code, field) => {
    expect(await create({ name: "n", scopes: ["READ_METRICS"], ...fault })).toEqual({
      apiKey: null,
      secret: null,
      userErrors: [{ code, field: ["input", field], message: expect.any(String) }],
    });
  });

  test("hands on no scope that the asking key lacks", async () => {
    const manager = await product.createKey(tenantId, ["MANAGE_KEYS", "READ_METRICS"]);
    expect((await create({ name: "n", scopes: ["READ_METRICS"] }, manager)).userErrors).toEqual([]);
    expect(await create({ name: "n", scopes: ["READ_METRICS", "READ_EVENTS"] }, manager)).toMatchObject({
      apiKey: null,
      secret: null,
      userErrors: [{ code: "FORBIDDEN", field: ["input", "scopes"] }],
    });
  });
});

describe("rotateApiKey", () => {
  test("gives another secret, and the old one is refused within a second", async () => {
    const made = await create({ name: "n", scopes: ["READ_METRICS"] });
    expect(await statusOf(made.secret ?? "")).toBe(200);
    const rotated = await mutate("rotateApiKey", { id: made.apiKey?.id });
    expect(rotated).toMatchObject({ apiKey: { id: made.apiKey?.id, name: "n" }, userErrors: [] });
    expect(rotated.secret).not.toBe(made.secret);
    expect(await statusOf(rotated.secret ?? "")).toBe(200);
    await refusedSoon(made.secret ?? "");
    expect(await statusOf(rotated.secret ?? "")).toBe(200);
  });

  test("leaves the old secret the overlap, and shows until when", async () => {
    const made = await create({ name: "n", scopes: ["READ_METRICS"] });
    const began = Date.now();
    const rotated = await mutate("rotateApiKey", { id: made.apiKey?.id, overlapSeconds: 600 });
    expect(rotated).toMatchObject({ apiKey: { formerPrefix: made.apiKey?.prefix }, userErrors: [] });
    const lasts = Date.parse(rotated.apiKey?.formerExpiresAt ?? "") - began;
    expect(lasts).toBeGreaterThanOrEqual(600_000);
    expect(lasts).toBeLessThan(610_000);
    expect([await statusOf(made.secret ?? ""), await statusOf(rotated.secret ?? "")]).toEqual([200, 200]);
    const node = `query ($id: ID!) { node(id: $id) { ... on ApiKey { formerPrefix formerExpiresAt
      auditTrail(first: 1) { nodes { action before after } } } } }`;
    const { formerPrefix, formerExpiresAt, prefix } = rotated.apiKey ?? {};
    const shown = await product.graphql(key, node, { id: made.apiKey?.id });
    const change = { before: { prefix: formerPrefix }, after: { prefix, formerExpiresAt } };
    expect(shown.data).toEqual({
      node: { formerPrefix, formerExpiresAt, auditTrail: { nodes: [{ action: "API_KEY_ROTATED", ...change }] } },
    });
    await mutate("revokeApiKey", { id: made.apiKey?.id });
    await Promise.all([refusedSoon(made.secret ?? ""), refusedSoon(rotated.secret ?? "")]);
    const revoked = await product.graphql(key, node, { id: made.apiKey?.id });
    expect(revoked.data).toMatchObject({ node: { formerPrefix: null, formerExpiresAt: null } });
  });

  test.each([-1, 601])("takes no overlap of %d seconds where 600 are the limit", async (overlapSeconds) => {
    const made = await create({ name: "n", scopes: ["READ_METRICS"] });
    expect(await mutate("rotateApiKey", { id: made.apiKey?.id, overlapSeconds })).toEqual({
      apiKey: null,
      secret: null,
      userErrors: [{ code: "BAD_INPUT", field: ["overlapSeconds"], message: expect.stringContaining("600") }],
    });
    expect(await statusOf(made.secret ?? "")).toBe(200);
  });

  test("gives nobody the secret of a key that may do more", async () => {
    const made = await create({ name: "n", scopes: ["READ_METRICS", "READ_EVENTS"] });
    const manager = await product.createKey(tenantId, ["MANAGE_KEYS"]);
    expect(await mutate("rotateApiKey", { id: made.apiKey?.id }, manager)).toMatchObject({
      apiKey: null,
      secret: null,
      userErrors: [{ code: "FORBIDDEN", field: ["id"] }],
    });
    expect(await statusOf(made.secret ?? "")).toBe(200);
  });
});

describe("revokeApiKey", () => {
  test("ends a key within a second, for good", async () => {
    const made = await create({ name: "n", scopes: ["READ_METRICS"] });
    expect(await statusOf(made.secret ?? "")).toBe(200);
    const revoked = await mutate("revokeApiKey", { id: made.apiKey?.id });
    expect(revoked).toMatchObject({ apiKey: { revokedAt: expect.stringMatching(/Z$/) }, userErrors: [] });
    await refusedSoon(made.secret ?? "");
    expect(await mutate("revokeApiKey", { id: made.apiKey?.id })).toEqual(revoked);
    expect(await mutate("rotateApiKey", { id: made.apiKey?.id })).toMatchObject({
      apiKey: null,
      secret: null,
      userErrors: [{ code: "CONFLICT", field: ["id"] }],
    });
  });
});

test.each(["", "nonsense", encodeGlobalId("ApiKey", uuidv7()), encodeGlobalId("Campaign", uuidv7())])(
  "a key that there is not is told by its id: %j",
  async (id) => {
    const userErrors = [{ code: "NOT_FOUND", field: ["id"], message: expect.any(String) }];
    expect(await mutate("rotateApiKey", { id })).toEqual({ apiKey: null, secret: null, userErrors });
    expect(await mutate("revokeApiKey", { id })).toEqual({ apiKey: null, userErrors });
  },
);
