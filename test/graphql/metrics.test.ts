import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { CAMPAIGN, LINKS, TEN_EVENTS } from "../support/ten-events.js";

let product: Product;
let key: string;

beforeAll(async () => {
  product = await startProduct();
  ({ key } = await product.createTenant());
  await recordEvents(product, key, TEN_EVENTS);
  await product.settled(key);
});
afterAll(() => product.stop());

const RATE = "{ value numerator denominator }";
const ALL_METRICS = `{
  from to
  sent { total unique } delivered { total unique } deferred { total unique }
  bounced { total unique hard soft block undetermined }
  opened { total unique } clicked { total unique } complained { total unique } unsubscribed { total unique }
  converted { total unique } rejected { total unique }
  revenue { amount currency } revenuePerEmail { amount currency }
  deliveryRate ${RATE} openRate ${RATE} clickRate ${RATE} clickToOpenRate ${RATE} bounceRate ${RATE}
  hardBounceRate ${RATE} complaintRate ${RATE} unsubscribeRate ${RATE} conversionRate ${RATE}
}`;

const tally = (total: number, unique: number) => ({ total, unique });
const rate = (numerator: number, denominator: number) => ({
  value: denominator === 0 ? null : numerator / denominator,
  numerator,
  denominator,
});
const money = (EUR: string, USD: string) => [
  { amount: EUR, currency: "EUR" },
  { amount: USD, currency: "USD" },
];

/** The whole campaign, as counted by hand. */
const EVERYTHING = {
  from: null,
  to: null,
  sent: tally(7, 7),
  delivered: tally(3, 3),
  deferred: tally(1, 1),
  bounced: { total: 4, unique: 4, hard: 1, soft: 1, block: 1, undetermined: 1 },
  opened: tally(3, 2),
  clicked: tally(3, 2),
  complained: tally(1, 1),
  unsubscribed: tally(1, 1),
  converted: tally(2, 2),
  rejected: tally(1, 1),
  revenue: money("12.50", "7.25"),
  revenuePerEmail: money("4.166667", "2.416667"),
  deliveryRate: rate(3, 7),
  openRate: rate(2, 3),
  clickRate: rate(2, 3),
  clickToOpenRate: rate(2, 2),
  bounceRate: rate(4, 7),
  hardBounceRate: rate(1, 7),
  complaintRate: rate(1, 3),
  unsubscribeRate: rate(1, 3),
  conversionRate: rate(2, 3),
};

const HUMAN = {
  opened: tally(1, 1),
  clicked: tally(2, 2),
  openRate: rate(1, 3),
  clickRate: rate(2, 3),
  clickToOpenRate: rate(2, 1),
};

const PER_SENT = {
  revenuePerEmail: money("1.785714", "1.035714"),
  openRate: rate(2, 7),
  clickRate: rate(2, 7),
  complaintRate: rate(1, 7),
  unsubscribeRate: rate(1, 7),
  conversionRate: rate(2, 7),
};

const NOTHING = {
  ...Object.fromEntries(
    ["sent", "delivered", "deferred", "opened", "clicked", "complained", "unsubscribed", "converted", "rejected"].map(
      (name) => [name, tally(0, 0)],
    ),
  ),
  ...Object.fromEntries(
    Object.keys(EVERYTHING).flatMap((name) => (name.endsWith("Rate") ? [[name, rate(0, 0)] as const] : [])),
  ),
  bounced: { total: 0, unique: 0, hard: 0, soft: 0, block: 0, undetermined: 0 },
  revenue: [],
  revenuePerEmail: [],
};

const FIRST = { from: "2026-11-01T00:00:00.000Z", to: "2026-11-02T00:00:00.000Z" };
const SECOND = { from: "2026-11-02T00:00:00.000Z", to: "2026-11-03T00:00:00.000Z" };
const rangeOf = ({ from, to }: { from: string; to: string }) => `range: { from: "${from}", to: "${to}" }`;

