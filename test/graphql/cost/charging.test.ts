import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { serve } from "../../../src/serve.js";
import type { Scope } from "../../../src/access/scope.js";
import type { TenantId } from "../../../src/ids.js";
import { type Product, startProduct } from "../../support/product.js";
import { RECORD_EVENTS, recordEvents } from "../../support/record-events.js";
import { startRedis } from "../../support/test-redis.js";
import { costIn, type ToldCost } from "../../support/told-cost.js";
import { waitFor } from "../../support/wait-for.js";

/** As good as nothing comes back while the tests run: what is left is what was not spent. */
const ENV = { COST_BUDGET: "1000", COST_RESTORE_PER_SECOND: "1", MAX_QUERY_COST: "500" };
const statements: string[] = [];
let product: Product;
let tenantId: TenantId;

beforeAll(async () => {
  product = await startProduct({ env: ENV, onStatement: (name) => statements.push(name) });
  ({ tenantId } = await product.createTenant());
});
afterAll(() => product.stop());

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: {
    readonly data?: unknown;
    readonly errors?: readonly { readonly message: string; readonly extensions: Record<string, unknown> }[];
  };
  readonly cost: ToldCost;
  /** Of the request itself. */
  readonly statements: readonly string[];
}

const OTHERS = /^(?:inbox\.(?!insert)|outbox|projector|worker|maintenance|partitions|api_keys|tenants\.read_states)/;

async function post(
  key: string,
  body: unknown,
  { url = product.url, accept = "application/graphql-response+json" } = {},
): Promise<Reply> {
  statements.length = 0;
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, accept },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: JSON.parse(text) as Reply["body"],
    get cost() {
      return costIn(text);
    },
    statements: statements.filter((name) => !OTHERS.test(name)),
  };
}

const newKey = (...scopes: Scope[]): Promise<string> =>
  product.createKey(tenantId, scopes.length === 0 ? ["READ_METRICS", "WRITE_EVENTS", "READ_EVENTS"] : scopes);

/** 1 + 15 + first */
const page = (first: number) => ({ query: `{ campaigns(first: ${first}) { nodes { name } } }` });
/** The same, and never the same twice: nothing of it is kept. */
const anew = (first: number) => ({ query: `${page(first).query} # ${(times += 1)}` });
let times = 0;

async function spendAll(key: string): Promise<void> {
  for (const first of [100, 10]) while ((await post(key, anew(first))).status === 200);
  while ((await post(key, { query: "{ __typename }" })).status === 200);
}

const LINKS = { query: "{ campaigns(first: 20) { nodes { links(first: 100) { nodes { url } } } } }" };

test("an answer tells what was requested, what it cost and what is left, and the heads tell it too", async () => {
  const key = await newKey();
  const { cost, headers } = await post(key, page(100));
  // There are no campaigns: the rows are given back.
  expect(cost).toEqual({ requested: 116, actual: 16, throttle: { maximum: 1_000, available: 984, restoreRate: 1 } });
  expect(headers.get("ratelimit-policy")).toBe('"cost";q=1000;w=1000');
  expect(headers.get("ratelimit")).toBe('"cost";r=984');
});

test("over the budget a call is THROTTLED, 429, with when to come again, and runs nothing", async () => {
  const key = await newKey();
  // Reserved while others run: none of them may spend it.
  const replies = await Promise.all(Array.from({ length: 30 }, () => post(key, anew(100))));
  expect(new Set(replies.map(({ status }) => status))).toContain(200);
  while ((await post(key, anew(100))).status === 200);
  const { status, headers, body, cost, statements: run } = await post(key, anew(100));
  const available = cost.throttle?.available ?? 0;
  expect(status).toBe(429);
  expect(available).toBeLessThan(116);
  const retryAfter = Number(headers.get("retry-after"));
  expect(retryAfter).toBeGreaterThanOrEqual(116 - available - 1);
  expect(retryAfter).toBeLessThanOrEqual(116 - available + 1);
  expect(headers.get("ratelimit")).toBe(`"cost";r=${available};t=${retryAfter}`);
  expect(body.data).toBeUndefined();
  expect(body.errors).toEqual([
    { message: expect.stringContaining("116 points"), extensions: { code: "THROTTLED", retryAfter } },
  ]);
  expect(cost).toMatchObject({ requested: 116, actual: 0 });
  expect(run).toEqual([]);
  // In plain JSON too.
  expect((await post(key, page(100), { accept: "application/json" })).status).toBe(429);
  // Others are let in.
  expect((await post(await newKey(), page(100))).status).toBe(200);
});

test("a mutation that is throttled records nothing", async () => {
  const key = await newKey();
  await spendAll(key);
  const event = {
    type: "SENT",
    campaignExternalId: "c",
    recipient: "a@example.com",
    occurredAt: "2026-11-01T10:00:00Z",
  };
  const reply = await post(key, { query: RECORD_EVENTS, variables: { input: { events: [event] } } });
  expect(reply.status).toBe(429);
  expect(reply.statements).toEqual([]);
  const { rows } = await countOf("inbox");
  expect(rows).toBe(0);
});

