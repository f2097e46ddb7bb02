import {
  GraphQLNonNull,
  isEnumType,
  isInputObjectType,
  isListType,
  isRequiredArgument,
  type GraphQLInputType,
} from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApiKey, revokeApiKey } from "../../src/access/api-keys.js";
import { type Scope, SCOPES } from "../../src/access/scope.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import { encodeGlobalId, type TenantId, uuidv7 } from "../../src/ids.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { waitFor } from "../support/wait-for.js";

let product: Product;
let tenantId: TenantId;
let key: string;
let campaignId: string;

beforeAll(async () => {
  product = await startProduct();
  ({ tenantId, key } = await product.createTenant());
  const sent = {
    type: "SENT",
    campaignExternalId: "c",
    recipient: "a@example.com",
    occurredAt: "2026-11-01T10:00:00Z",
  };
  await recordEvents(product, key, [sent]);
  await product.settled(key);
  const { data } = await product.graphql<{ campaign: { id: string } }>(key, `{ campaign(externalId: "c") { id } }`);
  campaignId = data.campaign.id;
});
afterAll(() => product.stop());

const schema = buildPublicSchema();
const RANGE = `{ from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }`;

/** A literal that the type takes: the least that it must hold. */
function literalOf(type: GraphQLInputType): string {
  if (type instanceof GraphQLNonNull) return literalOf(type.ofType);
  if (isListType(type)) return "[]";
  if (isEnumType(type)) return type.getValues()[0]?.name ?? "";
  if (isInputObjectType(type)) {
    if (type.name === "DateTimeRange") return RANGE;
    const needed = Object.values(type.getFields()).filter((field) => field.type instanceof GraphQLNonNull);
    return `{ ${needed.map((field) => `${field.name}: ${literalOf(field.type)}`).join(", ")} }`;
  }
  return type.name === "ID" ? `"${encodeGlobalId("Campaign", uuidv7())}"` : '"x"';
}

interface GuardedField {
  readonly place: string;
  readonly scope: Scope;
  readonly document: () => string;
}

/** Every field whose description says that it needs a scope. */
function guardedFields(): GuardedField[] {
  const guarded: GuardedField[] = [];
  for (const typeName of ["Query", "Mutation", "Campaign", "Tenant", "ApiKey"]) {
    const type = schema.getType(typeName);
    if (type === undefined || !("getFields" in type) || isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const scope = SCOPES.find((known) => field.description?.includes(`Needs the scope ${known}.`) === true);
      if (scope === undefined || !("args" in field)) continue;
      const given = field.args.filter(isRequiredArgument);
      const args = given.map((argument) => `${argument.name}: ${literalOf(argument.type)}`).join(", ");
      const oneOf = typeName === "Query" && field.name === "campaign" ? `externalId: "none"` : args;
      const selection = `${field.name}${oneOf === "" ? "" : `(${oneOf})`} { __typename }`;
      guarded.push({
        place: `${typeName}.${field.name}`,
        scope,
        document: () =>
          ({
            Query: `{ ${selection} }`,
            Mutation: `mutation { ${selection} }`,
            Campaign: `{ node(id: "${campaignId}") { ... on Campaign { ${selection} } } }`,
            Tenant: `{ viewer { tenant { ${selection} } } }`,
            // A key is shown only to whoever may see all of it; so the mutation that shows one stands for them all.
            ApiKey: `mutation { createApiKey(input: { name: "n", scopes: [] }) { apiKey { ${selection} } } }`,
          })[typeName] ?? "",
      });
    }
  }
  return guarded;
}

const FIELDS = guardedFields();
const codesOf = (errors: readonly { extensions: Record<string, unknown> }[] | undefined) =>
  (errors ?? []).map((error) => error.extensions["code"]);

test("the fields that need a scope are these", () => {
  expect(Object.fromEntries(FIELDS.map(({ place, scope }) => [place, scope]))).toEqual({
    "Query.campaign": "READ_METRICS",
    "Query.campaigns": "READ_METRICS",
    "Query.kpis": "READ_METRICS",
    "Query.events": "READ_EVENTS",
    "Query.deadLetters": "OPERATE",
    "Query.exportRecipient": "MANAGE_RECIPIENTS",
    "Mutation.recordEvents": "WRITE_EVENTS",
    "Mutation.createCampaign": "MANAGE_CAMPAIGNS",
    "Mutation.updateCampaign": "MANAGE_CAMPAIGNS",
    "Mutation.archiveCampaign": "MANAGE_CAMPAIGNS",
    "Mutation.restoreCampaign": "MANAGE_CAMPAIGNS",
    "Mutation.createApiKey": "MANAGE_KEYS",
    "Mutation.rotateApiKey": "MANAGE_KEYS",
    "Mutation.revokeApiKey": "MANAGE_KEYS",
    "Mutation.replayDeadLetters": "OPERATE",
    "Mutation.discardDeadLetters": "OPERATE",
    "Mutation.eraseRecipient": "MANAGE_RECIPIENTS",
    "Campaign.metrics": "READ_METRICS",
    "Campaign.series": "READ_METRICS",
    "Campaign.links": "READ_METRICS",
    "Campaign.events": "READ_EVENTS",
    "Campaign.auditTrail": "MANAGE_CAMPAIGNS",
    "Tenant.auditTrail": "MANAGE_KEYS",
    "ApiKey.auditTrail": "MANAGE_KEYS",
    "ApiKey.usage": "MANAGE_KEYS",
  });
});

