/**
 * A key that is limited to campaigns by tag is held against a key of another tenant that sees everything, where there is
 * nothing but what the limited one may see: whatever both ask, the answers are the same.
 */
import { isObjectType, parse, TypeInfo, visit, visitWithTypeInfo } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPublicSchema } from "../../src/graphql/schema.js";
import { encodeGlobalId, uuidv7 } from "../../src/ids.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { TEN_EVENTS } from "../support/ten-events.js";

const VISIBLE = { red: ["partner"], green: ["fall", "partner"] } as const;
const HIDDEN = { blue: [], gray: ["fall", "Partner", "partner "] } as const;
const RANGE = `{ from: "2026-11-01T00:00:00Z", to: "2026-11-03T00:00:00Z" }`;

interface Side {
  /** Sees what is to be compared. */
  readonly key: string;
  readonly manager: string;
  /** By external id. Where a tenant has no such campaign, an id that nobody has. */
  readonly campaigns: Readonly<Record<string, string>>;
  readonly events: Readonly<Record<string, string>>;
}

let product: Product;
let limited: Side;
/** A key of the same tenant and with the same scopes, but for the limit; and one with another limit. */
let beside: readonly string[];
let alone: Side;

async function makeTenant(campaigns: Readonly<Record<string, readonly string[]>>): Promise<Omit<Side, "key">> {
  const { key: manager } = await product.createTenant();
  const ids: Record<string, string> = {};
  const events: Record<string, string> = {};
  for (const name of [...Object.keys(VISIBLE), ...Object.keys(HIDDEN)]) {
    ids[name] = encodeGlobalId("Campaign", uuidv7());
    events[name] = encodeGlobalId("Event", "SENT", "1793527200000000", uuidv7());
  }
  for (const [name, tags] of Object.entries(campaigns)) {
    const input = { externalId: name, name: `Campaign ${name}`, tags };
    const made = await product.graphql<{ createCampaign: { campaign: { id: string } } }>(
      manager,
      "mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } } }",
      { input },
    );
    ids[name] = made.data.createCampaign.campaign.id;
    const own = TEN_EVENTS.map((event) => ({
      ...event,
      campaignExternalId: name,
      eventId: `${name} ${String(event["eventId"])}`,
    }));
    await recordEvents(product, manager, own);
  }
  await product.settled(manager);
  for (const name of Object.keys(campaigns)) {
    const { data } = await product.graphql<{ campaign: { events: { nodes: { id: string }[] } } }>(
      manager,
      `{ campaign(id: "${ids[name]}") { events(first: 1) { nodes { id } } } }`,
    );
    events[name] = data.campaign.events.nodes[0]?.id ?? "";
  }
  return { manager, campaigns: ids, events };
}

async function limitedKey(manager: string, input: Record<string, unknown> = {}) {
  const { data } = await product.graphql<{
    createApiKey: {
      secret: string | null;
      apiKey: { id: string; campaignTags: string[] | null } | null;
      userErrors: { code: string; field: string[] }[];
    };
  }>(
    manager,
    `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) {
       secret apiKey { id campaignTags } userErrors { code field } } }`,
    { input: { name: "n", scopes: ["READ_METRICS", "READ_EVENTS"], campaignTags: ["partner"], ...input } },
  );
  return data.createApiKey;
}

beforeAll(async () => {
  product = await startProduct();
  const whole = await makeTenant({ ...VISIBLE, ...HIDDEN });
  limited = { ...whole, key: (await limitedKey(whole.manager)).secret ?? "" };
  const others = [await limitedKey(whole.manager, { campaignTags: null })];
  others.push(await limitedKey(whole.manager, { campaignTags: ["fall"] }));
  beside = others.map(({ secret }) => secret ?? "");
  const part = await makeTenant(VISIBLE);
  alone = { ...part, key: (await limitedKey(part.manager, { campaignTags: null })).secret ?? "" };
});
afterAll(() => product.stop());

const METRICS = "metrics { sent { total unique } clicked { total unique } revenue { amount currency } }";
const EVENTS = "edges { node { __typename occurredAt recipient campaign { name tags } } } pageInfo { hasNextPage }";
const CAMPAIGN = `name externalId tags ${METRICS} series(range: ${RANGE}, granularity: DAY) { start ${METRICS} }
  links { nodes { url clicks { total unique } } } events(first: 100) { ${EVENTS} }`;
const KPIS = `metrics { sent { total unique } opened { unique } } series(granularity: DAY) { metrics { sent { total } } }
  comparison { metrics { sent { total } } }`;

