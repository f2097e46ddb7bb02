/** Each layer made to fail, and what a client is told of it. */
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ERROR_CATALOGUE } from "../../src/errors.js";
import { moveVersion } from "../support/cache-rig.js";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";
import { type SeverableProxy, startSeverableProxy } from "../support/severable-proxy.js";
import { type StartedRedis, startRedis } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";
import { TEN_EVENTS } from "../support/ten-events.js";
import { withoutCost } from "../support/told-cost.js";

let product: Product;
let redis: StartedRedis;
const proxies = new Map<"events" | "metrics", SeverableProxy>();
let owners: Record<"events" | "metrics", Client>;
let key: string;

beforeAll(async () => {
  redis = await startRedis();
  const through = (name: "events" | "metrics") => async (direct: string) => {
    const proxy = await startSeverableProxy(direct);
    proxies.set(name, proxy);
    return proxy.url;
  };
  product = await startProduct({
    env: { REDIS_URL: redis.url, STATEMENT_TIMEOUT_MS: "300" },
    eventsUrl: through("events"),
    metricsUrl: through("metrics"),
  });
  const { tenantId, key: secret } = await product.createTenant();
  key = secret;
  await recordEvents(product, key, TEN_EVENTS);
  await product.settled(key);
  const connected = async (url: string): Promise<Client> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    return client;
  };
  owners = {
    events: await connected(product.databases.eventsUrl),
    metrics: await connected(product.databases.metricsUrl),
  };
  cold = async () => void (await moveVersion(product.pools.metrics, tenantId));
});
let cold: () => Promise<void>;
afterAll(async () => {
  await owners.events.end();
  await owners.metrics.end();
  await product.stop();
  for (const proxy of proxies.values()) await proxy.stop();
  await redis.stop();
});

/** SQL, names of tables, constraints, roles and databases, stacks, paths, hosts and ports, other names of the schema. */
const INTERNALS =
  /select |insert |relation|column|constraint|violates|permission|canceling|timeout|timed out|mailtally_|test_[0-9a-f]{8}|template_|postgres|redis|ECONN|EPIPE|socket|\bpg\b|node_modules|\.[jt]s\b|\n\s*at |\/(home|tmp|usr|dev|work)\/|127\.0\.0\.1|localhost|:\d{4,5}\b|did you mean/i;

interface Told {
  readonly status: number;
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>> | null | undefined;
  readonly errors: readonly { message: string; path?: readonly unknown[]; extensions: Record<string, unknown> }[];
}

async function ask(query: string): Promise<Told> {
  const response = await fetch(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query }),
  });
  const text = await response.text();
  const { data, errors = [] } = JSON.parse(text) as { data?: Told["data"]; errors?: Told["errors"] };
  for (const error of errors) {
    expect(Object.keys(ERROR_CATALOGUE)).toContain(error.extensions["code"]);
    // Of the error itself: what was asked for may be called anything.
    expect(JSON.stringify({ ...error, path: null, locations: null })).not.toMatch(INTERNALS);
    expect(["code", "field", "requestId", "retryAfter"]).toEqual(expect.arrayContaining(Object.keys(error.extensions)));
    expect(typeof error.extensions["requestId"]).toBe(error.extensions["code"] === "INTERNAL" ? "string" : "undefined");
  }
  for (const [name, value] of response.headers)
    expect(`${name}: ${value}`).not.toMatch(/express|fastify|apollo|node\.js/i);
  return { status: response.status, text: withoutCost(text), data, errors };
}

const RANGE = `{ from: "2026-11-01T00:00:00Z", to: "2026-11-04T00:00:00Z" }`;
const CAMPAIGN = `campaign(externalId: "spring") { name }`;
const EVENTS = `last: node(id: "x") { id } campaign(externalId: "spring") { name auditTrail { nodes { id } } }`;

test("as long as nothing fails nothing is told", async () => {
  expect((await ask(`{ viewer { scopes } ${EVENTS} }`)).errors).toEqual([]);
});

