import { type GraphQLSchema, isObjectType } from "graphql";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { partialUntil } from "../../src/graphql/metrics-points.js";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import type { TenantId } from "../../src/ids.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { waitFor } from "../support/wait-for.js";
import { withoutCost } from "../support/told-cost.js";

const statements: string[] = [];
let product: Product;
let tenantId: TenantId;
let key: string;
beforeAll(async () => {
  product = await startProduct({ onStatement: (name) => statements.push(name) });
});
afterAll(() => product.stop());
beforeEach(async () => {
  ({ tenantId, key } = await product.createTenant());
  await recordEvents(product, key, [sent("a"), sent("b")]);
  await product.settled(key);
});

const sent = (recipient: string) => ({
  type: "SENT",
  campaignExternalId: "c1",
  recipient: `${recipient}@example.com`,
  occurredAt: "2026-10-30T10:00:00Z",
});

const RANGE = `range: { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }`;
const PAGE = `{ campaigns(first: 20) { totalCount nodes {
  id name metrics { sent { unique } } series(${RANGE}, granularity: DAY) { start isPartial metrics { sent { unique } } }
  links { nodes { url } }
} } kpis(${RANGE}, compareTo: PREVIOUS_PERIOD) { metrics { sent { unique } } comparison { from metrics { sent { unique } } }
  series(granularity: WEEK) { start } } }`;

/** Posts the query, word for word alike each time. */
async function post(query: string, secret = key, accept?: string) {
  statements.length = 0;
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${secret}`, ...(accept && { accept }) },
    body: JSON.stringify({ query }),
  });
  const text = await response.text();
  const own = /^(?:inbox|outbox|projector|worker|maintenance|partitions|tenants\.read_states|api_keys)/;
  return {
    text: withoutCost(text),
    status: response.status,
    contentType: response.headers.get("content-type"),
    requestId: response.headers.get("x-request-id"),
    statements: statements.filter((name) => !own.test(name)),
  };
}

/** How many calls were answered whole. */
async function answeredWhole(): Promise<number> {
  const text = await (await fetch(`${product.url}/metrics`)).text();
  return Number(/^mailtally_whole_answers_total\{layer="process"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

async function isGivenAgain(query: string, secret = key): Promise<boolean> {
  const before = await answeredWhole();
  for (let time = 0; time < 4; time += 1) await post(query, secret);
  return (await answeredWhole()) > before;
}

test("a call posted as before is answered as before, byte for byte, and executes nothing", async () => {
  let first = await post(PAGE);
  let again = await post(PAGE);
  const before = await answeredWhole();
  // The version may move once more after the numbers have settled, when a campaign's own row comes: then the answer is another one.
  for (let tries = 0; tries < 10 && (await answeredWhole()) === before; tries += 1) {
    first = again;
    again = await post(PAGE);
  }
  expect(await answeredWhole()).toBe(before + 1);
  expect(again).toMatchObject({ text: first.text, status: 200, contentType: first.contentType, statements: [] });
  expect(again.requestId).not.toBe(first.requestId);
});

test("an answer in another media type is another answer", async () => {
  const other = "application/graphql-response+json";
  for (let time = 0; time < 3; time += 1) {
    expect((await post(PAGE)).contentType).toMatch("application/json");
    expect((await post(PAGE, key, other)).contentType).toMatch(other);
  }
});

test("what is recorded shows within a second, however often the answer was given before", async () => {
  for (let time = 0; time < 3; time += 1) expect((await post(PAGE)).text).toContain('"sent":{"unique":2}');
  await recordEvents(product, key, [sent("c")]);
  await product.settled(key);
  await waitFor(async () => (await post(PAGE)).text.includes('"sent":{"unique":3}'), {
    what: "the third recipient in the numbers",
    deadlineMs: 1_000,
  });
});

test("a change of a campaign shows in the next answer", async () => {
  for (let time = 0; time < 3; time += 1) await post(PAGE);
  const { data } = await product.graphql<{ campaigns: { nodes: { id: string }[] } }>(
    key,
    "{ campaigns { nodes { id } } }",
  );
  const change = `mutation ($id: ID!) { updateCampaign(input: { id: $id, name: "Renamed" }) { userErrors { message } } }`;
  await product.graphql(key, change, { id: data.campaigns.nodes[0]?.id });
  expect((await post(PAGE)).text).toContain("Renamed");
});

describe("nobody is given", () => {
  test("an answer that their key may not ask for", async () => {
    for (let time = 0; time < 3; time += 1) await post(PAGE);
    const writer = await product.createKey(tenantId, ["WRITE_EVENTS"]);
    const answer = await post(PAGE, writer);
    expect(answer.status).toBe(403);
    expect(answer.text).not.toContain("unique");
  });

  test("another tenant's answer", async () => {
    for (let time = 0; time < 3; time += 1) await post(PAGE);
    const other = await product.createTenant();
    for (let time = 0; time < 3; time += 1) {
      expect(JSON.parse((await post(PAGE, other.key)).text)).toMatchObject({ data: { campaigns: { totalCount: 0 } } });
    }
  });

  test("an answer without a key, or with one that was revoked", async () => {
    for (let time = 0; time < 3; time += 1) await post(PAGE);
    expect((await post(PAGE, "mt_nobody")).status).toBe(401);
  });
});

describe("nothing is given again that may change without the version:", () => {
  test.each([
    ["how fresh the numbers are", `{ kpis(${RANGE}) { freshness { pendingEvents } metrics { sent { unique } } } }`],
    [
      "events",
      `{ events(filter: { occurredAt: { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" } }) { nodes { id } } }`,
    ],
    ["events of a campaign", "{ campaigns { nodes { name events { nodes { id } } } } }"],
    ["what a node is", `{ node(id: "x") { id } }`],
    ["keys and their last use", "{ apiKeys { nodes { lastUsedAt } } }"],
    ["the audit trail", "{ campaigns { nodes { auditTrail { nodes { action } } } } }"],
    ["the schema", "{ __schema { queryType { name } } }"],
    ["a mutation", `mutation { archiveCampaign(id: "x") { userErrors { message } } }`],
  ])("%s", async (_what, query) => {
    expect(await isGivenAgain(query)).toBe(false);
  });

  test("a campaign that nobody knows of yet", async () => {
    expect(
      await isGivenAgain(`{ campaign(id: "Q2FtcGFpZ246MDAwMDAwMDAtMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAw") { name } }`),
    ).toBe(false);
  });

  test("an answer with an error in it", async () => {
    const metricsAlone = await product.createKey(tenantId, ["READ_METRICS"]);
    const query = `{ campaigns { nodes { name } } bad: campaign(id: "a", externalId: "b") { name } }`;
    expect((await post(query, metricsAlone)).text).toContain("BAD_INPUT");
    expect(await isGivenAgain(query, metricsAlone)).toBe(false);
  });
});