test("events cost what was requested for them, however often their document came before", async () => {
  const key = await newKey();
  const event = { type: "SENT", recipient: "a@example.com", occurredAt: "2026-11-01T10:00:00Z" };
  const costs: unknown[] = [];
  // Compiled from the third time on.
  for (let time = 0; time < 4; time++) {
    // None of them is accepted, so that the tables stay empty.
    const { cost } = await post(key, {
      query: RECORD_EVENTS,
      variables: { input: { events: Array.from({ length: 300 }, () => event) } },
    });
    costs.push([cost.requested, cost.actual]);
  }
  const [first] = costs;
  expect(first).toEqual([5, 5]);
  expect(costs).toEqual([first, first, first, first]);
});

test("what an answer shows costs the same however often its document came before", async () => {
  const other = (await product.createTenant()).tenantId;
  const key = await product.createKey(other, ["READ_METRICS", "WRITE_EVENTS"]);
  const clicks = ["a", "b", "c"].map((path) => ({
    type: "CLICKED",
    campaignExternalId: "c",
    recipient: "a@example.com",
    occurredAt: "2026-11-01T10:00:00Z",
    url: `https://example.com/${path}`,
  }));
  await recordEvents(product, key, clicks);
  await product.settled(key);
  // One page shows nothing of its rows but where they end.
  const query = `{ campaigns(first: 10) { nodes {
    metrics { clicked { total } revenue { amount } }
    series(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-06T00:00:00Z" }, granularity: DAY) { start metrics { clicked { total } } }
    links(first: 9) { nodes { url again: url } edges { cursor } } ends: links(first: 8) { pageInfo { hasNextPage } }
  } } }`;
  const costs: unknown[] = [];
  // Compiled from the third time on. No two posts are alike, so that none is answered by what is kept.
  for (let time = 0; time < 4; time++) {
    const { body, cost } = await post(key, { query, variables: { time } });
    expect(body.errors).toBeUndefined();
    costs.push([cost.requested, cost.actual]);
  }
  // Of 10 campaigns there is 1, of 9 links 3, each with a text twice; of the 8 that are not shown all may have been read.
  expect(costs).toEqual(Array.from({ length: 4 }, () => [365, 93]));
});