/** Every way to a campaign or its numbers, with every id there is. */
function documents({ campaigns, events }: Side): string[] {
  const lists = ["", `filter: { tags: ["fall"] }`, `filter: { tags: [] }`, `filter: { tags: ["Partner", "partner "] }`];
  lists.push(
    `filter: { externalIds: ["blue", "red"] }`,
    `filter: { search: "campaign" }`,
    `filter: { search: "blue" }`,
  );
  lists.push(`filter: { includeArchived: true }`);
  for (const field of ["NAME", "SENT", "OPEN_RATE", "SENT_AT"])
    lists.push(`orderBy: { field: ${field}, direction: ASC }`);
  const filters = ["", `filter: {}`, `filter: { tags: ["fall"] }`, `filter: { tags: [] }`];
  for (const id of Object.values(campaigns)) filters.push(`filter: { campaignIds: ["${id}"] }`);
  const all = Object.values(campaigns).map((id) => JSON.stringify(id));
  filters.push(`filter: { campaignIds: [${all.join(", ")}], tags: ["fall"] }`);
  return [
    ...lists.map((list) => `{ campaigns(first: 10, ${list}) { totalCount nodes { name tags } } }`),
    `{ campaigns(last: 10) { totalCount nodes { ${CAMPAIGN} } } }`,
    ...filters.map((filter) => `{ kpis(range: ${RANGE}, compareTo: PREVIOUS_PERIOD, ${filter}) { ${KPIS} } }`),
    ...Object.entries(campaigns).flatMap(([name, id]) => [
      `{ campaign(externalId: "${name}") { ${CAMPAIGN} } }`,
      `{ campaign(id: "${id}") { ${CAMPAIGN} } }`,
      `{ node(id: "${id}") { __typename ... on Campaign { ${CAMPAIGN} } } }`,
      `{ events(filter: { occurredAt: ${RANGE}, campaignId: "${id}" }, first: 100) { ${EVENTS} } }`,
      `{ events(filter: { occurredAt: ${RANGE}, campaignId: "${id}", recipient: "ann@example.com" }, first: 9) { ${EVENTS} } }`,
    ]),
    `{ nodes(ids: [${[...all, ...Object.values(events).map((id) => JSON.stringify(id))].join(", ")}]) {
       __typename ... on Campaign { name } ... on Event { occurredAt campaign { name } } } }`,
    ...Object.values(events).map(
      (id) => `{ node(id: "${id}") { __typename ... on Event { recipient campaign { name } } } }`,
    ),
    "{ viewer { scopes } }",
  ];
}

async function answers(side: Side): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const document of documents(side)) {
    const { status, data, errors } = await product.graphql<unknown>(side.key, document);
    expect(errors, document).toBeUndefined();
    all.push({ status, data });
  }
  return all;
}

