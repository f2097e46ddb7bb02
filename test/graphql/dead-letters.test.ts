import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { encodeGlobalId, type ReceiptId, type TenantId, uuidv7 } from "../../src/ids.js";
import { listDeadLetters } from "../../src/ingest/dead-letters/dead-letters-of-all.js";
import { DEAD_REASONS } from "../../src/ingest/dead-letters/dead-reason.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { accepted, poisoned, slipIn } from "../ingest/dead-letters/poison.js";
import { type Product, startProduct } from "../support/product.js";

interface Side {
  readonly tenantId: TenantId;
  readonly key: string;
  readonly receipts: readonly ReceiptId[];
}

interface Letters {
  readonly deadLetters: {
    readonly nodes: readonly Readonly<Record<string, unknown> & { id: string }>[];
    readonly edges: readonly { readonly cursor: string; readonly node: { readonly id: string } }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly hasPreviousPage: boolean };
  };
}

let product: Product;
let mine: Side;
let theirs: Side;

/** Two calls, with two events at fault in the first and one in the second. */
async function prepare(): Promise<Side> {
  const { tenantId, key } = await product.createTenant();
  const { events } = product.pools;
  const receipts = [
    await slipIn(events, tenantId, [accepted("good"), poisoned("a"), poisoned("b")]),
    await slipIn(events, tenantId, [poisoned("c")]),
  ];
  await product.settled(key);
  return { tenantId, key, receipts };
}

beforeAll(async () => {
  product = await startProduct();
  mine = await prepare();
  theirs = await prepare();
});
afterAll(() => product.stop());

const LIST = `query ($first: Int, $after: String, $last: Int, $before: String, $receiptId: ID) {
  deadLetters(first: $first, after: $after, last: $last, before: $before, receiptId: $receiptId) {
    nodes { id receiptId reasonCode reason attempts eventCount receivedAt firstFailedAt diedAt type eventId campaignId occurredAt }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage } } }`;
const list = async (key: string, variables: Record<string, unknown> = {}) => {
  const answer = await product.graphql<Letters>(key, LIST, variables);
  expect(answer.errors).toBeUndefined();
  return answer.data.deadLetters;
};
const idsOf = async (key: string) => (await list(key)).nodes.map(({ id }) => id);
const change = (key: string, name: "replay" | "discard", ids: readonly string[]) =>
  product.graphql<Record<string, unknown>>(
    key,
    `mutation ($ids: [ID!]!) { ${name}DeadLetters(input: { ids: $ids }) {
       count: ${name}edCount userErrors { code field message } } }`,
    { ids },
  );
const receiptOf = async ({ key }: Side, id: ReceiptId | undefined) =>
  (
    await product.graphql(
      key,
      "query ($id: ID!) { node(id: $id) { ... on IngestReceipt { status recordedCount reasonCode reason } } }",
      { id: encodeGlobalId("IngestReceipt", id ?? "") },
    )
  ).data;

const NOT_FOUND = { code: "NOT_FOUND", field: ["input", "ids"], message: expect.any(String) };

test("letters come newest first, each with what a client may know of it", async () => {
  const { nodes, pageInfo } = await list(mine.key);
  expect(nodes).toHaveLength(3);
  const died = nodes.map(({ diedAt }) => String(diedAt));
  expect(died).toEqual(died.toSorted().toReversed());
  for (const node of nodes) {
    expect(node).toEqual({
      id: expect.any(String),
      receiptId: encodeGlobalId("IngestReceipt", mine.receipts[node["eventId"] === "c" ? 1 : 0] ?? ""),
      reasonCode: "INVALID_VALUE",
      reason: DEAD_REASONS.INVALID_VALUE,
      attempts: 3,
      eventCount: 1,
      receivedAt: expect.stringMatching(/Z$/),
      firstFailedAt: expect.stringMatching(/Z$/),
      diedAt: expect.stringMatching(/Z$/),
      type: "SENT",
      eventId: expect.stringMatching(/^[abc]$/),
      campaignId: null,
      occurredAt: "2026-10-01T00:00:00.000Z",
    });
  }
  expect(pageInfo).toEqual({ hasNextPage: false, hasPreviousPage: false });
});

