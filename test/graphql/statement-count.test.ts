import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

const names: string[] = [];
let product: Product;
let key: string;

/** What every request costs whatever it asks: who it is, and the version of the tenant's data. */
const isOverhead = (name: string) => name === "tenants.read_states" || name.startsWith("api_keys.");

beforeAll(async () => {
  product = await startProduct({ onStatement: (name) => names.push(name) });
});
afterAll(() => product.stop());
// A tenant of its own for each test: of another one nothing is cached.
beforeEach(async () => {
  ({ key } = await product.createTenant("Europe/Berlin"));
  const events = Array.from({ length: 25 }, (_, index) => {
    const common = { campaignExternalId: `c${index}`, recipient: `r${index}@example.com` };
    const url = `https://example.com/${index}`;
    return [
      { ...common, type: "SENT", occurredAt: "2026-10-30T10:00:00Z" },
      { ...common, type: "CLICKED", url, occurredAt: "2026-10-30T11:00:00Z" },
      { ...common, type: "CONVERTED", amount: "5", currency: "EUR", occurredAt: "2026-10-30T12:00:00Z" },
    ];
  }).flat();
  await recordEvents(product, key, events);
  await product.settled(key);
});

/** The statements of one query, without the worker's and without what every request costs. */
async function statementsOf<Data>(query: string): Promise<{ data: Data; statements: string[] }> {
  await product.settled(key);
  names.length = 0;
  const { data, errors } = await product.graphql<Data>(key, query);
  expect(errors).toBeUndefined();
  // Without the part that tells which measures are read.
  const statements = names
    .filter((name) => !isOverhead(name) && !WORKERS.test(name))
    .map((name) => name.replace(/^(metrics\.(?:buckets|find_campaign_totals).*)\.\w+$/, "$1"));
  return { data, statements };
}

/** What the worker runs whenever it looks for work. */
const WORKERS = /^(?:inbox|outbox|projector|worker|maintenance|partitions|rebuild_days)\./;

const RANGE = `range: { from: "2026-10-20T00:00:00Z", to: "2026-11-19T00:00:00Z" }`;

interface Page {
  readonly campaigns: {
    readonly nodes: readonly {
      metrics: { sent: { unique: number }; revenue: { amount: string }[] };
      series: { metrics: { sent: { unique: number } } }[];
      links: { nodes: { clicks: { unique: number } }[] };
    }[];
  };
}

function pageQuery(metricsArgs: string, seriesArgs: string): string {
  return `{ campaigns(first: 20) { nodes {
    name
    metrics${metricsArgs} { sent { unique } revenue { amount } openRate { value } }
    series(${RANGE}, granularity: DAY${seriesArgs}) { start metrics { sent { unique } revenue { amount currency } } }
    links(first: 5) { nodes { url clicks { unique } } }
  } } }`;
}

describe("a page of 20 campaigns with metrics, a 30-day series and their top links", () => {
  test("takes four statements on a cold cache, and none on a warm one", async () => {
    const query = pageQuery("", "");
    const { data, statements } = await statementsOf<Page>(query);
    expect(statements.toSorted()).toEqual([
      "campaigns.by_created_at.desc.first",
      "metrics.buckets.each_campaign.rows_sums",
      "metrics.find_campaign_totals",
      "metrics.find_first_links",
    ]);
    expect(data.campaigns.nodes).toHaveLength(20);
    for (const node of data.campaigns.nodes) {
      expect(node.metrics.sent.unique).toBe(1);
      expect(node.series).toHaveLength(31);
      expect(node.series.filter(({ metrics }) => metrics.sent.unique === 1)).toHaveLength(1);
      expect(node.links.nodes).toHaveLength(1);
    }
    expect((await statementsOf(query)).statements).toEqual([]);
  });

  test("takes four statements when the metrics have a range of their own and the days another zone", async () => {
    const { data, statements } = await statementsOf<Page>(
      pageQuery(`(${RANGE}, basis: SEND)`, `, timeZone: "Asia/Kathmandu", traffic: HUMAN`),
    );
    expect(statements.toSorted()).toEqual([
      "campaigns.by_created_at.desc.first",
      "metrics.buckets.each_campaign.none_sums",
      "metrics.buckets.each_campaign.sums_sums",
      "metrics.find_first_links",
    ]);
    expect(data.campaigns.nodes.every(({ metrics }) => metrics.sent.unique === 1)).toBe(true);
  });
});

test("the audit trails of 20 campaigns take one statement, however deep they are read, and none of the event log", async () => {
  const query = (args: string) =>
    `{ campaigns(first: 20) { nodes { auditTrail(${args}) { nodes { action actor { name } after } pageInfo { endCursor } } } } }`;
  const { data, statements } = await statementsOf<{ campaigns: { nodes: { auditTrail: { nodes: unknown[] } }[] } }>(
    query("first: 3"),
  );
  expect(statements).toEqual(["campaigns.by_created_at.desc.first", "audit.find_newest"]);
  expect(data.campaigns.nodes.map(({ auditTrail }) => auditTrail.nodes.length)).toEqual(Array(20).fill(1));
  expect((await statementsOf(query("last: 3"))).statements).toEqual(["audit.find_oldest"]);
});

test("the metrics and the comparison of KPIs take a statement each, with freshness before them", async () => {
  const { statements } = await statementsOf(
    `{ kpis(${RANGE}, compareTo: PREVIOUS_PERIOD) {
         metrics { sent { unique } } comparison { metrics { sent { unique } } } freshness { pendingEvents }
       } }`,
  );
  expect(statements).toHaveLength(3);
  expect(statements[0]).toBe("freshness.find_pending");
});

test("events with their campaigns take two statements for each page", async () => {
  const { statements } = await statementsOf(
    `{ events(filter: { occurredAt: { from: "2026-10-20T00:00:00Z", to: "2026-11-19T00:00:00Z" } }) {
         nodes { id recipient campaign { name } } } }`,
  );
  expect(statements).toHaveLength(2);
});

test("a campaign's first page of events takes one statement where what came since its sending fills it, else two", async () => {
  const pages = async (args: string) => {
    const query = `{ campaign(externalId: "c3") { events(${args}) { nodes { occurredAt } } } }`;
    const { data, statements } = await statementsOf<{ campaign: { events: { nodes: unknown[] } } }>(query);
    return {
      events: data.campaign.events.nodes.length,
      statements: statements.filter((name) => name.startsWith("events.")).length,
    };
  };
  expect(await pages("first: 2")).toEqual({ events: 2, statements: 1 });
  expect(await pages("first: 3")).toEqual({ events: 3, statements: 2 });
  expect(await pages("last: 2")).toEqual({ events: 2, statements: 1 });
  // Nobody expects a page of what is rare.
  expect(await pages("first: 3, types: [CONVERTED, COMPLAINED]")).toEqual({ events: 1, statements: 1 });
});