test.each([
  ["events", `{ events(filter: { occurredAt: ${RANGE} }) { nodes { id } } }`],
  ["metrics", `{ campaigns { nodes { name } } }`],
] as const)("a %s database that is gone is UNAVAILABLE, and nothing more is told of it", async (name, query) => {
  await cold();
  await proxies.get(name)?.sever();
  const told = await ask(query);
  expect(told.errors.map(({ extensions }) => extensions["code"])).toEqual(["UNAVAILABLE"]);
  expect(told.status).toBe(503);
  expect(await fetch(`${product.url}/readyz`).then((response) => response.text())).not.toMatch(
    /127\.0\.0\.1|ECONN|test_/,
  );
  await proxies.get(name)?.restore();
  await waitFor(async () => (await ask(query)).status === 200, { what: `the ${name} database to be found again` });
});

test("a database whose other part of the answer is gone takes that part alone along", async () => {
  await cold();
  await proxies.get("events")?.sever();
  // Both may be null, so neither takes the other along.
  const { status, data, errors } = await ask(
    `{ ${CAMPAIGN} viewer { scopes } broken: campaign(externalId: "spring") { name events { nodes { id } } } }`,
  );
  expect(status).toBe(200);
  expect(data).toMatchObject({ campaign: { name: "spring" }, viewer: { scopes: expect.any(Array) }, broken: null });
  expect(errors.map(({ path, extensions }) => [path?.[0], extensions["code"]])).toEqual([["broken", "UNAVAILABLE"]]);
  await proxies.get("events")?.restore();
  await waitFor(
    async () => (await ask(`{ events(filter: { occurredAt: ${RANGE} }) { nodes { id } } }`)).status === 200,
    {
      what: "the events to be found again",
    },
  );
});

test("a statement past its time fails its part and no other", async () => {
  await cold();
  await owners.metrics.query("begin; lock table campaign_links in access exclusive mode");
  const { status, data, errors } = await ask(
    `{ ${CAMPAIGN} slow: campaign(externalId: "spring") { links { nodes { url } } } }`,
  );
  await owners.metrics.query("rollback");
  expect(status).toBe(200);
  expect(data).toMatchObject({ campaign: { name: "spring" }, slow: null });
  expect(errors).toHaveLength(1);
});

test.each([
  [
    "a constraint that is violated",
    "metrics",
    "alter table campaigns add constraint never check (name <> 'never') not valid",
    "alter table campaigns drop constraint never",
    `mutation { createCampaign(input: { name: "never" }) { campaign { id } userErrors { message } } }`,
  ],
  [
    "a right that is missing",
    "metrics",
    "revoke select on campaign_totals from mailtally_api",
    "grant select on campaign_totals to mailtally_api",
    `{ campaigns { nodes { metrics { sent { total } } } } }`,
  ],
  [
    "a table that is gone",
    "metrics",
    "alter table campaign_links rename to gone_links",
    "alter table gone_links rename to campaign_links",
    `{ campaign(externalId: "spring") { links { nodes { url } } } }`,
  ],
  [
    "a column that is gone",
    "events",
    "alter table receipts rename column accepted_at to gone",
    "alter table receipts rename column gone to accepted_at",
    `{ node(id: "${Buffer.from("IngestReceipt:01890000-0000-7000-8000-000000000000").toString("base64url")}") { id } }`,
  ],
] as const)("%s is INTERNAL, with nothing but the request's id", async (_what, database, breaking, mending, query) => {
  await cold();
  await owners[database].query(breaking);
  const told = await ask(query);
  await owners[database].query(mending);
  expect(told.errors.map(({ extensions }) => extensions["code"])).toEqual(["INTERNAL"]);
});

// The last: it is not started again.
test("without Redis answers are as with it", async () => {
  // Of one campaign: one whose creation failed above comes to the list when a projector finds it in the event log.
  const query = `{ campaign(externalId: "spring") { name metrics { sent { total } } } }`;
  const before = await ask(query);
  await redis.kill();
  await cold();
  for (let time = 0; time < 4; time += 1) expect(await ask(query)).toEqual(before);
});