test("pages of one from either end are the list, and a receipt has its own", async () => {
  const all = await idsOf(mine.key);
  const forward = [];
  for (let after: string | undefined; ;) {
    const page = await list(mine.key, { first: 1, after });
    forward.push(...page.edges.map(({ node }) => node.id));
    after = page.edges[0]?.cursor;
    if (!page.pageInfo.hasNextPage) break;
  }
  const backward = [];
  for (let before: string | undefined; ;) {
    const page = await list(mine.key, { last: 1, before });
    backward.unshift(...page.edges.map(({ node }) => node.id));
    before = page.edges[0]?.cursor;
    if (!page.pageInfo.hasPreviousPage) break;
  }
  expect({ forward, backward }).toEqual({ forward: all, backward: all });
  const ofSecond = await list(mine.key, { receiptId: encodeGlobalId("IngestReceipt", mine.receipts[1] ?? "") });
  expect(ofSecond.nodes.map(({ eventId }) => eventId)).toEqual(["c"]);
  expect((await list(mine.key, { receiptId: "nobody's" })).nodes).toEqual([]);
});

test("nothing of the database's error reaches a client, by whatever field", async () => {
  const [letter] = await writeAsWorker(product.pools.events, (session) =>
    listDeadLetters(session, { tenantId: mine.tenantId, receiptId: null, ids: null }, 1),
  );
  expect(letter?.error).toMatch(/uuid/);
  const { data } = await product.graphql<{ type: { fields: { name: string }[] } }>(
    mine.key,
    `{ type: __type(name: "DeadLetter") { fields { name } } }`,
  );
  const fields = data.type.fields.map(({ name }) => name);
  const answer = await product.graphql(mine.key, `{ deadLetters { nodes { ${fields.join(" ")} } } }`);
  expect(answer.errors).toBeUndefined();
  expect(JSON.stringify(answer.data)).not.toMatch(/uuid|syntax|22P02|event_ids|campaign_links|statement/i);
});

test("the event, with its address, is for keys that may read events, in the form in which it can be sent again", async () => {
  const query = `query ($id: ID!) { node(id: $id) { ... on DeadLetter { eventId event } } }`;
  const id = (await list(mine.key)).nodes.find(({ eventId }) => eventId === "c")?.id;
  const operator = await product.createKey(mine.tenantId, ["OPERATE"]);
  const refused = await product.graphql(operator, query, { id });
  expect(refused.data).toEqual({ node: { eventId: "c", event: null } });
  expect(refused.errors?.map(({ path, extensions }) => [path, extensions["code"]])).toEqual([
    [["node", "event"], "FORBIDDEN"],
  ]);
  expect(JSON.stringify(refused)).not.toContain("example.com");
  const reader = await product.createKey(mine.tenantId, ["OPERATE", "READ_EVENTS"]);
  expect((await product.graphql(reader, query, { id })).data).toEqual({
    node: {
      eventId: "c",
      event: {
        eventId: "c",
        type: "SENT",
        campaignId: "no id",
        recipient: "c@example.com",
        occurredAt: "2026-10-01T00:00:00.000Z",
      },
    },
  });
  // Without OPERATE there is no such object at all.
  const stranger = await product.createKey(mine.tenantId, ["READ_EVENTS"]);
  expect((await product.graphql(stranger, query, { id })).data).toEqual({ node: null });
});

