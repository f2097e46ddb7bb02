import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeGlobalId, type TenantId } from "../../src/ids.js";
import { type Product, startProduct } from "../support/product.js";
import { RECORD_EVENTS, type RecordedEvents, recordEvents } from "../support/record-events.js";
import { CAMPAIGN, TEN_EVENTS } from "../support/ten-events.js";

/** Two tenants with the same events, so that only the answer's own tenant can tell whose it is. */
interface Side {
  readonly tenantId: TenantId;
  readonly key: string;
  readonly ids: {
    readonly Campaign: string;
    readonly Event: string;
    readonly IngestReceipt: string;
    readonly ApiKey: string;
    readonly Tenant: string;
  };
  readonly cursors: {
    readonly campaigns: string;
    readonly events: string;
    readonly links: string;
    readonly campaignEvents: string;
  };
}

let product: Product;
let mine: Side;
let theirs: Side;

const RANGE = `{ from: "2026-11-01T00:00:00Z", to: "2026-11-03T00:00:00Z" }`;
const PAGES = `
  campaigns(first: 1) { edges { cursor node { id links(first: 1) { edges { cursor } } events(first: 1) { edges { cursor } } } } }
  events(filter: { occurredAt: ${RANGE} }, first: 1) { edges { cursor node { id } } }`;

interface Edges<Node = unknown> {
  readonly edges: readonly { readonly cursor: string; readonly node: Node }[];
}

async function prepare(): Promise<Side> {
  const { tenantId, key } = await product.createTenant();
  const receipt = await recordEvents(product, key, TEN_EVENTS);
  await product.settled(key);
  const { data } = await product.graphql<{
    campaigns: Edges<{ id: string; links: Edges; events: Edges }>;
    events: Edges<{ id: string }>;
  }>(key, `{ ${PAGES} }`);
  const made = await product.graphql<{ createApiKey: { apiKey: { id: string } } }>(
    key,
    `mutation { createApiKey(input: { name: "n", scopes: [READ_METRICS] }) { apiKey { id } } }`,
  );
  const [campaign] = data.campaigns.edges;
  const [event] = data.events.edges;
  if (campaign === undefined || event === undefined) throw new Error("The tenant has a campaign and events");
  return {
    tenantId,
    key,
    ids: {
      Campaign: campaign.node.id,
      Event: event.node.id,
      IngestReceipt: receipt,
      ApiKey: made.data.createApiKey.apiKey.id,
      Tenant: encodeGlobalId("Tenant", tenantId),
    },
    cursors: {
      campaigns: campaign.cursor,
      events: event.cursor,
      links: campaign.node.links.edges[0]?.cursor ?? "",
      campaignEvents: campaign.node.events.edges[0]?.cursor ?? "",
    },
  };
}

beforeAll(async () => {
  product = await startProduct();
  mine = await prepare();
  theirs = await prepare();
});
afterAll(() => product.stop());

const ask = <Data>(query: string, variables?: Record<string, unknown>) =>
  product.graphql<Data>(mine.key, query, variables);

