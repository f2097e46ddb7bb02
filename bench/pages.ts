/**
 * `pages`: a deep page against the first one, over HTTP and as the statement alone, and that statement against the same page
 * by OFFSET on the same tables. Both statements are prepared, warm, and run over a connection of this process; the one with
 * OFFSET as the administrator, whom no policy slows, on the same indexes.
 *
 * The log holds a large campaign and before it a campaign a month for 17 months. The deep page's cursor is made here, with
 * the scene's secret, in place of walking to it; its events are compared with those that OFFSET finds.
 */
import type { Client } from "pg";
import { pino } from "pino";
import { Pool } from "../src/database/pool.js";
import { type EventList, readEventPage } from "../src/events/event-pages.js";
import { branchColumns, eventRowColumns } from "../src/events/event-row.js";
import { EVENT_TYPES, type EventType } from "../src/events/event.js";
import { EVENT_TABLES } from "../src/events/event-tables.js";
import { encodeGlobalId } from "../src/ids.js";
import { Cursors } from "../src/pages/cursors.js";
import { readPageArguments } from "../src/pages/page-arguments.js";
import { secretKeyOf } from "../src/runtime.js";
import { TenantReads } from "../src/tenancy/transactions.js";
import { type EpochMicros, instantFromMillis } from "../src/time/instant.js";
import type { Benchmark, Row } from "./benchmark.js";
import { alternate, median } from "./measure/alternate.js";
import { compared, medianRatio } from "./measure/compared.js";
import { millisecondsOf, post } from "./measure/latency.js";
import { ask, startServe } from "./measure/server.js";
import { fillHistory, type HistoryCampaign } from "./scene/history.js";
import { type DatabasePair, SECRET } from "./scene/scene.js";
import { type BenchTenant, createBenchTenant } from "./scene/tenant.js";
import { withClient } from "./scene/with-client.js";

const DAY_MS = 86_400_000;
const MONTHS = 18;
const PAGE = 10_000;
const ROUNDS = 9;
const REQUESTS_A_ROUND = 50;
const STATEMENTS_A_ROUND = 100;
const OFFSETS_A_ROUND = 1;

const NODES = "nodes { id type occurredAt recipient eventId } pageInfo { hasNextPage endCursor }";

interface Sizes {
  readonly first: number;
  readonly largeCampaign: number;
  readonly otherCampaigns: number;
}

interface DeepList {
  readonly name: string;
  readonly list: EventList;
  /** What is posted for the page after a cursor. */
  readonly body: (after: string | null) => string;
}

interface Nodes {
  readonly nodes: readonly { readonly eventId: string }[];
}

interface Answer {
  readonly data: { readonly events?: Nodes; readonly campaign?: { readonly events: Nodes } };
}

export const pages: Benchmark = {
  name: "pages",
  about: "page 1 and page 10,000 of the events, and the same page by OFFSET",
  async run(scene) {
    const sizes: Sizes = scene.full
      ? { first: 50, largeCampaign: 250_000, otherCampaigns: 100_000 }
      : { first: 20, largeCampaign: 85_000, otherCampaigns: 8_000 };
    const databases = await scene.createDatabases("pages");
    const tenant = await createBenchTenant(databases, "pages");
    const end = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS);
    const one = { campaignsPerGroup: 1, end };
    const [large] = await fillHistory(scene, databases, tenant, {
      ...one,
      groups: 1,
      messagesPerCampaign: sizes.largeCampaign,
    });
    if (large === undefined) throw new Error("There is a large campaign");
    await fillHistory(scene, databases, tenant, {
      ...one,
      groups: MONTHS - 1,
      firstGroup: 1,
      messagesPerCampaign: sizes.otherCampaigns,
    });
    const serving = await startServe(scene, databases);
    const rows: Row[] = [];
    for (const list of listsOf(large, end, sizes)) {
      rows.push(...(await measure(list, { databases, tenant, url: serving.url, first: sizes.first })));
      scene.say(`pages: ${list.name} is measured`);
    }
    return rows;
  },
};

function listsOf(large: HistoryCampaign, end: Date, { first }: Sizes): DeepList[] {
  const from = new Date(end.getTime() - 2 * 366 * DAY_MS);
  const everything: EventList = {
    types: null,
    occurredAt: { from: instantFromMillis(from.getTime()), to: instantFromMillis(end.getTime()) },
    campaignId: null,
    recipientKey: null,
    metadata: null,
    traffic: null,
    order: "NEWEST_FIRST",
  };
  const events = (types: readonly EventType[] | null) => (after: string | null) =>
    JSON.stringify({
      query: `query Events($filter: EventFilter!, $after: String) { events(filter: $filter, first: ${first}, after: $after) { ${NODES} } }`,
      variables: { filter: { types, occurredAt: { from: from.toISOString(), to: end.toISOString() } }, after },
    });
  return [
    { name: "one type", list: { ...everything, types: ["SENT"] }, body: events(["SENT"]) },
    { name: "all types", list: everything, body: events(null) },
    {
      name: "one campaign",
      list: {
        ...everything,
        occurredAt: null,
        campaignId: large.id,
        campaignSentAt: instantFromMillis(large.sentAt.getTime()),
      },
      body: (after) =>
        JSON.stringify({
          query: `query Campaign($id: ID!, $after: String) { campaign(id: $id) { events(first: ${first}, after: $after) { ${NODES} } } }`,
          variables: { id: encodeGlobalId("Campaign", large.id), after },
        }),
    },
  ];
}

interface Place {
  readonly databases: DatabasePair;
  readonly tenant: BenchTenant;
  readonly url: string;
  readonly first: number;
}