describe.each(FIELDS)("$place", ({ place, scope, document }) => {
  // A campaign is shown to whoever reads metrics or manages campaigns; the field within it needs its own scope.
  const toSeeParent: Scope[] = place.startsWith("Campaign.")
    ? [scope === "READ_METRICS" ? "MANAGE_CAMPAIGNS" : "READ_METRICS"]
    : [];

  test("is forbidden to a key with every other scope", async () => {
    const others = SCOPES.filter((other) => other !== scope);
    const answer = await product.graphql(await product.createKey(tenantId, others), document());
    expect(codesOf(answer.errors)).toEqual(["FORBIDDEN"]);
    expect(answer.errors?.[0]?.message).toContain(scope);
    expect(answer.status).toBe(place.startsWith("Campaign.") || place === "Query.campaign" ? 200 : 403);
  });

  test("is open to a key with that scope alone", async () => {
    const answer = await product.graphql(await product.createKey(tenantId, [scope, ...toSeeParent]), document());
    expect(codesOf(answer.errors)).toEqual([]);
  });

  test("asks who it is where there is no key", async () => {
    const answer = await product.graphql(null, document());
    expect(codesOf(answer.errors)).toEqual(["UNAUTHENTICATED"]);
    expect(answer.status).toBe(401);
  });
});

test.each([`{ viewer { scopes } }`, `{ node(id: "x") { id } }`, `{ nodes(ids: []) { id } }`])(
  "%s asks who it is where there is no key",
  async (query) => {
    const answer = await product.graphql(null, query);
    expect(codesOf(answer.errors)).toEqual(["UNAUTHENTICATED"]);
    expect(answer.status).toBe(401);
  },
);

test.each([..."abc"].map((letter) => [`mt_${letter.repeat(50)}`]).concat([["nonsense"], [""]]))(
  "the key %j is nobody's",
  async (made) => {
    const answer = await product.graphql(made, "{ viewer { scopes } }");
    expect(codesOf(answer.errors)).toEqual(["UNAUTHENTICATED"]);
    expect(answer.status).toBe(401);
  },
);

test("the schema can be read without a key", async () => {
  const answer = await product.graphql<{ __schema: { queryType: { name: string } } }>(
    null,
    "{ __schema { queryType { name } } }",
  );
  expect(answer).toEqual({ status: 200, data: { __schema: { queryType: { name: "Query" } } } });
});

test("viewer says whose key it is and what it may do", async () => {
  const answer = await product.graphql(
    await product.createKey(tenantId, ["WRITE_EVENTS", "READ_METRICS"]),
    "{ viewer { scopes tenant { id name slug timeZone } } }",
  );
  expect(answer.data).toEqual({
    viewer: {
      scopes: ["READ_METRICS", "WRITE_EVENTS"],
      tenant: {
        id: encodeGlobalId("Tenant", tenantId),
        name: expect.stringMatching(/^t-/),
        slug: expect.stringMatching(/^t-/),
        timeZone: "UTC",
      },
    },
  });
});

test("node shows each kind of object only to whom its scope is open", async () => {
  const receipt = await recordEvents(product, key, [
    { type: "SENT", campaignExternalId: "c", recipient: "b@example.com", occurredAt: "2026-11-01T10:00:00Z" },
  ]);
  const { data } = await product.graphql<{ events: { nodes: { id: string }[] } }>(
    key,
    `{ events(filter: { occurredAt: ${RANGE} }) { nodes { id } } }`,
  );
  const made = await product.graphql<{ createApiKey: { apiKey: { id: string } } }>(
    key,
    `mutation { createApiKey(input: { name: "n", scopes: [READ_METRICS] }) { apiKey { id } } }`,
  );
  const objects: [string, Scope[]][] = [
    [campaignId, ["READ_METRICS", "MANAGE_CAMPAIGNS"]],
    [data.events.nodes[0]?.id ?? "", ["READ_EVENTS"]],
    [receipt, ["WRITE_EVENTS"]],
    [made.data.createApiKey.apiKey.id, ["MANAGE_KEYS"]],
    [encodeGlobalId("Tenant", tenantId), [...SCOPES]],
  ];
  for (const scope of SCOPES) {
    const answer = await product.graphql(
      await product.createKey(tenantId, [scope]),
      `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`,
      { ids: objects.map(([id]) => id) },
    );
    expect(answer.data, scope).toEqual({ nodes: objects.map(([id, open]) => (open.includes(scope) ? { id } : null)) });
  }
});

describe("a key that ends", () => {
  test("is refused within a second of its revocation", async () => {
    const now = instantFromMillis(Date.now());
    const issued = await writeAsTenant(product.pools.metrics, tenantId, (session) =>
      createApiKey(session, tenantId, { name: "short", scopes: ["READ_METRICS"], expiresAt: null }, OPERATOR, now),
    );
    const ask = () => product.graphql(issued.secret, "{ viewer { scopes } }");
    expect((await ask()).status).toBe(200);
    await writeAsTenant(product.pools.metrics, tenantId, (session) =>
      revokeApiKey(session, tenantId, issued.apiKey.id, OPERATOR, now),
    );
    await waitFor(async () => (await ask()).status === 401, { what: "the key to be refused", deadlineMs: 1_000 });
    expect((await ask()).status).toBe(401);
  });

  test("is refused from its expiry on", async () => {
    const now = Date.now();
    const input = { name: "short", scopes: ["READ_METRICS"] as Scope[], expiresAt: instantFromMillis(now + 300) };
    const { secret } = await writeAsTenant(product.pools.metrics, tenantId, (session) =>
      createApiKey(session, tenantId, input, OPERATOR, instantFromMillis(now)),
    );
    const ask = () => product.graphql(secret, "{ viewer { scopes } }");
    await waitFor(async () => (await ask()).status === 401, { what: "the key to expire", deadlineMs: 2_000 });
    expect(Date.now()).toBeGreaterThanOrEqual(now + 300);
  });
});
