import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { encodeGlobalId, type TenantId } from "../../src/ids.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

interface Entry {
  readonly id: string;
  readonly action: string;
  readonly occurredAt: string;
  readonly actor: { readonly kind: string; readonly keyId: string | null; readonly name: string | null };
  readonly subjectId: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>>;
}

interface Made {
  readonly id: string;
  readonly prefix: string;
}

const ENTRY = "{ id action occurredAt actor { kind keyId name } subjectId before after }";
const CAMPAIGN = "campaign { id } userErrors { code field }";

let product: Product;
let tenantId: TenantId;
/** Made by the operator; it makes the key that acts. */
let operatorsKey: string;
let key: string;
let actor: Entry["actor"];
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.stop());
beforeEach(async () => {
  ({ tenantId, key: operatorsKey } = await product.createTenant());
  const made = await makeKey("Dashboard", operatorsKey);
  key = made.secret;
  actor = { kind: "API_KEY", keyId: made.id, name: "Dashboard" };
});

async function run<Data>(query: string, variables: Record<string, unknown> = {}, as = key): Promise<Data> {
  const { data, errors } = await product.graphql<Data>(as, query, variables);
  expect(errors).toBeUndefined();
  return data;
}

async function makeKey(name: string, as = key): Promise<Made & { secret: string }> {
  const { createApiKey } = await run<{ createApiKey: { secret: string; apiKey: Made } }>(
    `mutation ($name: String!) { createApiKey(input: { name: $name,
       scopes: [READ_METRICS, READ_EVENTS, WRITE_EVENTS, MANAGE_CAMPAIGNS, MANAGE_KEYS], expiresAt: "2999-01-01T00:00:00Z" })
       { secret apiKey { id prefix } } }`,
    { name },
    as,
  );
  return { ...createApiKey.apiKey, secret: createApiKey.secret };
}

async function makeCampaign(input: Record<string, unknown>): Promise<string> {
  const { createCampaign } = await run<{ createCampaign: { campaign: { id: string } } }>(
    `mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { ${CAMPAIGN} } }`,
    { input },
  );
  return createCampaign.campaign.id;
}

const update = (input: Record<string, unknown>) =>
  run<{ updateCampaign: { userErrors: unknown[] } }>(
    `mutation ($input: UpdateCampaignInput!) { updateCampaign(input: $input) { ${CAMPAIGN} } }`,
    { input },
  );
const withId = (field: string, id: string, selection: string) =>
  run<Record<string, Record<string, unknown>>>(`mutation ($id: ID!) { ${field}(id: $id) { ${selection} } }`, { id });

async function trailOf(id: string, as = key): Promise<Entry[]> {
  const { node } = await run<{ node: { auditTrail: { nodes: Entry[] } } }>(
    `query ($id: ID!) { node(id: $id) {
       ... on Campaign { auditTrail(first: 100) { nodes ${ENTRY} } }
       ... on ApiKey { auditTrail(first: 100) { nodes ${ENTRY} } }
       ... on Tenant { auditTrail(first: 100) { nodes ${ENTRY} } } } }`,
    { id },
    as,
  );
  return node.auditTrail.nodes;
}

const kept = defineStatement<"metrics", [TenantId], { entry: string }>(
  "metrics",
  "test.audit_entries",
  "select row_to_json(audit_entries)::text as entry from audit_entries where tenant_id = $1",
);
/** All that is kept of the tenant, as text. */
async function allKept(): Promise<string[]> {
  return (await writeAsWorker(product.pools.metrics, (session) => session.run(kept(tenantId)))).map((row) => row.entry);
}

