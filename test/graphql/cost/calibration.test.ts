/** Prices against what operations take of PostgreSQL's processor time: the dearer an operation, the more it takes. */
import { readFileSync } from "node:fs";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MEASURES } from "../../../src/rollups/measures.js";
import { type Product, startProduct } from "../../support/product.js";
import { recordEvents } from "../../support/record-events.js";

const CAMPAIGNS = 100;
const QUARTER_DAYS = 14;
const DAYS = 400;
/** Of processor time, so that few runs of a dear operation are as exact as many of a cheap one. */
const ENOUGH_MICROS = 10_000;
const MAX_RUNS = 30;
const ROUNDS = 3;

let product: Product;
let key: string;
let campaignIds: string[] = [];
let watcher: Client;

beforeAll(async () => {
  // Everything is read from the databases each time, and workers that have nothing to do keep them as good as quiet.
  product = await startProduct({ env: { CACHE_MEMORY_MB: "0", COST_BUDGET: "0", WORKER_POLL_MS: "2000" } });
  const { tenantId, key: secret } = await product.createTenant();
  key = secret;
  const types = ["SENT", "DELIVERED", "OPENED", "CLICKED"];
  for (let part = 0; part < 8; part += 1) {
    const events = Array.from({ length: 1_000 }, (_, index) => ({
      type: types[index % types.length],
      campaignExternalId: `c${(index + part) % CAMPAIGNS}`,
      recipient: `r${part}-${index}@example.com`,
      occurredAt: new Date(Date.UTC(2026, 9, 1) + (part * 1_000 + index) * 240_000).toISOString(),
      ...(index % types.length === 3 && { url: `https://example.com/${index % 30}` }),
    }));
    await recordEvents(product, key, events);
  }
  await product.settled(key);
  const { data } = await product.graphql<{ campaigns: { nodes: { id: string }[] } }>(
    key,
    "{ campaigns(first: 100) { nodes { id } } }",
  );
  campaignIds = data.campaigns.nodes.map(({ id }) => id);
  if (campaignIds.length !== CAMPAIGNS) throw new Error("Not all campaigns are there");
  watcher = new Client({ connectionString: product.databases.metricsUrl });
  await watcher.connect();
  await fillRollups(tenantId);
}, 120_000);
afterAll(async () => {
  await watcher.end();
  await product.stop();
});

/** Every campaign has something in every quarter-hour and on every day, as in the worst case. */
async function fillRollups(tenantId: string): Promise<void> {
  const sums = MEASURES.join(", ");
  const values = MEASURES.map(() => "5").join(", ");
  const campaigns = "(select id as campaign_id from campaigns where tenant_id = $1) as campaign";
  const quarters = `generate_series('2026-10-01Z', '2026-10-01Z'::timestamptz + interval '${QUARTER_DAYS} days', '15 minutes') as bucket_start`;
  const days = `generate_series(date '2026-11-01' - ${DAYS}, date '2026-11-01', '1 day') as day`;
  const [tenant, campaign] = ["tenant_id, basis", "tenant_id, campaign_id, basis"];
  for (const statement of [
    `insert into campaign_quarter_hours (${campaign}, bucket_start, ${sums}) select $1, campaign_id, 'EVENT', bucket_start, ${values} from ${campaigns} cross join ${quarters}`,
    `insert into campaign_days (${campaign}, time_zone, day, ${sums}) select $1, campaign_id, 'EVENT', 'UTC', day, ${values} from ${campaigns} cross join ${days}`,
    `insert into tenant_quarter_hours (${tenant}, bucket_start, ${sums}) select $1, 'EVENT', bucket_start, ${values} from ${quarters}`,
    `insert into tenant_days (${tenant}, time_zone, day, ${sums}) select $1, 'EVENT', 'UTC', day, ${values} from ${days}`,
  ]) {
    await watcher.query(`${statement} on conflict do nothing`, [tenantId]);
  }
  await watcher.query("vacuum analyze");
}

/** Of the two databases' own processes, in microseconds, as Linux keeps it for each: neighbours' load is not in it. */
async function databaseMicros(): Promise<number> {
  const names = [product.databases.eventsUrl, product.databases.metricsUrl].map((url) =>
    new URL(url).pathname.slice(1),
  );
  const { rows } = await watcher.query<{ pid: number }>(
    // Not those of autovacuum, which comes whenever it likes.
    `select pid from pg_stat_activity
     where datname = any ($1) and pid <> pg_backend_pid() and backend_type = 'client backend'`,
    [names],
  );
  let nanos = 0;
  for (const { pid } of rows) nanos += Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]);
  return nanos / 1000;
}

interface Priced {
  readonly extensions: { readonly cost: { readonly requested: number; readonly actual: number } };
}

async function ask(query: string): Promise<number> {
  const answer = await product.graphql(key, query);
  expect(answer.errors).toBeUndefined();
  return (answer as unknown as Priced).extensions.cost.actual;
}

/** The median of some rounds of so many runs each that there is something to measure. */
async function microsOf(query: string): Promise<number> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await databaseMicros();
    let spent = 0;
    let runs = 0;
    while (runs === 0 || (spent < ENOUGH_MICROS && runs < MAX_RUNS)) {
      await ask(query);
      runs += 1;
      spent = (await databaseMicros()) - before;
    }
    rounds.push(spent / runs);
  }
  return rounds.toSorted((a, b) => a - b)[1] ?? 0;
}

