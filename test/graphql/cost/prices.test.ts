/** Prices worked out by hand, from the points that docs/cost.md tells. */
import { type GraphQLError, isObjectType, type OperationDefinitionNode, parse, validate } from "graphql";
import { describe, expect, test } from "vitest";
import { OperationPrice } from "../../../src/graphql/cost/price.js";
import { planPrice } from "../../../src/graphql/cost/price-plan.js";
import { FIELD_PRICES, type PricingScene } from "../../../src/graphql/cost/field-prices.js";
import { buildPublicSchema } from "../../../src/graphql/schema.js";
import { encodeGlobalId } from "../../../src/ids.js";
import { instantFromMillis } from "../../../src/time/instant.js";
import type { TimeZoneId } from "../../../src/time/time-zone.js";

const schema = buildPublicSchema();
const UTC = "UTC" as TimeZoneId;
const SCENE: PricingScene = {
  variables: {},
  zones: { timeZone: UTC, rollupTimeZone: UTC },
  maxSeriesPoints: 3_000,
  now: instantFromMillis(Date.UTC(2026, 10, 21)),
  isLimited: false,
};

function planOf(query: string) {
  const document = parse(query);
  expect(validate(schema, document).map((error: GraphQLError) => error.message)).toEqual([]);
  const operation = document.definitions.find(({ kind }) => kind === "OperationDefinition") as OperationDefinitionNode;
  const plan = planPrice(schema, document, operation);
  if (plan === null) throw new Error("It has a price");
  return plan;
}

function priceOf(query: string, variables: PricingScene["variables"] = {}, scene: Partial<PricingScene> = {}): number {
  return new OperationPrice(planOf(query), { ...SCENE, ...scene, variables }).requested();
}

const MONTH = `range: { from: "2026-10-01T00:00:00Z", to: "2026-10-31T00:00:00Z" }`;
const id = (type: string, index = 0) => encodeGlobalId(type, `0190b0a0-0000-7000-8000-00000000000${index}`);

