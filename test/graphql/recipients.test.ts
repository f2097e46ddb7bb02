import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyRollups } from "../../src/rollups/verify/verify.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { waitFor } from "../support/wait-for.js";
import { everythingStored, tablesWith } from "../privacy/everything-stored.js";
import { eventsOf, tracesOf } from "../privacy/person.js";

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.stop());

const ANN = "ann@example.org";
const RANGE = { from: "2026-11-01T00:00:00Z", to: "2026-12-01T00:00:00Z" };

const EXPORT = `query ($recipient: String!, $first: Int, $after: String, $campaigns: Int, $afterCampaign: String) {
  exportRecipient(recipient: $recipient) {
    recipientKey address erasure { id requestedAt completedAt }
    campaigns(first: $campaigns, after: $afterCampaign) {
      nodes { campaign { externalId } firstEventAt state links { url clicked clickedHuman firstClickedAt } }
      pageInfo { hasNextPage endCursor } }
    events(first: $first, after: $after, order: OLDEST_FIRST) {
      nodes { eventId type recipient metadata } pageInfo { hasNextPage endCursor } }
    unrecordedEvents } }`;

interface Exported {
  readonly exportRecipient: {
    readonly recipientKey: string | null;
    readonly address: string | null;
    readonly erasure: { readonly id: string; readonly completedAt: string | null } | null;
    readonly campaigns: {
      readonly nodes: readonly { campaign: { externalId: string }; state: Record<string, unknown>; links: unknown[] }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
    readonly events: {
      readonly nodes: readonly { eventId: string; recipient: string }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
    };
    readonly unrecordedEvents: readonly Record<string, unknown>[];
  };
}

const exported = async (key: string, recipient: string, more: Record<string, unknown> = {}) => {
  const { data, errors } = await product.graphql<Exported>(key, EXPORT, { recipient, ...more });
  expect(errors).toBeUndefined();
  return data.exportRecipient;
};

interface Erased {
  readonly eraseRecipient: {
    readonly erasure: { readonly id: string; readonly requestedAt: string; readonly completedAt: string | null } | null;
    readonly userErrors: readonly unknown[];
  };
}
const erase = async (key: string, recipient: string) => {
  const { data, errors } = await product.graphql<Erased>(
    key,
    `mutation ($recipient: String!) { eraseRecipient(input: { recipient: $recipient }) {
       erasure { id requestedAt erasedEvents completedAt } userErrors { code field message } } }`,
    { recipient },
  );
  expect(errors).toBeUndefined();
  return data.eraseRecipient;
};
const completed = (key: string, id: string) =>
  waitFor(
    async () =>
      (
        await product.graphql<{ node: { completedAt: string | null } }>(
          key,
          "query ($id: ID!) { node(id: $id) { ... on RecipientErasure { completedAt } } }",
          { id },
        )
      ).data.node.completedAt,
    { what: "the erasure to be completed" },
  );

interface Pages {
  readonly events: { readonly nodes: readonly { recipient: string; eventId: string; metadata: object }[] };
}
const pageOf = async (key: string, recipient: string | null = null) => {
  const query = `query ($filter: EventFilter!) { events(filter: $filter, first: 100) { nodes { recipient eventId metadata messageId
    ... on OpenedEvent { client } ... on ClickedEvent { url } } } }`;
  const filter = { occurredAt: RANGE, recipient };
  return (await product.graphql<Pages>(key, query, { filter })).data.events.nodes;
};

async function prepare(): Promise<{ tenantId: Awaited<ReturnType<Product["createTenant"]>>["tenantId"]; key: string }> {
  const side = await product.createTenant();
  await recordEvents(product, side.key, [
    ...eventsOf("ann", "one"),
    ...eventsOf("ann", "two"),
    ...eventsOf("ann", "three"),
    ...eventsOf("bob", "one"),
  ] as never);
  await product.settled(side.key);
  return side;
}

test("an export is all that is held of one person, page by page, and of nobody else", async () => {
  const { key } = await prepare();
  const whole = await exported(key, `  ${ANN.toUpperCase()}`, { first: 100 });
  expect(whole).toMatchObject({ address: ANN, erasure: null, unrecordedEvents: [] });
  expect(whole.campaigns.nodes.map(({ campaign }) => campaign.externalId).toSorted()).toEqual(["one", "three", "two"]);
  expect(whole.campaigns.nodes[0]?.state).toMatchObject({
    sent: 1,
    opened: 2,
    openedHuman: 1,
    clicked: 3,
    bouncedSoft: 1,
    revenue: { EUR: "12.50" },
    firstEventAt: "2026-11-01T10:00:00.000Z",
    firstSentAt: "2026-11-01T10:00:00.000Z",
  });
  expect(whole.campaigns.nodes[0]?.links).toHaveLength(3);
  expect(whole.events.nodes).toHaveLength(39);
  expect(new Set(whole.events.nodes.map(({ recipient }) => recipient))).toEqual(new Set([ANN]));

  const met: string[] = [];
  const campaigns: string[] = [];
  for (let more: Record<string, unknown> = {}; ;) {
    const page = await exported(key, whole.recipientKey ?? "", { first: 7, campaigns: 1, ...more });
    met.push(...page.events.nodes.map(({ eventId }) => eventId));
    campaigns.push(...page.campaigns.nodes.map(({ campaign }) => campaign.externalId));
    if (!page.events.pageInfo.hasNextPage) break;
    more = { after: page.events.pageInfo.endCursor, afterCampaign: page.campaigns.pageInfo.endCursor ?? undefined };
    if (!page.campaigns.pageInfo.hasNextPage) more = { after: page.events.pageInfo.endCursor };
  }
  expect(met).toEqual(whole.events.nodes.map(({ eventId }) => eventId));
  expect(campaigns.slice(0, 3).toSorted()).toEqual(["one", "three", "two"]);
});

test("an export of nobody is empty, and what is no recipient is refused", async () => {
  const { key } = await product.createTenant();
  expect(await exported(key, "nobody@example.org")).toMatchObject({
    address: null,
    recipientKey: null,
    erasure: null,
    campaigns: { nodes: [] },
    events: { nodes: [] },
    unrecordedEvents: [],
  });
  const { errors } = await product.graphql(key, EXPORT, { recipient: "   " });
  expect(errors?.[0]?.extensions).toMatchObject({ code: "BAD_INPUT", field: ["recipient"] });
  expect(await erase(key, "")).toMatchObject({
    erasure: null,
    userErrors: [{ code: "BAD_INPUT", field: ["input", "recipient"] }],
  });
});

test("who was erased is shown nowhere from the answer on, and every number stays", async () => {
  const { tenantId, key } = await prepare();
  const KPIS = `query ($range: DateTimeRange!) { kpis(range: $range) { metrics { sent { total unique } opened { total unique }
    clicked { total unique } bounced { total unique soft } converted { total unique } revenue { amount currency } } }
    campaigns { nodes { metrics { opened { unique } } links { nodes { clicks { total unique } } } } } }`;
  const before = (await product.graphql(key, KPIS, { range: RANGE })).data;
  const known = await pageOf(key);
  const { erasure, userErrors } = await erase(key, ANN);
  expect(userErrors).toEqual([]);

  const rows = await pageOf(key);
  expect(rows).toHaveLength(known.length);
  const erased = rows.filter(({ recipient }) => recipient === "(erased)");
  expect(erased).toHaveLength(39);
  for (const row of erased) expect(row).toMatchObject({ metadata: {}, messageId: null, eventId: /^[0-9a-f-]{36}$/ });
  expect(await pageOf(key, ANN)).toEqual([]);
  expect(await pageOf(key, "bob@example.org")).toHaveLength(13);
  const afterwards = await exported(key, ANN);
  expect(afterwards).toMatchObject({
    address: null,
    recipientKey: null,
    campaigns: { nodes: [] },
    events: { nodes: [] },
  });
  expect(afterwards.erasure?.id).toBe(erasure?.id);

  await completed(key, erasure?.id ?? "");
  expect((await product.graphql(key, KPIS, { range: RANGE })).data).toEqual(before);
  const stored = (await everythingStored(product.databases)).filter(({ row }) => row.includes(tenantId));
  expect(tablesWith(stored, ...tracesOf("ann"))).toEqual([]);
  const differences: unknown[] = [];
  for await (const difference of verifyRollups(product.pools, { tenantId })) differences.push(difference);
  expect(differences).toEqual([]);
});

test("erasing again, or somebody of whom nothing is known, is answered alike; the trail has each, and no address", async () => {
  const { tenantId, key } = await prepare();
  const first = await erase(key, ANN);
  await completed(key, first.erasure?.id ?? "");
  const second = await erase(key, ANN);
  expect(second).toMatchObject({
    erasure: { id: first.erasure?.id, requestedAt: first.erasure?.requestedAt, completedAt: null },
    userErrors: [],
  });
  const unknown = await erase(key, "stranger@example.org");
  expect(unknown).toMatchObject({ erasure: { completedAt: null }, userErrors: [] });
  await completed(key, unknown.erasure?.id ?? "");
  const { data } = await product.graphql<{
    viewer: { tenant: { auditTrail: { nodes: { action: string; actor: object; after: Record<string, string> }[] } } };
  }>(key, "{ viewer { tenant { auditTrail { nodes { action actor { kind name } before after } } } } }");
  const entries = data.viewer.tenant.auditTrail.nodes.filter(({ action }) => action === "RECIPIENT_ERASED");
  expect(entries).toEqual(
    Array.from({ length: 3 }, () => ({
      action: "RECIPIENT_ERASED",
      actor: { kind: "API_KEY", name: "Test" },
      before: null,
      after: { recipientKey: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    })),
  );
  await recordEvents(product, key, eventsOf("stranger") as never);
  await product.settled(key);
  const stored = (await everythingStored(product.databases)).filter(({ row }) => row.includes(tenantId));
  expect(tablesWith(stored, ...tracesOf("stranger"))).toEqual([]);
});

test("an erasure is another tenant's no more than anything else", async () => {
  const [mine, theirs] = [await prepare(), await prepare()];
  const { erasure } = await erase(mine.key, ANN);
  const { data } = await product.graphql(theirs.key, "query ($id: ID!) { node(id: $id) { id } }", { id: erasure?.id });
  expect(data).toEqual({ node: null });
  expect(await pageOf(theirs.key, ANN)).toHaveLength(39);
});