describe("of a campaign", () => {
  test("each mutation leaves one entry: who, when, and the fields that changed, as they were and became", async () => {
    const started = Date.now();
    const id = await makeCampaign({ name: "Spring", externalId: "spring", tags: ["a"] });
    await update({ id, name: "Summer", externalId: "summer", tags: ["a"], sentAt: "2026-06-01T10:00:00Z" });
    await update({ id, subject: "Hello" });
    await withId("archiveCampaign", id, CAMPAIGN);
    await withId("restoreCampaign", id, CAMPAIGN);
    await product.settled(key);
    const trail = await trailOf(id);
    const archivedAt = trail[1]?.after["archivedAt"];
    expect(trail.map(({ action, before, after }) => ({ action, before, after }))).toEqual([
      { action: "CAMPAIGN_RESTORED", before: { archivedAt }, after: { archivedAt: null } },
      { action: "CAMPAIGN_ARCHIVED", before: { archivedAt: null }, after: { archivedAt: expect.stringMatching(/Z$/) } },
      { action: "CAMPAIGN_UPDATED", before: { subject: null }, after: { subject: "Hello" } },
      {
        action: "CAMPAIGN_UPDATED",
        before: { externalId: "spring", name: "Spring", sentAt: null },
        after: { externalId: "summer", name: "Summer", sentAt: "2026-06-01T10:00:00.000Z" },
      },
      {
        action: "CAMPAIGN_CREATED",
        before: null,
        after: { externalId: "spring", name: "Spring", subject: null, tags: ["a"], sentAt: null },
      },
    ]);
    for (const entry of trail) {
      expect(entry).toMatchObject({ actor, subjectId: id });
      expect(Date.parse(entry.occurredAt)).toBeGreaterThanOrEqual(started);
      expect(Date.parse(entry.occurredAt)).toBeLessThanOrEqual(Date.now());
    }
  });

  test("an event that named it made it, once, and nobody by name", async () => {
    const event = { type: "SENT", campaignExternalId: "new", occurredAt: "2026-11-01T10:00:00Z" };
    await recordEvents(product, key, [{ ...event, recipient: "a@example.com" }]);
    await recordEvents(product, key, [{ ...event, recipient: "b@example.com" }]);
    await product.settled(key);
    const { campaign } = await run<{ campaign: { id: string } }>(`{ campaign(externalId: "new") { id } }`);
    expect(await trailOf(campaign.id)).toMatchObject([
      { action: "CAMPAIGN_CREATED", actor: { kind: "SYSTEM", keyId: null, name: null }, after: { externalId: "new" } },
    ]);
  });

  test("what is refused or changes nothing leaves no entry, and does not move updatedAt", async () => {
    const given = { name: "Kept", externalId: "kept", subject: "s", tags: ["t"], sentAt: "2026-06-01T10:00:00Z" };
    const id = await makeCampaign(given);
    const updatedAt = () => run("query ($id: ID!) { campaign(id: $id) { updatedAt } }", { id });
    await makeCampaign({ name: "Other", externalId: "other" });
    const gone = await makeCampaign({ name: "Gone", externalId: "kept-once" });
    await withId("archiveCampaign", gone, CAMPAIGN);
    await makeCampaign({ name: "Heir", externalId: "kept-once" });
    await product.settled(key);
    const [before, touched] = [await allKept(), await updatedAt()];
    await update({ id, ...given });
    await update({ id });
    await withId("restoreCampaign", id, CAMPAIGN);
    await withId("archiveCampaign", gone, CAMPAIGN);
    const refused = [
      (await update({ id, name: "New", externalId: "other" })).updateCampaign,
      (await update({ id, name: " " })).updateCampaign,
      (await update({ id: encodeGlobalId("Campaign", tenantId), name: "n", externalId: "n" })).updateCampaign,
      (await withId("restoreCampaign", gone, CAMPAIGN))["restoreCampaign"],
      (await withId("archiveCampaign", "x", CAMPAIGN))["archiveCampaign"],
    ];
    expect(refused.map((payload) => payload?.["userErrors"])).toMatchObject([
      [{ code: "CONFLICT" }],
      [{ code: "BAD_INPUT" }],
      [{ code: "NOT_FOUND" }],
      [{ code: "CONFLICT", field: ["id"] }],
      [{ code: "NOT_FOUND" }],
    ]);
    await product.settled(key);
    expect(await allKept()).toEqual(before);
    expect(await updatedAt()).toEqual(touched);
  });

  test("two mutations in one document show what each of them did", async () => {
    const id = await makeCampaign({ name: "One" });
    const selection = "campaign { auditTrail(first: 1) { nodes { after } } }";
    const shown = await run(
      `mutation ($id: ID!) {
         a: updateCampaign(input: { id: $id, name: "Two" }) { ${selection} }
         b: updateCampaign(input: { id: $id, name: "Three" }) { ${selection} } }`,
      { id },
    );
    const newest = (name: string) => ({ campaign: { auditTrail: { nodes: [{ after: { name } }] } } });
    expect(shown).toEqual({ a: newest("Two"), b: newest("Three") });
  });
});