describe("the price of", () => {
  test.each<readonly [what: string, price: number, query: string]>([
    ["nothing in particular", 1, "{ __typename }"],
    ["the schema about itself", 6, "{ __schema { types { name fields { name } } } }"],
    ["who asks: a statement, a row", 17, "{ viewer { scopes tenant { name } limits { maxEventsPerCall } } }"],
    ["a page: a statement, 20 rows", 36, "{ campaigns { nodes { id name tags } } }"],
    ["a page of 5", 21, "{ campaigns(first: 5) { nodes { id } } }"],
    ["the last 7", 23, "{ campaigns(last: 7) { edges { node { id } } } }"],
    [
      "rows asked for twice over are read once",
      36,
      "{ campaigns { nodes { id } edges { cursor node { name } } pageInfo { endCursor } } }",
    ],
    ["a count of all besides", 71, "{ campaigns { totalCount nodes { id } } }"],
    ["totals: one statement for all, a row each", 71, "{ campaigns { nodes { metrics { sent { unique } } } } }"],
    // 1 + 15 + 5 + 15 + 5 × 30 days × 0.1 + 5 × 1 bucket × 1 measure × 0.01
    ["a month of each", 52, `{ campaigns(first: 5) { nodes { metrics(${MONTH}) { sent { unique } } } } }`],
    // 1 + 15 + 20 + 15 + 20 × (30 × 0.1 + 31 × (0.05 + 2 × 0.01))
    [
      "days times measures times campaigns",
      155,
      `{ campaigns { nodes { series(${MONTH}, granularity: DAY) { metrics { sent { unique } opened { unique } } } } } }`,
    ],
    [
      "one field of two fragments",
      155,
      `{ campaigns { nodes { ...A ...B } } } fragment A on Campaign { series(${MONTH}, granularity: DAY) { metrics { sent { unique } } } } fragment B on Campaign { series(${MONTH}, granularity: DAY) { metrics { opened { unique } } } }`,
    ],
    // 1 + 15 + 30 × 96 × 0.1 + 721 × (0.05 + 0.01)
    [
      "hours, read by quarter-hours",
      348,
      `{ kpis(${MONTH}) { series(granularity: HOUR) { metrics { sent { unique } } } } }`,
    ],
    // 1 + 15 + (5 × 0.1 + 0.01): half a day is 48 quarter-hours at each end: 1 + 96
    [
      "a day that begins and ends at noon",
      26,
      `{ kpis(range: { from: "2026-10-01T12:00:00Z", to: "2026-10-02T12:00:00Z" }) { metrics { sent { unique } } } }`,
    ],
    // Twice: 1 + 2 × (15 + 30 × 0.1 + 0.01)
    [
      "a comparison",
      38,
      `{ kpis(${MONTH}, compareTo: PREVIOUS_YEAR) { metrics { sent { unique } } comparison { metrics { sent { unique } } } } }`,
    ],
    [
      "a comparison with nothing",
      20,
      `{ kpis(${MONTH}) { metrics { sent { unique } } comparison { metrics { sent { unique } } } } }`,
    ],
    // 1 + 15 + 3 × (30 × 0.1 + 0.01)
    [
      "KPIs of three campaigns",
      26,
      `{ kpis(${MONTH}, filter: { campaignIds: ["a", "b", "c"] }) { metrics { sent { unique } } } }`,
    ],
    ["how fresh", 16, `{ kpis(${MONTH}) { freshness { pendingEvents } } }`],
    // 1 + 15 + 10 × 10 tables + 20
    [
      "events of all types",
      136,
      `{ events(filter: { occurredAt: { from: "2026-10-01T00:00:00Z", to: "2026-10-02T00:00:00Z" } }) { nodes { id } } }`,
    ],
    [
      "events of two types, with their campaigns",
      71,
      `{ events(first: 10, filter: { types: [SENT, OPENED], occurredAt: { from: "2026-10-01T00:00:00Z", to: "2026-10-02T00:00:00Z" } }) { nodes { campaign { name } } } }`,
    ],
    [
      "what is asked of one type is asked of it alone",
      71,
      `{ events(first: 10, filter: { types: [SENT, OPENED], occurredAt: { from: "2026-10-01T00:00:00Z", to: "2026-10-02T00:00:00Z" } }) { nodes { ... on SentEvent { campaign { name } } ... on OpenedEvent { campaign { name } } } } }`,
    ],
    // 1 + 15 + 2 + 2 × (15 + 10) + 2 × 3
    [
      "events of each campaign: a statement each",
      74,
      "{ campaigns(first: 2) { nodes { events(first: 3, types: [SENT]) { nodes { id } } } } }",
    ],
    // 1 + 15 + 20 + 15 + 20 × 20
    ["links of each: one statement", 451, "{ campaigns { nodes { links { nodes { url } } } } }"],
    [
      "ids of one type",
      19,
      `{ nodes(ids: ["${id("Campaign")}", "${id("Campaign", 1)}", "${id("Campaign", 2)}"]) { id } }`,
    ],
    ["ids that are looked for one by one", 33, `{ nodes(ids: ["${id("ApiKey")}", "${id("ApiKey", 1)}"]) { id } }`],
    [
      "an object of any type: what is asked of an interface, and of the dearest type",
      49,
      `{ node(id: "x") { ... on Event { campaign { name } } ... on Campaign { metrics { sent { unique } } } ... on IngestReceipt { status } } }`,
    ],
    // 1 + 15 + 20 × (1 + 2)
    [
      "a text asked for three times: it is read once, and sent three times",
      76,
      "{ campaigns { nodes { name a: name b: name } } }",
    ],
    ["numbers and ids asked for again", 36, "{ campaigns { nodes { id a: id b: createdAt c: createdAt } } }"],
    [
      "a text that two fragments ask for",
      56,
      "{ campaigns { nodes { ... on Campaign { a: name } ... on Campaign { b: name } } } }",
    ],
    // 1 + 15 + 20 + 15 + 20 × 20 × 2
    ["a text of rows that are written in one go", 851, "{ campaigns { nodes { links { nodes { url a: url } } } } }"],
    ["a change", 51, `mutation { revokeApiKey(id: "x") { userErrors { code } } }`],
    [
      "what is left out",
      1,
      `query ($no: Boolean = false) { campaigns @include(if: $no) { nodes { id } } ... @skip(if: true) { viewer { scopes } } }`,
    ],
  ])("%s is %i", (_what, price, query) => {
    expect(priceOf(query)).toBe(price);
  });

  test("an operation follows its variables", () => {
    const query = `query ($first: Int = 3, $range: DateTimeRange!, $granularity: Granularity!) { campaigns(first: $first) { nodes {
      series(range: $range, granularity: $granularity) { metrics { sent { unique } } } } } }`;
    const range = { from: "2026-10-01T00:00:00Z", to: "2026-10-11T00:00:00Z" };
    // 1 + 15 + n + 15 + n × (10 × 0.1 + 11 × (0.01 + 0.05))
    expect(priceOf(query, { range, granularity: "DAY" })).toBe(39);
    expect(priceOf(query, { range, granularity: "DAY", first: 100 })).toBe(297);
    // n × (960 × 0.1 + 961 × (0.01 + 0.05))
    expect(priceOf(query, { range, granularity: "QUARTER_HOUR", first: 10 })).toBe(1_578);
  });

  test("a fragment is the same under whatever types it is spread", () => {
    const fragment = `fragment F on Node { ... on Campaign { events(first: 100) { nodes { id } } } }`;
    const asked = (spreads: string) => priceOf(`{ nodes(ids: ["${id("Campaign")}"]) { ${spreads} } } ${fragment}`);
    // 1 + 15 + 1 + (15 + 10 × 10) + 100
    expect(asked("... on Campaign { ...F }")).toBe(232);
    expect(asked("... on ApiKey { ...F } ... on Campaign { ...F }")).toBe(232);
    expect(asked("... on ApiKey { ...F } ...F")).toBe(232);
    expect(asked("... on ApiKey { ...F }")).toBe(17);
  });

  test("a list with a filter follows how much that names", () => {
    const query = "query ($filter: CampaignFilter) { campaigns(first: 1, filter: $filter) { nodes { id } } }";
    const names = (length: number) => Array.from({ length }, (_, index) => `n${index}`);
    expect(priceOf(query)).toBe(17);
    expect(priceOf(query, { filter: { tags: names(10), externalIds: names(1_000) } })).toBe(1_027);
  });

  test("events that are recorded is small, and follows how many they are", () => {
    const query = "mutation ($input: RecordEventsInput!) { recordEvents(input: $input) { acceptedCount } }";
    const events = (count: number) => ({ input: { events: Array.from({ length: count }, () => ({})) } });
    expect([1, 100, 1_000].map((count) => priceOf(query, events(count)))).toEqual([3, 3, 12]);
  });

  test("days of another zone than the tenant's is that of their quarter-hours", () => {
    const query = `{ kpis(${MONTH}) { series(granularity: DAY, timeZone: "Asia/Tokyo") { metrics { sent { unique } } } } }`;
    // 1 + 15 + 30 × 96 × 0.1 + 31 × (0.01 + 0.05)
    expect(priceOf(query)).toBe(306);
    expect(priceOf(query.replace("Asia/Tokyo", "UTC"))).toBe(21);
  });

  test("what cannot be answered is low: it is refused before it reads", () => {
    const backwards = `range: { from: "2026-10-31T00:00:00Z", to: "2026-10-01T00:00:00Z" }`;
    expect(priceOf(`{ kpis(${backwards}) { metrics { sent { unique } } } }`)).toBe(16);
    const century = `range: { from: "1926-10-31T00:00:00Z", to: "2026-10-01T00:00:00Z" }`;
    expect(priceOf(`{ kpis(${century}) { series(granularity: HOUR) { start metrics { sent { unique } } } } }`)).toBe(
      16,
    );
  });

  test("points without a measure is that of their number", () => {
    const points = `{ campaigns(first: 100) { nodes { series(granularity: QUARTER_HOUR, ${MONTH}) { start } } } }`;
    // 1 + 15 + 100 + 15 + 100 × (2,880 × 0.1 + 2,881 × 0.05)
    expect(priceOf(points)).toBe(43_336);
  });

  test("time in which nothing can have happened is nothing, but for the points in it and where its days begin", () => {
    const all = `{ kpis(range: { from: "0001-01-01T00:00:00Z", to: "9999-12-31T00:00:00Z" }) { metrics { sent { unique } } } }`;
    // 1 + 15 + 9,823 days from 2000 to tomorrow × 0.1 + 0.01
    expect(priceOf(all)).toBe(999);
    const ahead = `{ kpis(range: { from: "2027-01-01T00:00:00Z", to: "2028-01-01T00:00:00Z" }) { series(granularity: DAY) { metrics { sent { unique } } } } }`;
    // 1 + 15 + 366 × (0.01 + 0.05) + 40
    expect(priceOf(ahead)).toBe(78);
  });

  test("a range that goes on after tomorrow is that of one that ends with it, whatever the time of day", () => {
    const now = instantFromMillis(Date.UTC(2026, 10, 21, 10, 7));
    const until = (to: string) =>
      priceOf(
        `{ kpis(range: { from: "2026-11-01T00:00:00Z", to: "${to}" }) { metrics { sent { unique } } } }`,
        {},
        { now },
      );
    // 1 + 15 + 22 × 0.1 + 0.01
    expect([until("2026-11-23T00:00:00Z"), until("2026-12-01T00:00:00Z")]).toEqual([19, 19]);
    // Its last day, by 40 quarter-hours: 1 + 15 + (22 + 40) × 0.1 + 0.01
    expect(until("2026-11-22T10:00:00Z")).toBe(23);
  });

  test("a key of some campaigns is that of adding those up", () => {
    const query = `{ kpis(${MONTH}) { metrics { sent { unique } } } }`;
    expect(priceOf(query)).toBe(20);
    expect(priceOf(query, {}, { isLimited: true })).toBe(77);
  });

  test("ends of time, and values of any kind, is a number", () => {
    const query = `query ($range: DateTimeRange!, $ids: [ID!]!, $first: Int, $zone: TimeZone) { nodes(ids: $ids) { id } campaigns(first: $first) { nodes { metrics(range: $range) { sent { unique } } series(range: $range, granularity: WEEK, timeZone: $zone) { start } } } }`;
    for (const value of [null, "x", -1, 1e300, [], [[[]]], {}, { from: 1, to: {} }, true]) {
      expect(priceOf(query, { range: value, ids: value, first: value, zone: value })).toBeGreaterThan(0);
    }
    for (const [from, to] of [
      ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
      ["0001-01-01T00:00:00Z", "0001-01-01T00:15:00Z"],
      ["9999-12-31T23:00:00Z", "9999-12-31T23:59:59Z"],
    ]) {
      expect(priceOf(query, { range: { from, to }, ids: [], zone: "Asia/Tokyo" })).toBeGreaterThan(0);
    }
  });
});