const FIRST_DAY = {
  ...EVERYTHING,
  ...FIRST,
  opened: tally(2, 2),
  clicked: tally(1, 1),
  complained: tally(0, 0),
  unsubscribed: tally(0, 0),
  converted: tally(0, 0),
  revenue: [],
  revenuePerEmail: [],
  clickRate: rate(1, 3),
  clickToOpenRate: rate(1, 2),
  complaintRate: rate(0, 3),
  unsubscribeRate: rate(0, 3),
  conversionRate: rate(0, 3),
};

const SECOND_DAY = {
  ...NOTHING,
  ...SECOND,
  opened: tally(1, 0),
  clicked: tally(2, 1),
  complained: tally(1, 1),
  unsubscribed: tally(1, 1),
  converted: tally(2, 2),
  revenue: money("12.50", "7.25"),
  clickRate: rate(1, 0),
  complaintRate: rate(1, 0),
  unsubscribeRate: rate(1, 0),
  conversionRate: rate(2, 0),
  clickToOpenRate: rate(1, 0),
};

const CASES: [string, string, unknown][] = [
  ["everything so far", "", EVERYTHING],
  ["everything so far, by people", "(traffic: HUMAN)", { ...EVERYTHING, ...HUMAN }],
  ["everything so far, per mail sent", "(rates: PER_SENT)", { ...EVERYTHING, ...PER_SENT }],
  [
    "everything so far, by people and per mail sent",
    "(traffic: HUMAN, rates: PER_SENT)",
    { ...EVERYTHING, ...PER_SENT, ...HUMAN, openRate: rate(1, 7), clickRate: rate(2, 7) },
  ],
  ["everything so far on the other basis", "(basis: SEND)", EVERYTHING],
  ["what happened on the first day", `(${rangeOf(FIRST)})`, FIRST_DAY],
  [
    "what people did on the first day",
    `(${rangeOf(FIRST)}, traffic: HUMAN)`,
    {
      ...FIRST_DAY,
      opened: tally(0, 0),
      clicked: tally(0, 0),
      openRate: rate(0, 3),
      clickRate: rate(0, 3),
      clickToOpenRate: rate(0, 0),
    },
  ],
  ["what happened on the second day", `(${rangeOf(SECOND)})`, SECOND_DAY],
  ["what became of the first day's mail", `(${rangeOf(FIRST)}, basis: SEND)`, { ...EVERYTHING, ...FIRST }],
  ["what became of the second day's mail", `(${rangeOf(SECOND)}, basis: SEND)`, { ...NOTHING, ...SECOND }],
];