describe("of an API key", () => {
  test("each mutation leaves one entry, and none of them a secret or its hash", async () => {
    const made = await makeKey("Partner");
    // In one document, which both happen at the same time: the order in which they did is kept all the same.
    const rotated = await run<Record<string, Record<string, unknown>>>(
      `mutation ($id: ID!) { rotateApiKey(id: $id) { secret apiKey { prefix } } revokeApiKey(id: $id) { apiKey { id } } }`,
      { id: made.id },
    );
    await withId("revokeApiKey", made.id, "apiKey { id }");
    const trail = await trailOf(made.id);
    const prefix = (rotated["rotateApiKey"]?.["apiKey"] as Made | undefined)?.prefix;
    expect(trail.map(({ action, before, after }) => ({ action, before, after }))).toEqual([
      { action: "API_KEY_REVOKED", before: { revokedAt: null }, after: { revokedAt: expect.stringMatching(/Z$/) } },
      { action: "API_KEY_ROTATED", before: { prefix: made.prefix }, after: { prefix } },
      {
        action: "API_KEY_CREATED",
        before: null,
        after: {
          name: "Partner",
          prefix: made.prefix,
          scopes: ["READ_METRICS", "READ_EVENTS", "WRITE_EVENTS", "MANAGE_CAMPAIGNS", "MANAGE_KEYS"],
          expiresAt: "2999-01-01T00:00:00.000Z",
        },
      },
    ]);
    expect(trail.every((entry) => JSON.stringify(entry.actor) === JSON.stringify(actor))).toBe(true);
    const everything = (await allKept()).join("\n");
    for (const secret of [made.secret, String(rotated["rotateApiKey"]?.["secret"])]) {
      expect(everything).not.toContain(secret.slice(13, 30));
      expect(everything).not.toContain(createHash("sha256").update(secret).digest("hex").slice(0, 16));
    }
  });

  test("refused mutations leave none", async () => {
    const made = await makeKey("Ended");
    await withId("revokeApiKey", made.id, "userErrors { code }");
    const before = await allKept();
    await withId("rotateApiKey", made.id, "userErrors { code }");
    await withId("rotateApiKey", encodeGlobalId("ApiKey", tenantId), "userErrors { code }");
    await withId("revokeApiKey", encodeGlobalId("ApiKey", tenantId), "userErrors { code }");
    await run(`mutation { createApiKey(input: { name: " ", scopes: [READ_METRICS] }) { userErrors { code } } }`);
    expect(await allKept()).toEqual(before);
  });

  test("one that the operator made names the operator", async () => {
    const { viewer } = await run<{ viewer: { tenant: { id: string } } }>("{ viewer { tenant { id } } }");
    expect(await trailOf(viewer.tenant.id)).toMatchObject([
      { action: "TENANT_CREATED", actor: { kind: "OPERATOR", keyId: null, name: null }, before: null },
    ]);
    const byOperator = (await allKept()).map((text) => JSON.parse(text)).filter((entry) => entry.actor === "OPERATOR");
    expect(byOperator.map((entry) => entry.action).toSorted()).toEqual(["API_KEY_CREATED", "TENANT_CREATED"]);
    expect(byOperator.find((entry) => entry.action === "TENANT_CREATED").after).toEqual({
      slug: expect.any(String),
      name: expect.any(String),
      timeZone: "UTC",
    });
  });
});