test("every field with a resolver has a price, but for these, which read nothing", () => {
  const free = Object.values(schema.getTypeMap()).flatMap((type) =>
    isObjectType(type) && !type.name.startsWith("__")
      ? Object.entries(type.getFields())
          .filter(([, { resolve }]) => resolve !== undefined)
          .map(([name]) => [type.name, ...type.getInterfaces().map(String)].map((owner) => `${owner}.${name}`))
          .filter((names) => !names.some((name) => FIELD_PRICES.has(name)))
          .map(([name]) => name)
      : [],
  );
  expect(free).toEqual(["DeadLetter.event", "Query.kpis"]);
});

test("what an answer did cost follows the objects in it, and nothing that it shows costs less than a point", () => {
  const query = `{ campaigns(first: 50) { nodes { id metrics { sent { unique } } links(first: 10) { nodes { url } } } } }`;
  const campaign = (links: number) => ({
    id: "c",
    metrics: {},
    links: { nodes: Array.from({ length: links }, () => ({ url: "u" })) },
  });
  const price = new OperationPrice(planOf(query), SCENE);
  // 1 + 15 + 50 + 15 + 50 + 15 + 500
  expect(price.requested()).toBe(646);
  // 1 + 15 + 3 + 15 + 3 + 15 + 7
  expect(price.actual({ campaigns: { nodes: [campaign(5), campaign(0), campaign(2)] } })).toBe(59);
  expect(price.actual({ campaigns: { nodes: [] } })).toBe(16);
  expect(price.actual(null)).toBe(1);
});

test("rows that were read cost something where none of their lists is in the answer", () => {
  const query = `query ($no: Boolean = true) { campaigns(first: 50) { nodes @skip(if: $no) { id } pageInfo { endCursor } } }`;
  const price = new OperationPrice(planOf(query), SCENE);
  // 1 + 15 + 50
  expect(price.actual({ campaigns: { pageInfo: { endCursor: "c" } } })).toBe(66);
  expect(price.actual({ campaigns: { nodes: [{}, {}], pageInfo: { endCursor: "c" } } })).toBe(18);
});

test("a document that is short and unfolds to ten thousand fields has no price", () => {
  const levels = 14;
  const event = (level: number): string =>
    level === 0 ? "id" : `campaign { events { nodes { ...E${level - 1} } edges { node { ...E${level - 1} } } } }`;
  const chain = Array.from({ length: levels }, (_, level) => `fragment E${level} on Event { ${event(level)} }`).join(
    "\n",
  );
  const document = parse(`{ node(id: "x") { ... on Event { ...E${levels - 1} } } } ${chain}`);
  const operation = document.definitions[0] as OperationDefinitionNode;
  expect(planPrice(schema, document, operation)).toBeNull();
});