const MONTH = `range: { from: "2026-10-01T00:00:00Z", to: "2026-10-31T00:00:00Z" }`;
const FORTNIGHT = `range: { from: "2026-10-01T00:00:00Z", to: "2026-10-15T00:00:00Z" }`;
const YEAR = `range: { from: "2025-11-01T00:00:00Z", to: "2026-11-01T00:00:00Z" }`;
const FEW = "delivered { unique } opened { unique } clicked { unique }";
const MANY = `sent { total unique } delivered { total unique } deferred { total unique } bounced { total unique hard soft block }
  opened { total unique } clicked { total unique } complained { total unique } unsubscribed { total unique } converted { total unique }
  rejected { total unique } hardBounceRate { value }`;
const EVERY = `occurredAt: { from: "2026-10-01T00:00:00Z", to: "2026-10-31T00:00:00Z" }`;

const OPERATIONS: Readonly<Record<string, () => string>> = {
  "who asks": () => "{ viewer { tenant { name } } }",
  "a campaign": () => `{ campaign(id: "${campaignIds[0]}") { name } }`,
  "a campaign's month by day": () =>
    `{ campaign(id: "${campaignIds[0]}") { series(${MONTH}, granularity: DAY) { metrics { ${FEW} } } } }`,
  "a page of campaigns": () => "{ campaigns { nodes { name } } }",
  "a full page of campaigns": () => "{ campaigns(first: 100) { nodes { name } } }",
  "a page with totals": () => `{ campaigns { nodes { metrics { ${FEW} } } } }`,
  "the dashboard": () =>
    `{ campaigns { nodes { metrics { ${FEW} } series(${MONTH}, granularity: DAY) { metrics { ${FEW} } } } } }`,
  "the dashboard of a full page": () =>
    `{ campaigns(first: 100) { nodes { metrics { ${FEW} } series(${MONTH}, granularity: DAY) { metrics { ${FEW} } } } } }`,
  "the same with all that is counted": () =>
    `{ campaigns(first: 100) { nodes { series(${MONTH}, granularity: DAY) { metrics { ${MANY} } } } } }`,
  "a fortnight by hour": () => `{ kpis(${FORTNIGHT}) { series(granularity: HOUR) { metrics { ${FEW} } } } }`,
  "a fortnight by hour of a page of campaigns": () =>
    `{ campaigns { nodes { series(${FORTNIGHT}, granularity: HOUR) { metrics { ${FEW} } } } } }`,
  "a fortnight by quarter-hour of 50 campaigns": () =>
    `{ campaigns(first: 50) { nodes { series(${FORTNIGHT}, granularity: QUARTER_HOUR) { metrics { ${FEW} } } } } }`,
  "a fortnight by day of another zone of a page of campaigns": () =>
    `{ campaigns { nodes { series(${FORTNIGHT}, granularity: DAY, timeZone: "Asia/Tokyo") { metrics { ${FEW} } } } } }`,
  "KPIs of a month against the one before": () =>
    `{ kpis(${MONTH}, compareTo: PREVIOUS_PERIOD) { metrics { ${FEW} } comparison { metrics { ${FEW} } } } }`,
  "a year by day of all that is counted": () =>
    `{ kpis(${YEAR}) { series(granularity: DAY) { metrics { ${MANY} } } } }`,
  "a year of 50 campaigns": () =>
    `{ kpis(${YEAR}, filter: { campaignIds: ${JSON.stringify(campaignIds.slice(0, 50))} }) { metrics { ${FEW} } } }`,
  "events of one type": () => `{ events(filter: { ${EVERY}, types: [SENT] }) { nodes { occurredAt } } }`,
  "a full page of events of all types": () => `{ events(filter: { ${EVERY} }, first: 100) { nodes { occurredAt } } }`,
  "events of a page of campaigns": () => "{ campaigns { nodes { events { nodes { occurredAt } } } } }",
  "events of a full page of campaigns": () =>
    "{ campaigns(first: 100) { nodes { events(first: 50) { nodes { occurredAt } } } } }",
  "links of a page of campaigns": () => "{ campaigns { nodes { links { nodes { url } } } } }",
  "fifty campaigns by their ids": () =>
    `{ nodes(ids: ${JSON.stringify(campaignIds.slice(0, 50))}) { ... on Campaign { name } } }`,
};

test("prices rank as the database's time does", async () => {
  const measured: { name: string; price: number; micros: number }[] = [];
  for (const [name, query] of Object.entries(OPERATIONS)) {
    // Statements are prepared by each connection, and what they read is in memory, from here on.
    for (let run = 0; run < 4; run += 1) await ask(query());
    measured.push({ name, price: await ask(query()), micros: await microsOf(query()) });
  }
  if (process.env["SHOW_PRICES"] !== undefined)
    process.stdout.write(`${measured.map((row) => Object.values(row).join("\t")).join("\n")}\n`);
  const rho = spearman(
    measured.map(({ price }) => price),
    measured.map(({ micros }) => micros),
  );
  expect(rho, JSON.stringify(measured)).toBeGreaterThan(0.9);
}, 180_000);

/** The correlation of the ranks, those of equal ones being their middle. */
function spearman(one: readonly number[], other: readonly number[]): number {
  const [a, b] = [ranksOf(one), ranksOf(other)];
  const mean = (a.length + 1) / 2;
  const sum = (of: (index: number) => number) => a.reduce((total, _, index) => total + of(index), 0);
  const deviation = (ranks: readonly number[], index: number) => (ranks[index] ?? 0) - mean;
  const product2 = sum((index) => deviation(a, index) * deviation(b, index));
  return product2 / Math.sqrt(sum((index) => deviation(a, index) ** 2) * sum((index) => deviation(b, index) ** 2));
}

function ranksOf(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((each) => each < value).length;
    const equal = values.filter((each) => each === value).length;
    return below + (equal + 1) / 2;
  });
}