/** The tenant has one campaign, so its numbers are the tenant's. */
describe("a campaign counted by hand", () => {
  test.each(CASES)("has the right metrics: %s", async (_name, args, expected) => {
    const { data, errors } = await product.graphql(
      key,
      `{ campaign(externalId: "${CAMPAIGN}") { metrics${args} ${ALL_METRICS} } }`,
    );
    expect(errors).toBeUndefined();
    expect(data).toEqual({ campaign: { metrics: expected } });
  });

  test.each(CASES.filter(([, args]) => args.includes("range")))(
    "gives the tenant the same KPIs: %s",
    async (_name, args, expected) => {
      const { data, errors } = await product.graphql(key, `{ kpis${args} { metrics ${ALL_METRICS} } }`);
      expect(errors).toBeUndefined();
      expect(data).toEqual({ kpis: { metrics: expected } });
    },
  );

  test("has the two days as a series, with the metrics of each", async () => {
    const range = rangeOf({ from: FIRST.from, to: SECOND.to });
    const { data } = await product.graphql(
      key,
      `{ campaign(externalId: "${CAMPAIGN}") {
           series(${range}, granularity: DAY) { start end isPartial metrics ${ALL_METRICS} }
         } }`,
    );
    expect(data).toEqual({
      campaign: {
        series: [
          { start: FIRST.from, end: FIRST.to, isPartial: false, metrics: FIRST_DAY },
          { start: SECOND.from, end: SECOND.to, isPartial: false, metrics: SECOND_DAY },
        ],
      },
    });
  });

  test("has its links, most unique clicks first, and pages of them", async () => {
    const one = { url: LINKS.one, clicks: tally(2, 2), humanClicks: tally(1, 1) };
    const two = { url: LINKS.two, clicks: tally(1, 1), humanClicks: tally(1, 1) };
    const link = "{ url clicks { total unique } humanClicks { total unique } }";
    const page = (args: string) => `{ campaign(externalId: "${CAMPAIGN}") { links(${args}) {
      nodes ${link} edges { cursor node ${link} } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    } } }`;
    interface Links {
      campaign: { links: { nodes: unknown[]; edges: { cursor: string; node: unknown }[]; pageInfo: unknown } };
    }
    const first = (await product.graphql<Links>(key, page("first: 1"))).data.campaign.links;
    const cursor = first.edges[0]?.cursor ?? "";
    expect(first).toEqual({
      nodes: [one],
      edges: [{ cursor, node: one }],
      pageInfo: { hasNextPage: true, hasPreviousPage: false, startCursor: cursor, endCursor: cursor },
    });
    const next = (await product.graphql<Links>(key, page(`first: 5, after: "${cursor}"`))).data.campaign.links;
    expect(next.nodes).toEqual([two]);
    const back = await product.graphql<Links>(key, page(`last: 5, before: "${next.edges[0]?.cursor}"`));
    expect(back.data.campaign.links.nodes).toEqual([one]);
    expect((await product.graphql<Links>(key, page("last: 1"))).data.campaign.links.nodes).toEqual([two]);
  });

  test("shows what is known of it", async () => {
    const { data } = await product.graphql(
      key,
      `{ campaign(externalId: "${CAMPAIGN}") {
           id externalId name subject tags sentAt createdAt updatedAt archivedAt
         } }`,
    );
    expect(data).toEqual({
      campaign: {
        id: expect.any(String),
        externalId: CAMPAIGN,
        name: CAMPAIGN,
        subject: null,
        tags: [],
        sentAt: "2026-11-01T10:00:00.000Z",
        createdAt: expect.stringMatching(/^20.*Z$/),
        updatedAt: expect.stringMatching(/^20.*Z$/),
        archivedAt: null,
      },
    });
  });
});

test("a range is widened to the quarter-hours that it touches, and the answer says so", async () => {
  const { data } = await product.graphql(
    key,
    `{ campaign(externalId: "${CAMPAIGN}") {
         metrics(range: { from: "2026-11-01T10:31:10Z", to: "2026-11-01T10:31:20+00:00" }) { from to opened { total } }
       } }`,
  );
  expect(data).toEqual({
    campaign: {
      metrics: { from: "2026-11-01T10:30:00.000Z", to: "2026-11-01T10:45:00.000Z", opened: { total: 1 } },
    },
  });
});

test.each([
  ["a range that runs backward", `metrics(range: { from: "2026-11-02T00:00:00Z", to: "2026-11-01T00:00:00Z" })`],
  ["an empty range", `metrics(range: { from: "2026-11-02T00:00:00Z", to: "2026-11-02T00:00:00Z" })`],
  [
    "a series of more than 3,000 points",
    `series(range: { from: "2026-01-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }, granularity: QUARTER_HOUR)`,
  ],
  ["a page of none", "links(first: 0)"],
  ["a page of 101", "links(first: 101)"],
  ["a page from both ends", "links(first: 1, last: 1)"],
])("%s is refused with a clear error that names the field", async (_name, field) => {
  const { errors } = await product.graphql(key, `{ campaign(externalId: "${CAMPAIGN}") { ${field} { __typename } } }`);
  expect(errors?.map((error) => error.extensions)).toEqual([
    { code: "BAD_INPUT", field: expect.arrayContaining([expect.stringMatching(/^(?:range|granularity|first|last)$/)]) },
  ]);
});

test.each(["yesterday", "2026-11-01", "2026-11-01T00:00:00", "2026-02-30T00:00:00Z"])(
  "the time %j is refused",
  async (time) => {
    const { status, errors } = await product.graphql(
      key,
      `query ($range: DateTimeRange!) { kpis(range: $range) { metrics { from } } }`,
      { range: { from: time, to: "2026-11-02T00:00:00Z" } },
    );
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions).toEqual({ code: "BAD_INPUT" });
    expect(errors?.[0]?.message).toContain("range.from");
  },
);