async function countOf(table: string): Promise<{ rows: number }> {
  const { Client } = await import("pg");
  const client = new Client({ connectionString: product.databases.eventsUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>(`select count(*) from ${table} where tenant_id = $1`, [
      tenantId,
    ]);
    return { rows: Number(rows[0]?.count) };
  } finally {
    await client.end();
  }
}

test("an operation above the maximum is QUERY_TOO_COSTLY, whatever is left, and runs nothing", async () => {
  const key = await newKey();
  const { status, body, cost, headers, statements: run } = await post(key, LINKS);
  expect(status).toBe(400);
  expect(body.data).toBeUndefined();
  expect(body.errors?.[0]?.extensions).toEqual({ code: "QUERY_TOO_COSTLY", requested: 2_051, maximum: 500 });
  expect(headers.get("retry-after")).toBeNull();
  expect(cost).toMatchObject({ requested: 2_051, actual: 1 });
  expect(run).toEqual([]);
  // As of any document that cannot be executed.
  expect((await post(key, LINKS, { accept: "application/json" })).status).toBe(200);
});

describe("a dry run", () => {
  const dry = (body: object) => ({ ...body, extensions: { cost: { dryRun: true } } });

  test("tells the price of a query and runs nothing of it", async () => {
    const key = await newKey();
    for (let time = 0; time < 4; time += 1) {
      const { status, body, cost, statements: run } = await post(key, dry(page(50)));
      expect(status).toBe(200);
      expect(body).toMatchObject({ data: null });
      expect(body.errors).toBeUndefined();
      expect(cost).toMatchObject({ requested: 66, actual: 1, throttle: { available: 999 - time } });
      expect(run).toEqual([]);
    }
  });

  test("tells a price that is too high", async () => {
    const { body, cost } = await post(await newKey(), dry(LINKS));
    expect(body.errors).toBeUndefined();
    expect(cost).toMatchObject({ requested: 2_051, actual: 1 });
  });

  test("of a mutation changes nothing", async () => {
    const event = {
      type: "SENT",
      campaignExternalId: "c",
      recipient: "a@example.com",
      occurredAt: "2026-11-01T10:00:00Z",
    };
    const mutation = { query: RECORD_EVENTS, variables: { input: { events: [event] } } };
    const { body, cost } = await post(await newKey(), dry(mutation));
    expect(body).toMatchObject({ data: null });
    expect(cost).toMatchObject({ requested: 3, actual: 1 });
    expect(await countOf("inbox")).toEqual({ rows: 0 });
  });
});

test("an answer that is given again costs a point, and tells what is left now", async () => {
  const key = await newKey();
  const seen: ToldCost[] = [];
  await waitFor(
    async () => {
      const { cost, status } = await post(key, page(7));
      expect(status).toBe(200);
      seen.push(cost);
      return cost.actual === 1;
    },
    { what: "the answer to be kept" },
  );
  const again = (await post(key, page(7))).cost;
  expect(again).toMatchObject({ requested: 23, actual: 1 });
  const left = (cost: ToldCost | undefined) => cost?.throttle?.available ?? 0;
  expect(left(again)).toBeLessThanOrEqual(left(seen.at(-1)));
  expect(left(again)).toBeGreaterThanOrEqual(left(seen.at(-1)) - 1);
  // Whoever has not even that is throttled as for any other.
  await spendAll(key);
  await waitFor(async () => (await post(key, page(7))).status === 429, { what: "it to be throttled" });
});

test("an answer with errors costs what was requested: what fails takes along what was read beside it", async () => {
  const key = await newKey();
  // 1 + (15 + 31 × 0.1 + 0.01) + (15 + 50)
  const { body, cost } = await post(key, {
    query: `{ kpis(range: { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }) { metrics { sent { unique } } }
      campaigns(first: 50, after: "of no list") { nodes { name } } }`,
  });
  expect(body).toMatchObject({ data: null, errors: [{ extensions: { code: "BAD_CURSOR" } }] });
  expect(cost).toMatchObject({ requested: 85, actual: 85 });
});

test("a document that cannot be executed costs a point", async () => {
  const key = await newKey();
  const { headers, body } = await post(key, { query: "{ nothing }" });
  expect(headers.get("ratelimit")).toBe('"cost";r=999');
  expect(body).not.toHaveProperty("extensions");
});

test("servers share a key's budget over Redis, and go on when it is killed", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const { runtime } = product;
  const config = { ...runtime.config, cache: { ...runtime.config.cache, redisUrl: redis.url } };
  const servers = [await serve({ ...runtime, config }), await serve({ ...runtime, config })];
  onTestFinished(async () => void (await Promise.all(servers.map((server) => server.stop()))));
  const [one, other] = servers.map(({ url }) => url);
  const key = await newKey();
  let granted = 0;
  // 51 at a time, of which nothing comes back.
  const dear = { query: 'mutation { revokeApiKey(id: "x") { userErrors { code } } }' };
  const manager = await newKey("MANAGE_KEYS");
  await waitFor(
    async () => {
      let isOver = true;
      for (const url of [one, other]) {
        const { status } = await post(manager, dear, { url: url ?? "" });
        if (status === 200) granted += 51;
        isOver &&= status === 429;
      }
      return isOver;
    },
    { what: "the budget to be spent" },
  );
  expect(granted).toBeGreaterThanOrEqual(900);
  expect(granted).toBeLessThanOrEqual(1_100);
  await redis.kill();
  for (const url of [one, other]) expect((await post(key, page(5), { url: url ?? "" })).status).toBe(200);
});

test("with COST_BUDGET=0 prices are told and nobody is throttled", async () => {
  const { runtime } = product;
  const config = { ...runtime.config, cost: { maxQueryCost: null, budget: null } };
  const free = await serve({ ...runtime, config });
  onTestFinished(() => free.stop());
  const { status, cost, headers } = await post(await newKey(), LINKS, free);
  expect(status).toBe(200);
  expect(cost).toEqual({ requested: 2_051, actual: 16, throttle: null });
  expect(headers.get("ratelimit")).toBeNull();
});

test("viewer.limits tells what the program is set to", async () => {
  const { body } = await post(await newKey(), {
    query: `{ viewer { limits { pages { defaultSize maxSize maxNested } series { maxPoints finestGranularity ranges { granularity maxSeconds } }
      eventRetentionDays maxEventsPerCall maxAnswerChars document { maxBytes maxOperations maxTokens maxDepth maxAliases maxDirectives }
      cost { maxQueryCost maximum restoreRate } statementTimeoutMs } } }`,
  });
  expect(body.data).toEqual({
    viewer: {
      limits: {
        pages: { defaultSize: 20, maxSize: 100, maxNested: 2 },
        series: {
          maxPoints: 3_000,
          finestGranularity: "QUARTER_HOUR",
          ranges: [
            { granularity: "QUARTER_HOUR", maxSeconds: 2_998 * 900 },
            { granularity: "HOUR", maxSeconds: 2_998 * 3_600 },
            { granularity: "DAY", maxSeconds: 2_998 * 86_400 },
            { granularity: "WEEK", maxSeconds: 2_998 * 604_800 },
            { granularity: "MONTH", maxSeconds: 2_998 * 2_419_200 },
          ],
        },
        eventRetentionDays: null,
        maxEventsPerCall: 1_000,
        maxAnswerChars: 16_000_000,
        document: {
          maxBytes: 5_000_000,
          maxOperations: 1,
          maxTokens: 5_000,
          maxDepth: 20,
          maxAliases: 100,
          maxDirectives: 50,
        },
        cost: { maxQueryCost: 500, maximum: 1_000, restoreRate: 1 },
        statementTimeoutMs: 10_000,
      },
    },
  });
});
