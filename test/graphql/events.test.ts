import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeGlobalId, encodeGlobalId } from "../../src/ids.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { CAMPAIGN, LINKS, TEN_EVENTS } from "../support/ten-events.js";

let product: Product;
let key: string;
let campaignId: string;

beforeAll(async () => {
  product = await startProduct();
  ({ key } = await product.createTenant());
  await recordEvents(product, key, TEN_EVENTS);
  await product.settled(key);
  const { data } = await product.graphql<{ campaign: { id: string } }>(
    key,
    `{ campaign(externalId: "${CAMPAIGN}") { id } }`,
  );
  campaignId = data.campaign.id;
});
afterAll(() => product.stop());

const RANGE = { from: "2026-11-01T00:00:00Z", to: "2026-11-03T00:00:00Z" };
const FIELDS = `__typename id eventId type recipient messageId occurredAt receivedAt metadata campaign { id name }
  ... on DeliveredEvent { mailboxProvider }
  ... on DeferredEvent { diagnostic }
  ... on BouncedEvent { bounceClass statusCode bounceDiagnostic: diagnostic }
  ... on OpenedEvent { traffic client device country }
  ... on ClickedEvent { url traffic client device country }
  ... on ComplainedEvent { feedbackSource }
  ... on UnsubscribedEvent { method }
  ... on ConvertedEvent { amount { amount currency } externalReference }
  ... on RejectedEvent { reason }`;

interface EventNode {
  readonly id: string;
  readonly eventId: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly recipient: string;
}
interface Events {
  readonly events: {
    readonly nodes: readonly EventNode[];
    readonly edges: readonly { cursor: string; node: EventNode }[];
    readonly pageInfo: {
      hasNextPage: boolean;
      hasPreviousPage: boolean;
      startCursor: string | null;
      endCursor: string | null;
    };
  };
}

