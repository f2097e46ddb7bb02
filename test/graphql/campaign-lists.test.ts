import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CAMPAIGN_ORDER_FIELDS } from "../../src/campaigns/campaign-order.js";
import { type Product, startProduct } from "../support/product.js";
import { type EventFields, recordEvents } from "../support/record-events.js";

let product: Product;
let key: string;

interface Listed {
  readonly name: string;
  readonly createdAt: string;
  readonly sentAt: string | null;
  readonly metrics: Record<string, unknown> & {
    readonly sent: { readonly total: number };
    readonly openRate: { readonly value: number | null };
    readonly clickRate: { readonly value: number | null };
    readonly bounceRate: { readonly value: number | null };
    readonly revenue: readonly { readonly amount: string; readonly currency: string }[];
  };
}
interface Page {
  readonly campaigns: {
    readonly nodes: readonly Listed[];
    readonly pageInfo: {
      hasNextPage: boolean;
      hasPreviousPage: boolean;
      startCursor: string | null;
      endCursor: string | null;
    };
    readonly totalCount: number;
  };
}

const LIST = `query ($filter: CampaignFilter, $orderBy: CampaignOrder,
    $first: Int, $after: String, $last: Int, $before: String) {
  campaigns(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
    nodes {
      name createdAt sentAt
      metrics { sent { total } openRate { value } clickRate { value } bounceRate { value } revenue { amount currency } }
    }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}`;

async function list(variables: Record<string, unknown>): Promise<Page["campaigns"]> {
  const { data, errors } = await product.graphql<Page>(key, LIST, variables);
  expect(errors).toBeUndefined();
  return data.campaigns;
}

/** Campaign `index` sent to `index` recipients; every third of them opened, clicked, bought or bounced, by its number. */
function eventsOf(name: string, index: number): EventFields[] {
  return Array.from({ length: index }, (_, recipient) => {
    const common = { campaignExternalId: name, recipient: `r${recipient}@example.com` };
    const at = (hour: number) => ({ occurredAt: `2026-11-${10 + index}T${hour}:00:00Z` });
    const engaged = [
      { type: "OPENED" },
      { type: "CLICKED", url: "https://example.com/" },
      { type: "BOUNCED", statusCode: "550" },
    ][(recipient + index) % 3];
    return [
      { ...common, type: "SENT", ...at(10) },
      { ...common, ...engaged, ...at(11) },
      ...(index % 2 === 0 ? [{ ...common, type: "CONVERTED", amount: `${index}.5`, currency: "EUR", ...at(12) }] : []),
    ];
  }).flat();
}

beforeAll(async () => {
  product = await startProduct();
  ({ key } = await product.createTenant());
  const names = ["Zebra", "apple", "Äpfel", "mango", "100% off", "kiwi_1", "fig"];
  for (const [index, name] of names.entries()) {
    const input = {
      name,
      externalId: name,
      subject: `Subject ${index}`,
      tags: index % 2 === 0 ? ["even"] : ["odd", "x"],
    };
    await product.graphql(
      key,
      "mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } } }",
      { input },
    );
    if (index > 0) await recordEvents(product, key, eventsOf(name, index));
  }
  const { data } = await product.graphql<{ createCampaign: { campaign: { id: string } } }>(
    key,
    `mutation { createCampaign(input: { name: "gone" }) { campaign { id } } }`,
  );
  await product.graphql(key, "mutation ($id: ID!) { archiveCampaign(id: $id) { campaign { id } } }", {
    id: data.createCampaign.campaign.id,
  });
  await product.settled(key);
});
afterAll(() => product.stop());

type Value = string | number | null;
const VALUE_OF: Record<(typeof CAMPAIGN_ORDER_FIELDS)[number], (node: Listed) => Value> = {
  CREATED_AT: (node) => node.createdAt,
  SENT_AT: (node) => node.sentAt,
  NAME: (node) => node.name,
  SENT: (node) => node.metrics.sent.total,
  OPEN_RATE: (node) => node.metrics.openRate.value,
  CLICK_RATE: (node) => node.metrics.clickRate.value,
  BOUNCE_RATE: (node) => node.metrics.bounceRate.value,
  REVENUE: (node) => {
    const amount = node.metrics.revenue.find(({ currency }) => currency === "EUR")?.amount;
    return amount === undefined ? null : Number(amount);
  },
};