describe("pages", () => {
  interface Page {
    readonly node: {
      readonly auditTrail: {
        readonly nodes: { readonly after: { readonly name: string } }[];
        readonly pageInfo: { readonly endCursor: string; readonly startCursor: string; readonly hasNextPage: boolean };
      };
    };
  }
  const page = (id: string, args: string, as = key) =>
    product.graphql<Page>(
      as,
      `query ($id: ID!) { node(id: $id) { ... on Campaign { auditTrail(${args}) {
         nodes { after } pageInfo { endCursor startCursor hasNextPage } } } } }`,
      { id },
    );
  const namesOf = ({ data }: Awaited<ReturnType<typeof page>>) =>
    data.node.auditTrail.nodes.map(({ after }) => after.name);

  test("hold every entry once, newest first, while others come in", async () => {
    const id = await makeCampaign({ name: "0" });
    for (let name = 1; name <= 6; name++) await update({ id, name: String(name) });
    const met: string[] = [];
    let after = "";
    for (let round = 0; ; round++) {
      const answer = await page(id, `first: 2${after}`);
      met.push(...namesOf(answer));
      const { endCursor, hasNextPage } = answer.data.node.auditTrail.pageInfo;
      if (!hasNextPage) break;
      after = `, after: "${endCursor}"`;
      await update({ id, name: `late ${round}` });
    }
    expect(met).toEqual(["6", "5", "4", "3", "2", "1", "0"]);
    const oldest = await page(id, "last: 2");
    expect(namesOf(oldest)).toEqual(["1", "0"]);
    const { startCursor } = oldest.data.node.auditTrail.pageInfo;
    expect(namesOf(await page(id, `last: 2, before: "${startCursor}"`))).toEqual(["3", "2"]);
  });

  test("are bounded, and a cursor is of its own campaign alone", async () => {
    const [id, other] = [await makeCampaign({ name: "a" }), await makeCampaign({ name: "b" })];
    const cursor = (await page(id, "first: 1")).data.node.auditTrail.pageInfo.endCursor;
    const codes = async (args: string) =>
      (await page(other, args)).errors?.map(({ extensions }) => extensions["code"]) ?? [];
    expect(await codes(`after: "${cursor}"`)).toEqual(["BAD_CURSOR"]);
    expect(await codes("first: 101")).toEqual(["BAD_INPUT"]);
    expect(await codes("first: 100")).toEqual([]);
  });
});

describe("nobody else", () => {
  test("of another tenant finds an entry, by its id, its subject or a cursor", async () => {
    const id = await makeCampaign({ name: "Mine" });
    const [entry] = await trailOf(id);
    const { key: theirs } = await product.createTenant();
    const query = `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`;
    const ids = [entry?.id, id, entry?.actor.keyId];
    expect(await run(query, { ids })).toEqual({ nodes: ids.map((known) => ({ id: known })) });
    expect(await run(query, { ids }, theirs)).toEqual({ nodes: [null, null, null] });
    expect(await trailOf(encodeGlobalId("Tenant", tenantId))).toHaveLength(1);
    expect(await run(query, { ids: [encodeGlobalId("Tenant", tenantId)] }, theirs)).toEqual({ nodes: [null] });
  });

  test("than who manages campaigns or keys finds theirs", async () => {
    const id = await makeCampaign({ name: "Mine" });
    const [ofCampaign] = await trailOf(id);
    const [ofKey] = await trailOf(actor.keyId ?? "");
    const query = `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`;
    const ids = [ofCampaign?.id, ofKey?.id];
    const seenWith = async (...scopes: Parameters<Product["createKey"]>[1] & {}) =>
      (await run<{ nodes: unknown[] }>(query, { ids }, await product.createKey(tenantId, scopes))).nodes.map(
        (node) => node !== null,
      );
    expect(await seenWith("MANAGE_CAMPAIGNS")).toEqual([true, false]);
    expect(await seenWith("MANAGE_KEYS")).toEqual([false, true]);
    expect(await seenWith("READ_METRICS", "READ_EVENTS", "WRITE_EVENTS")).toEqual([false, false]);
  });
});