const LIST = `query ($filter: EventFilter!, $order: EventOrder! = NEWEST_FIRST,
    $first: Int, $after: String, $last: Int, $before: String) {
  events(filter: $filter, order: $order, first: $first, after: $after, last: $last, before: $before) {
    nodes { ${FIELDS} } edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

async function list(filter: Record<string, unknown>, args: Record<string, unknown> = {}): Promise<Events["events"]> {
  const variables = { filter: { occurredAt: RANGE, ...filter }, ...args };
  const { data, errors } = await product.graphql<Events>(key, LIST, variables);
  expect(errors).toBeUndefined();
  return data.events;
}

const eventIds = (page: Events["events"]) => page.nodes.map((node) => node.eventId);
const allIds = (keep: (event: Readonly<Record<string, unknown>>) => boolean) =>
  TEN_EVENTS.filter(keep)
    .map((event) => String(event["eventId"]))
    .toSorted();

describe("events", () => {
  test.each([
    ["SENT", "ann", "SentEvent", { messageId: "<ann@mta>" }],
    ["DELIVERED", "ann", "DeliveredEvent", { mailboxProvider: "Gmail" }],
    ["DEFERRED", "bob", "DeferredEvent", { diagnostic: "450 try later" }],
    ["BOUNCED", "cat", "BouncedEvent", { bounceClass: "HARD", statusCode: "5.1.1", bounceDiagnostic: "no such user" }],
    ["BOUNCED", "dan", "BouncedEvent", { bounceClass: "SOFT", statusCode: "4.2.2", bounceDiagnostic: null }],
    ["BOUNCED", "eve", "BouncedEvent", { bounceClass: "BLOCK", statusCode: "5.7.1", bounceDiagnostic: null }],
    ["BOUNCED", "fay", "BouncedEvent", { bounceClass: "UNDETERMINED", statusCode: null, bounceDiagnostic: null }],
    ["OPENED", "bob", "OpenedEvent", { traffic: "MACHINE", client: null, device: null, country: null }],
    [
      "CLICKED",
      "ann",
      "ClickedEvent",
      { url: LINKS.one, traffic: "HUMAN", client: "Safari", device: "phone", country: null },
    ],
    ["COMPLAINED", "gil", "ComplainedEvent", { feedbackSource: "Yahoo" }],
    ["UNSUBSCRIBED", "bob", "UnsubscribedEvent", { method: "list header" }],
    [
      "CONVERTED",
      "ann",
      "ConvertedEvent",
      { amount: { amount: "12.50", currency: "EUR" }, externalReference: "order-1" },
    ],
    ["REJECTED", "hal", "RejectedEvent", { reason: "suppressed" }],
  ])("show what a %s of %s carries, in a list and as a node", async (type, who, typeName, carried) => {
    const { nodes } = await list({ types: [type], recipient: ` ${who.toUpperCase()}@example.com ` });
    expect(nodes).toHaveLength(1);
    const [found] = nodes;
    expect(found).toEqual({
      __typename: typeName,
      id: expect.any(String),
      eventId: expect.stringMatching(`^${type}-${who}-`),
      type,
      recipient: `${who}@example.com`,
      messageId: null,
      occurredAt: expect.stringMatching(/^2026-11-0[12]T.*Z$/),
      receivedAt: expect.stringMatching(/^20.*Z$/),
      metadata: {},
      campaign: { id: campaignId, name: CAMPAIGN },
      ...carried,
    });
    const node = await product.graphql(key, `query ($id: ID!) { node(id: $id) { ... on Event { ${FIELDS} } } }`, {
      id: found?.id,
    });
    expect(node.data).toEqual({ node: found });
  });

  test("keep their metadata and their microseconds", async () => {
    const { nodes } = await list({ types: ["OPENED"], traffic: "HUMAN" });
    expect(nodes).toMatchObject([
      { occurredAt: "2026-11-02T09:00:00.123456Z", metadata: { ab: "b", nested: { depth: [1, 2] } } },
    ]);
  });

  test.each(["NEWEST_FIRST", "OLDEST_FIRST"])("come in the order %s, forward and backward alike", async (order) => {
    const whole = await list({}, { order, first: 100 });
    expect(eventIds(whole).toSorted()).toEqual(allIds(() => true));
    const times = whole.nodes.map((node) => Date.parse(node.occurredAt));
    expect(times).toEqual(times.toSorted((a, b) => (order === "NEWEST_FIRST" ? b - a : a - b)));

    const forward: string[] = [];
    let after: string | null = null;
    do {
      const page: Events["events"] = await list({}, { order, first: 4, after });
      forward.push(...eventIds(page));
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after !== null);
    expect(forward).toEqual(eventIds(whole));

    const backward: string[] = [];
    let before: string | null = null;
    do {
      const page: Events["events"] = await list({}, { order, last: 4, before });
      backward.unshift(...eventIds(page));
      before = page.pageInfo.hasPreviousPage ? page.pageInfo.startCursor : null;
    } while (before !== null);
    expect(backward).toEqual(eventIds(whole));
  });

  test("pass a filter only where all of it holds", async () => {
    const of = async (filter: Record<string, unknown>) => eventIds(await list(filter, { first: 100 })).toSorted();
    expect(await of({ types: [] })).toEqual([]);
    expect(await of({ types: null })).toEqual(allIds(() => true));
    expect(await of({ types: ["SENT", "REJECTED"] })).toEqual(
      allIds((event) => event["type"] === "SENT" || event["type"] === "REJECTED"),
    );
    expect(await of({ traffic: "MACHINE" })).toEqual(allIds((event) => event["traffic"] === "MACHINE"));
    expect(await of({ traffic: "UNKNOWN" })).toEqual(allIds((event) => event["url"] === LINKS.two));
    expect(await of({ traffic: "UNKNOWN", types: ["SENT"] })).toEqual([]);
    expect(await of({ campaignId })).toEqual(allIds(() => true));
    expect(await of({ campaignId: "nobody's" })).toEqual([]);
    expect(await of({ recipient: "nobody@example.com" })).toEqual([]);
    expect(await of({ campaignId, metadata: { ab: "b" } })).toEqual(allIds((event) => event["metadata"] !== undefined));
    expect(await of({ recipient: "ann@example.com", metadata: { nested: { depth: [2] } } })).toHaveLength(1);
    expect(await of({ campaignId, metadata: { ab: "a" } })).toEqual([]);
    expect(
      await of({ occurredAt: { from: "2026-11-02T09:00:00.123456Z", to: "2026-11-02T09:00:00.123457Z" } }),
    ).toHaveLength(1);
    expect(await of({ occurredAt: { from: "2026-11-02T09:00:00Z", to: "2026-11-02T09:00:00.123456Z" } })).toEqual([]);
  });

  test("a filter by metadata needs a campaign or a recipient beside it", async () => {
    const { errors } = await product.graphql(key, LIST, { filter: { occurredAt: RANGE, metadata: { ab: "b" } } });
    expect(errors?.[0]?.extensions).toMatchObject({ code: "BAD_INPUT", field: ["filter", "metadata"] });
  });

  test("a cursor of another list, filter or order is refused", async () => {
    const { pageInfo } = await list({ types: ["SENT"] }, { first: 2 });
    const after = pageInfo.endCursor;
    const others: [Record<string, unknown>, Record<string, unknown>][] = [
      [{ types: ["SENT"] }, { order: "OLDEST_FIRST", after }],
      [{}, { after }],
      [{ types: ["SENT"] }, { after: `${after}x` }],
      [{ types: ["SENT"] }, { after: "" }],
    ];
    for (const [filter, args] of others) {
      const { errors } = await product.graphql(key, LIST, { filter: { occurredAt: RANGE, ...filter }, ...args });
      expect(errors?.map((error) => error.extensions["code"])).toEqual(["BAD_CURSOR"]);
    }
  });

  test("of one campaign are found through it", async () => {
    const { data } = await product.graphql<{ campaign: { none: Events["events"]; some: Events["events"] } }>(
      key,
      `{ campaign(externalId: "${CAMPAIGN}") {
           none: events(types: []) { nodes { eventId } }
           some: events(types: [CONVERTED], order: OLDEST_FIRST,
             occurredAt: { from: "2026-11-02T00:00:00Z", to: "2026-11-03T00:00:00Z" }) { nodes { eventId } }
         } }`,
    );
    expect(eventIds(data.campaign.none)).toEqual([]);
    expect(eventIds(data.campaign.some).toSorted()).toEqual(allIds((event) => event["type"] === "CONVERTED"));
  });
});

describe("nodes", () => {
  test("come in the order of their ids, with null for what there is not", async () => {
    const { nodes } = await list({}, { first: 1 });
    const id = nodes[0]?.id;
    const ids = ["", "nonsense", id, campaignId, `${campaignId}x`, campaignId];
    const { data } = await product.graphql(key, "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", { ids });
    const campaign = { __typename: "Campaign", id: campaignId };
    const event = { __typename: expect.stringMatching(/Event$/), id };
    expect(data).toEqual({ nodes: [null, null, event, campaign, expect.toSatisfy(isNullOrCampaign), campaign] });
  });

  test("are null for an id that a real event's key was put into, also beside that event", async () => {
    const { nodes } = await list({ types: ["SENT"], recipient: "ann@example.com" });
    const real = String(nodes[0]?.id);
    const [type = "", occurredAt = "", eventKey = ""] = decodeGlobalId("Event", real) ?? [];
    const fakes = [
      encodeGlobalId("Event", "BOUNCED", occurredAt, eventKey),
      encodeGlobalId("Event", type, String(Number(occurredAt) + 1), eventKey),
    ];
    const query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    const { data } = await product.graphql(key, query, { ids: [fakes[0], real, fakes[1]] });
    expect(data).toEqual({ nodes: [null, { id: real }, null] });
  });

  test("are at most 100 at a time", async () => {
    const ask = (count: number) =>
      product.graphql(key, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { ids: Array(count).fill("x") });
    expect((await ask(100)).errors).toBeUndefined();
    const { status, errors } = await ask(101);
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions).toEqual({ code: "BAD_INPUT", field: ["ids"] });
  });
});

/** base64url ignores trailing bits; whatever such an id means, it is no other object. */
function isNullOrCampaign(found: unknown): boolean {
  return found === null || (found as { id: string }).id === campaignId;
}