async function measure(deep: DeepList, { databases, tenant, url, first }: Place): Promise<Row[]> {
  const { name, list, body } = deep;
  const cursors = new Cursors(secretKeyOf(SECRET));
  const { headers } = tenant;
  const before = (PAGE - 1) * first;
  return withClient(databases.eventsUrl, async (client) => {
    await client.query("set timezone = 'UTC'");
    const cursor = await cursorAt(client, tenant, list, before, cursors);
    const byOffset = offsetStatement(tenant, list);
    const offset = () =>
      client.query({ name: `offset ${name}`, text: byOffset.text, values: [...byOffset.values, before, first] });
    assertSamePage((await ask<Answer>(url, headers, body(cursor))).answer, (await offset()).rows);

    const http = await alternate(
      {
        shallow: () => millisecondsOf(() => post({ url, headers, body: body(null) }), REQUESTS_A_ROUND),
        deep: () => millisecondsOf(() => post({ url, headers, body: body(cursor) }), REQUESTS_A_ROUND),
      },
      ROUNDS,
    );
    const pool = benchPool(databases);
    const session = new TenantReads(pool, tenant.id);
    const page = (after: string | null) => () =>
      readEventPage(session, tenant.id, list, readPageArguments({ first, after }), cursors);
    const alone = await alternate(
      {
        shallow: () => millisecondsOf(page(null), STATEMENTS_A_ROUND),
        deep: () => millisecondsOf(page(cursor), STATEMENTS_A_ROUND),
        offset: () => millisecondsOf(offset, OFFSETS_A_ROUND),
      },
      ROUNDS,
    );
    await session.end();
    await pool.stop();
    return [
      againstFirst(`${name}, page 10,000 over HTTP`, http),
      againstFirst(`${name}, page 10,000, the statement`, alone),
      {
        name: `${name}, page 10,000, the statement`,
        value: median(alone.deep),
        unit: "ms",
        against: { name: `OFFSET ${before.toLocaleString("en-US")}`, value: median(alone.offset) },
        ratio: medianRatio(alone.offset, alone.deep),
        target: { atLeast: 300 },
      },
    ];
  });
}

function againstFirst(name: string, { shallow, deep }: Readonly<Record<"shallow" | "deep", readonly number[]>>): Row {
  return compared({ name, unit: "ms", target: { atMost: 1.2 } }, deep, { name: "page 1", figures: shallow });
}

function benchPool({ eventsUrl }: DatabasePair): Pool<"events"> {
  return new Pool({
    database: "events",
    url: eventsUrl,
    maxConnections: 1,
    waitTimeoutMs: 5_000,
    preparedStatements: true,
    log: pino({ level: "warn" }, pino.destination(2)),
  });
}

const NEWEST_FIRST = "order by event.occurred_at desc, event.id desc";

/** What a program without cursors would ask; binds: tenant, the filter's values, how many to skip and how many to give. */
function offsetStatement(
  tenant: BenchTenant,
  { types, occurredAt, campaignId }: EventList,
): { readonly text: string; readonly values: readonly unknown[] } {
  const values: unknown[] = [tenant.id];
  const conditions = ["event.tenant_id = $1"];
  if (campaignId !== null) conditions.push(`event.campaign_id = $${values.push(campaignId)}`);
  if (occurredAt !== null) {
    const { from, to } = occurredAt;
    conditions.push(`event.occurred_at >= $${values.push(new Date(from / 1000))}`);
    conditions.push(`event.occurred_at < $${values.push(new Date(to / 1000))}`);
  }
  const wanted = types ?? EVENT_TYPES;
  const branches = wanted.map(
    (type) =>
      `select ${branchColumns(EVENT_TABLES[type], wanted)} from ${EVENT_TABLES[type].name} as event where ${conditions.join(" and ")}`,
  );
  const [skip, limit] = [`$${values.length + 1}`, `$${values.length + 2}`];
  const text = `select ${eventRowColumns(wanted)}
    from (select * from (${branches.join(" union all ")}) as event ${NEWEST_FIRST} limit ${limit} offset ${skip}) as event
    left join recipients on recipients.tenant_id = $1 and recipients.recipient_key = event.recipient_key ${NEWEST_FIRST}`;
  return { text, values };
}

/** The cursor after so many events of a list. */
async function cursorAt(
  client: Client,
  tenant: BenchTenant,
  list: EventList,
  count: number,
  cursors: Cursors,
): Promise<string> {
  const { text, values } = offsetStatement(tenant, list);
  const { rows } = await client.query<{ key: string; micros: string }>(
    `select key, extract(epoch from "occurredAt") * 1000000 as micros from (${text}) as event`,
    [...values, count - 1, 1],
  );
  const [last] = rows;
  if (last === undefined) throw new Error(`The list has fewer than ${count} events`);
  const { types, occurredAt, campaignId, recipientKey, metadata, traffic, order } = list;
  const range = occurredAt === null ? null : [occurredAt.from, occurredAt.to];
  const filter = { types: types ?? EVENT_TYPES, range, campaignId, recipientKey, metadata, traffic };
  const position = [Number(last.micros) as EpochMicros, last.key];
  return cursors.encode({ tenantId: tenant.id, list: "events", filter, order }, position);
}

function assertSamePage(answer: Answer, byOffset: readonly { readonly eventId: string }[]): void {
  const { nodes } = answer.data.events ?? answer.data.campaign?.events ?? { nodes: [] };
  const [ours, theirs] = [nodes, byOffset].map((list) => list.map(({ eventId }) => eventId).join(" "));
  if (ours !== theirs || nodes.length === 0) throw new Error("The deep page is another one than OFFSET finds");
}