describe("another tenant's letter", () => {
  test("is no node, in no list, and no cursor leads to it", async () => {
    const [id = ""] = await idsOf(theirs.key);
    const { data } = await product.graphql(mine.key, "query ($id: ID!) { node(id: $id) { id } }", { id });
    expect(data).toEqual({ node: null });
    const receiptId = encodeGlobalId("IngestReceipt", theirs.receipts[0] ?? "");
    expect((await list(mine.key, { receiptId })).nodes).toEqual([]);
    const { edges } = await list(theirs.key, { first: 1 });
    const answer = await product.graphql(mine.key, LIST, { after: edges[0]?.cursor });
    expect(answer.errors?.map(({ extensions }) => extensions["code"])).toEqual(["BAD_CURSOR"]);
  });

  test.each(["replay", "discard"] as const)(
    "looks to %s like one that never was, and nothing changes",
    async (name) => {
      const [own = ""] = await idsOf(mine.key);
      const [foreign = ""] = await idsOf(theirs.key);
      const answers = [];
      for (const id of [
        foreign,
        encodeGlobalId("DeadLetter", uuidv7()),
        "nonsense",
        encodeGlobalId("Campaign", uuidv7()),
      ]) {
        answers.push((await change(mine.key, name, [own, id])).data[`${name}DeadLetters`]);
      }
      expect(answers).toEqual(Array.from({ length: 4 }, () => ({ count: null, userErrors: [NOT_FOUND] })));
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect(await idsOf(mine.key)).toHaveLength(3);
      expect(await idsOf(theirs.key)).toHaveLength(3);
    },
  );
});

test("more than 100 ids are refused", async () => {
  const { data } = await change(
    mine.key,
    "replay",
    Array.from({ length: 101 }, () => "x"),
  );
  expect(data["replayDeadLetters"]).toEqual({
    count: null,
    userErrors: [{ code: "BAD_INPUT", field: ["input", "ids"], message: expect.stringContaining("100") }],
  });
});

const mend = defineStatement<"events", [TenantId, campaign: string], never>(
  "events",
  "test.mend",
  "update dead_letters set payload = replace(payload::text, 'no id', $2)::json where tenant_id = $1 and discarded_at is null",
);

test("a receipt says DEAD and why, QUEUED and APPLIED after a replay, and DEAD for good after a discard", async () => {
  const [first, second] = theirs.receipts;
  const dead = { status: "DEAD", reasonCode: "INVALID_VALUE", reason: DEAD_REASONS.INVALID_VALUE };
  expect(await receiptOf(theirs, first)).toEqual({ node: { ...dead, recordedCount: 1 } });
  expect(await receiptOf(theirs, second)).toEqual({ node: { ...dead, recordedCount: 0 } });

  const { nodes } = await list(theirs.key);
  const idOf = (eventId: string) => nodes.find((node) => node["eventId"] === eventId)?.id ?? "";
  const discarded = await change(theirs.key, "discard", [idOf("c")]);
  expect(discarded.data["discardDeadLetters"]).toEqual({ count: 1, userErrors: [] });
  await writeAsWorker(product.pools.events, (session) => session.run(mend(theirs.tenantId, uuidv7())));
  const operator = await product.createKey(theirs.tenantId, ["OPERATE"]);
  const replayed = await change(operator, "replay", [idOf("a"), idOf("b"), idOf("a")]);
  expect(replayed.data["replayDeadLetters"]).toEqual({ count: 2, userErrors: [] });
  await product.settled(theirs.key);

  expect(await receiptOf(theirs, first)).toEqual({
    node: { status: "APPLIED", recordedCount: 3, reasonCode: null, reason: null },
  });
  expect(await receiptOf(theirs, second)).toEqual({
    node: { status: "DEAD", recordedCount: 0, reasonCode: "DISCARDED", reason: DEAD_REASONS.DISCARDED },
  });
  expect(await idsOf(theirs.key)).toEqual([]);
  expect((await change(theirs.key, "replay", [idOf("c")])).data["replayDeadLetters"]).toEqual({
    count: null,
    userErrors: [NOT_FOUND],
  });
});