describe("another tenant's", () => {
  test.each(["Campaign", "Event", "IngestReceipt", "ApiKey", "Tenant"] as const)(
    "%s is no node, and my own is",
    async (type) => {
      // An event's id says what and when it was; the same event of both tenants is told apart by nothing else.
      const own =
        type === "Event"
          ? { nodes: [{ id: mine.ids.Event }, { id: mine.ids.Event }] }
          : { nodes: [{ id: mine.ids[type] }, null] };
      const { data, errors } = await ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {
        ids: [mine.ids[type], theirs.ids[type]],
      });
      expect(errors).toBeUndefined();
      expect(data).toEqual(own);
    },
  );

  test("event, shown by its id, is my own with my own campaign", async () => {
    const { data } = await ask("query ($id: ID!) { node(id: $id) { ... on Event { campaign { id } } } }", {
      id: theirs.ids.Event,
    });
    expect(data).toEqual({ node: { campaign: { id: mine.ids.Campaign } } });
  });

  test("campaign is found by no query", async () => {
    const { data, errors } = await ask(
      `query ($id: ID!) {
         campaign(id: $id) { id }
         events(filter: { occurredAt: ${RANGE}, campaignId: $id }) { nodes { id } }
         kpis(range: ${RANGE}, filter: { campaignIds: [$id] }) { metrics { sent { total } } }
       }`,
      { id: theirs.ids.Campaign },
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ campaign: null, events: { nodes: [] }, kpis: { metrics: { sent: { total: 0 } } } });
  });

  test("campaign takes no events and no changes of mine", async () => {
    const id = theirs.ids.Campaign;
    const event = { type: "SENT", campaignId: id, recipient: "x@example.com", occurredAt: "2026-11-01T10:00:00Z" };
    const { data } = await ask<RecordedEvents>(RECORD_EVENTS, { input: { events: [event] } });
    expect(data.recordEvents).toMatchObject({ acceptedCount: 0, refused: [{ code: "UNKNOWN_CAMPAIGN" }] });
    const changes = await ask<Record<string, unknown>>(
      `mutation ($id: ID!) {
         updated: updateCampaign(input: { id: $id, name: "mine", externalId: "mine" }) { userErrors { code } }
         archived: archiveCampaign(id: $id) { userErrors { code } }
         restored: restoreCampaign(id: $id) { userErrors { code } }
       }`,
      { id },
    );
    const missing = { userErrors: [{ code: "NOT_FOUND" }] };
    expect(changes.data).toEqual({ updated: missing, archived: missing, restored: missing });
    const kept = await product.graphql(theirs.key, "query ($id: ID!) { campaign(id: $id) { name archivedAt } }", {
      id,
    });
    expect(kept.data).toEqual({ campaign: { name: CAMPAIGN, archivedAt: null } });
  });

  test("key is neither rotated nor revoked", async () => {
    const { data } = await ask(
      `mutation ($id: ID!) {
         rotateApiKey(id: $id) { secret userErrors { code } } revokeApiKey(id: $id) { userErrors { code } } }`,
      { id: theirs.ids.ApiKey },
    );
    const userErrors = [{ code: "NOT_FOUND" }];
    expect(data).toEqual({ rotateApiKey: { secret: null, userErrors }, revokeApiKey: { userErrors } });
  });

  test.each([
    ["campaigns", `{ campaigns(first: 1, after: "CURSOR") { nodes { id } } }`],
    ["campaigns", `{ campaigns(last: 1, before: "CURSOR") { nodes { id } } }`],
    ["events", `{ events(filter: { occurredAt: ${RANGE} }, after: "CURSOR") { nodes { id } } }`],
    ["links", `{ campaign(externalId: "${CAMPAIGN}") { links(after: "CURSOR") { nodes { url } } } }`],
    ["campaignEvents", `{ campaign(externalId: "${CAMPAIGN}") { events(after: "CURSOR") { nodes { id } } } }`],
  ] as const)("cursor of %s is refused, and my own is not: %s", async (list, query) => {
    const foreign = await ask<Record<string, unknown> | undefined>(query.replace("CURSOR", theirs.cursors[list]));
    expect(foreign.errors?.map((error) => error.extensions["code"])).toEqual(["BAD_CURSOR"]);
    expect(JSON.stringify(foreign.data ?? null)).not.toContain("nodes");
    expect((await ask(query.replace("CURSOR", mine.cursors[list]))).errors).toBeUndefined();
  });
});

test("every number and list holds my own rows alone, though the other's were asked for a moment ago", async () => {
  const query = `{
    campaigns { totalCount nodes { id metrics { sent { total } } links { nodes { clicks { total } } } } }
    kpis(range: ${RANGE}) { metrics { sent { total } } }
    events(filter: { occurredAt: ${RANGE} }, first: 100) { nodes { campaign { id } } }
  }`;
  for (const side of [theirs, mine, theirs, mine]) {
    const { data } = await product.graphql<{ events: { nodes: { campaign: { id: string } }[] } }>(side.key, query);
    expect(data).toMatchObject({
      campaigns: { totalCount: 1, nodes: [{ id: side.ids.Campaign, metrics: { sent: { total: 7 } } }] },
      kpis: { metrics: { sent: { total: 7 } } },
    });
    expect(data.events.nodes).toHaveLength(TEN_EVENTS.length);
    expect(new Set(data.events.nodes.map((node) => node.campaign.id))).toEqual(new Set([side.ids.Campaign]));
  }
});