describe("a key that is limited to campaigns by tag", () => {
  test.each(["cold", "warm", "given again whole"])("is answered as if there were no others: %s", async () => {
    // Those who see something else have asked the same before, of the same server.
    for (const key of beside) await answers({ ...limited, key });
    const [seen, expected] = [await answers(limited), await answers(alone)];
    for (const [index, document] of documents(limited).entries()) {
      expect(seen[index], document).toEqual(expected[index]);
    }
    expect(JSON.stringify(seen)).not.toMatch(/blue|gray/);
    expect(JSON.stringify(seen)).toMatch(/red.*green|green.*red/);
  });

  test("is held against the other in every field that it can reach", () => {
    const schema = buildPublicSchema();
    const asked = new Set<string>();
    for (const document of documents(limited)) {
      const types = new TypeInfo(schema);
      const enter = () => void asked.add(`${types.getParentType()?.name}.${types.getFieldDef()?.name}`);
      visit(parse(document), visitWithTypeInfo(types, { Field: { enter } }));
    }
    const isClosed = (description: string | null | undefined) =>
      /Needs the scope (?!READ_METRICS|READ_EVENTS)[A-Z_]+\./.test(description ?? "");
    const places = Object.values(schema.getTypeMap())
      .filter(isObjectType)
      .filter(({ name }) => name !== "Mutation" && !name.startsWith("__"))
      .flatMap((type) =>
        Object.values(type.getFields())
          .filter((field) => field.resolve !== undefined && !isClosed(field.description))
          .map((field) => [type, ...type.getInterfaces()].map(({ name }) => `${name}.${field.name}`)),
      );
    const unasked = places.filter((names) => !names.some((name) => asked.has(name))).map(([name]) => name);
    // The tenant's as a whole, and told to everybody: how far behind its numbers are. A dead letter is out of reach.
    expect(unasked.toSorted()).toEqual(["DeadLetter.event", "KpiReport.freshness"]);
  });

  test("names a campaign where it asks for events", async () => {
    const { errors } = await product.graphql(
      limited.key,
      `{ events(filter: { occurredAt: ${RANGE} }) { nodes { id } } }`,
    );
    expect(errors).toMatchObject([{ extensions: { code: "BAD_INPUT", field: ["filter", "campaignId"] } }]);
  });

  test("sees a campaign from when it is given the tag until it is taken away", async () => {
    const tagged = async (tags: readonly string[]) => {
      const input = { id: limited.campaigns["blue"], tags };
      await product.graphql(
        limited.manager,
        "mutation ($input: UpdateCampaignInput!) { updateCampaign(input: $input) { userErrors { code } } }",
        { input },
      );
      const { data } = await product.graphql<{ campaigns: { totalCount: number }; campaign: unknown }>(
        limited.key,
        `{ campaigns { totalCount } campaign(externalId: "blue") { name } }`,
      );
      return [data.campaigns.totalCount, data.campaign];
    };
    expect(await tagged(["partner"])).toEqual([3, { name: "Campaign blue" }]);
    expect(await tagged([])).toEqual([2, null]);
  });

  test("finds a campaign that it sees by a name that a hidden one has taken since", async () => {
    const run = async (field: string, argument: string, type: string, value: unknown) => {
      const { data } = await product.graphql<{ changed: { campaign: { id: string } } }>(
        limited.manager,
        `mutation ($value: ${type}) { changed: ${field}(${argument}: $value) { campaign { id } } }`,
        { value },
      );
      return data.changed.campaign.id;
    };
    const create = (name: string, tags: readonly string[]) =>
      run("createCampaign", "input", "CreateCampaignInput!", { externalId: "spring", name, tags });
    await run("archiveCampaign", "id", "ID!", await create("Visible spring", ["partner"]));
    const found = () => product.graphql(limited.key, `{ campaign(externalId: "spring") { name } }`);
    const before = await found();
    await create("Hidden spring", ["red"]);
    expect(before.data).toEqual({ campaign: { name: "Visible spring" } });
    expect((await found()).data).toEqual(before.data);
  });

  test("is charged for a hidden campaign's id like for one that there is not, however often it asks", async () => {
    const costs = async (id: string) => {
      const actual: unknown[] = [];
      for (let time = 0; time < 4; time++) {
        const { extensions } = await product.graphql(limited.key, "query ($id: ID!) { campaign(id: $id) { name } }", {
          id,
        });
        actual.push(extensions?.cost.actual);
      }
      return actual;
    };
    expect(await costs(limited.campaigns["gray"] ?? "")).toEqual(await costs(encodeGlobalId("Campaign", uuidv7())));
  });

  test("does not take cursors of a key that sees more", async () => {
    const page = (key: string, after = "") =>
      product.graphql<{ campaigns: { pageInfo: { endCursor: string } } }>(
        key,
        `{ campaigns(first: 1 ${after}) { pageInfo { endCursor } } }`,
      );
    const { data } = await page(limited.manager);
    const { errors } = await page(limited.key, `after: "${data.campaigns.pageInfo.endCursor}"`);
    expect(errors?.[0]?.extensions["code"]).toBe("BAD_CURSOR");
  });

  test.each([
    [{ campaignTags: [] }, "campaignTags"],
    [{ campaignTags: [""] }, "campaignTags"],
    [{ campaignTags: Array.from({ length: 51 }, (_, tag) => String(tag)) }, "campaignTags"],
    [{ scopes: ["READ_METRICS", "WRITE_EVENTS"] }, "scopes"],
    [{ scopes: ["MANAGE_KEYS"] }, "scopes"],
  ])("is not made of bad input (%#)", async (input, field) => {
    expect(await limitedKey(limited.manager, input)).toEqual({
      secret: null,
      apiKey: null,
      userErrors: [{ code: "BAD_INPUT", field: ["input", field] }],
    });
  });

  test("shows its tags, and keeps them when it is rotated", async () => {
    const made = await limitedKey(limited.manager, { campaignTags: ["partner", "b", "partner"] });
    expect(made.apiKey?.campaignTags).toEqual(["b", "partner"]);
    const { data } = await product.graphql<{ rotateApiKey: { secret: string; apiKey: { campaignTags: string[] } } }>(
      limited.manager,
      `mutation ($id: ID!) { rotateApiKey(id: $id, overlapSeconds: 60) { secret apiKey { campaignTags } } }`,
      { id: made.apiKey?.id },
    );
    expect(data.rotateApiKey.apiKey.campaignTags).toEqual(["b", "partner"]);
    for (const secret of [made.secret, data.rotateApiKey.secret]) {
      const seen = await product.graphql(secret, "{ campaigns { totalCount } }");
      expect(seen.data).toEqual({ campaigns: { totalCount: 2 } });
    }
  });
});