test("a campaign that is known is given again", async () => {
  expect(await isGivenAgain(`{ campaign(externalId: "c1") { name metrics { sent { unique } } } }`)).toBe(true);
});

test("isPartial holds until the next bucket begins or ends", () => {
  const boundaries = [1_000_000, 2_000_000, 3_000_000] as EpochMicros[];
  expect(partialUntil(boundaries, 500_000 as EpochMicros)).toBe(1_000);
  expect(partialUntil(boundaries, 1_000_000 as EpochMicros)).toBe(2_000);
  expect(partialUntil(boundaries, 2_999_999 as EpochMicros)).toBe(3_000);
  expect(partialUntil(boundaries, 3_000_000 as EpochMicros)).toBe(Infinity);
});

test("these fields with a resolver are declared to change with the version alone, and no others", () => {
  const schema: GraphQLSchema = buildPublicSchema();
  const declared = Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .flatMap((type) =>
      Object.values(type.getFields())
        .filter((field) => field.extensions["isVersioned"] === true)
        .map((field) => `${type.name}.${field.name}`),
    );
  expect(declared.toSorted()).toEqual([
    "Campaign.links",
    "Campaign.metrics",
    "Campaign.series",
    "CampaignConnection.totalCount",
    "KpiReport.comparison",
    "KpiReport.metrics",
    "KpiReport.series",
    "Query.campaign",
    "Query.campaigns",
    "Query.kpis",
  ]);
});