/** Nulls last in both directions. */
function isInOrder(values: readonly Value[], direction: string): boolean {
  return values.every((value, index) => {
    const next = values[index + 1];
    if (next === undefined || next === null) return true;
    if (value === null) return false;
    return direction === "ASC" ? value <= next : value >= next;
  });
}

describe.each(CAMPAIGN_ORDER_FIELDS)("campaigns by %s", (field) => {
  test.each(["ASC", "DESC"])("come in order, %s, nulls last, forward and backward alike", async (direction) => {
    const orderBy = { field, direction, ...(field === "REVENUE" && { currency: "eur" }) };
    const whole = await list({ orderBy, first: 100 });
    expect(whole.totalCount).toBe(7);
    expect(whole.nodes).toHaveLength(7);
    const values = whole.nodes.map(VALUE_OF[field]);
    expect(new Set(values).size).toBeGreaterThan(1);
    expect(values).toSatisfy((all: Value[]) => isInOrder(all, direction));

    const forward: string[] = [];
    let after: string | null = null;
    do {
      const page: Page["campaigns"] = await list({ orderBy, first: 2, after });
      forward.push(...page.nodes.map(({ name }) => name));
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after !== null);
    const backward: string[] = [];
    let before: string | null = null;
    do {
      const page: Page["campaigns"] = await list({ orderBy, last: 3, before });
      backward.unshift(...page.nodes.map(({ name }) => name));
      before = page.pageInfo.hasPreviousPage ? page.pageInfo.startCursor : null;
    } while (before !== null);
    const names = whole.nodes.map(({ name }) => name);
    expect(forward).toEqual(names);
    expect(backward).toEqual(names);
  });
});

test.each([
  [{ search: "APPLE" }, ["apple"]],
  [{ search: "äPF" }, ["Äpfel"]],
  [{ search: "%" }, ["100% off"]],
  [{ search: "_" }, ["kiwi_1"]],
  [{ search: "subject 3" }, ["mango"]],
  [{ search: "nobody's" }, []],
  [{ tags: ["even"] }, ["100% off", "Zebra", "fig", "Äpfel"]],
  [{ tags: ["x", "even"], search: "k" }, ["kiwi_1"]],
  [{ tags: [] }, []],
  [{ tags: null, externalIds: null, search: null }, ["100% off", "Zebra", "apple", "fig", "kiwi_1", "mango", "Äpfel"]],
  [{ externalIds: ["fig", "Zebra", "none"] }, ["Zebra", "fig"]],
  [{ externalIds: [] }, []],
  [{ sentAt: { from: "2026-11-12T10:00:00Z", to: "2026-11-13T10:00:00Z" } }, ["Äpfel"]],
  [{ createdAt: { from: "2020-01-01T00:00:00Z", to: "2020-01-02T00:00:00Z" } }, []],
  [{ includeArchived: true, search: "gone" }, ["gone"]],
  [{ search: "gone" }, []],
])("the filter %j leaves %j, and counts them", async (filter, expected) => {
  const { nodes, totalCount } = await list({ filter, orderBy: { field: "NAME", direction: "ASC" } });
  expect(nodes.map(({ name }) => name)).toEqual(expected);
  expect(totalCount).toBe(expected.length);
});

test.each([
  [{ orderBy: { field: "REVENUE", direction: "ASC" } }, ["orderBy", "currency"]],
  [{ orderBy: { field: "NAME", direction: "ASC", currency: "EUR" } }, ["orderBy", "currency"]],
  [{ filter: { sentAt: { from: "2026-11-02T00:00:00Z", to: "2026-11-01T00:00:00Z" } } }, ["filter", "sentAt"]],
  [{ filter: { search: "\u0000" } }, ["filter", "search"]],
  [{ first: 0 }, ["first"]],
  [{ last: 101 }, ["last"]],
  [{ first: 1, last: 1 }, ["last"]],
])("%j is refused, naming the field", async (variables, field) => {
  const { status, errors } = await product.graphql(key, LIST, variables);
  expect(status).toBe(400);
  expect(errors?.[0]?.extensions).toEqual({ code: "BAD_INPUT", field });
});
