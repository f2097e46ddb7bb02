import * as fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CampaignFilter, NO_CAMPAIGN_FILTER } from "../../src/campaigns/campaign-filter.js";
import {
  CAMPAIGN_ORDER_FIELDS,
  type CampaignOrder,
  NEWEST_CAMPAIGNS_FIRST,
} from "../../src/campaigns/campaign-order.js";
import { countCampaigns, readCampaignPage } from "../../src/campaigns/campaign-pages.js";
import type { CampaignRow } from "../../src/campaigns/campaign-row.js";
import { findCampaignByExternalId, findCampaigns } from "../../src/campaigns/find-campaigns.js";
import { Pool, type Session } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import type { Page } from "../../src/pages/page.js";
import { type PageArguments, type PageRequest, readPageArguments } from "../../src/pages/page-arguments.js";
import { TenantReads, writeAsWorker } from "../../src/tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../../src/time/instant.js";
import type { TimeRange } from "../../src/time/range.js";
import { cursorAt, testCursors, walk } from "../pages/walk.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

const tenant = uuidv7() as TenantId;
const otherTenant = uuidv7() as TenantId;
const START = Date.UTC(2026, 4, 20) * 1000;
const HOUR = 3_600_000_000;

interface Source {
  readonly id: CampaignId;
  readonly externalId: string | null;
  readonly name: string;
  readonly subject: string | null;
  readonly tags: readonly string[];
  readonly sentAt: number | null;
  readonly firstSentAt: number | null;
  readonly createdAt: number;
  readonly archivedAt: number | null;
  /** Null: no event yet, no row of totals. */
  readonly totals: {
    sent: number;
    uniqueSent: number;
    delivered: number;
    opened: number;
    clicked: number;
    bounced: number;
  } | null;
  readonly revenue: Readonly<Record<string, string>>;
}

// Code points, not letters, are what NAME orders by; the last two tell UTF-8's order from UTF-16's.
const NAMES = [
  "alpha",
  "Alpha",
  "beta",
  "Über 100%",
  "über_uns",
  "z\\'\"",
  "",
  "50% off",
  "5000 off",
  "\u{1f600}",
  "\uff5e",
];

function sourceOf(index: number, createdAt = START + (index % 9) * HOUR): Source {
  const pick = <Value>(values: readonly Value[], every = 1): Value =>
    values[Math.floor(index / every) % values.length] as Value;
  return {
    id: uuidv7() as CampaignId,
    externalId: index % 4 === 0 ? null : `external-${index}`,
    name: pick(NAMES),
    subject: index % 3 === 0 ? null : `Subject ${pick(["one", "TWO", "Drei"], 2)}`,
    tags: pick([[], ["news"], ["news", "appeal"], ["it's", '"quoted",{}']]),
    sentAt: index % 5 === 0 ? START + (index % 4) * HOUR : null,
    firstSentAt: index % 3 === 0 ? START + (index % 7) * HOUR + 1 : null,
    createdAt,
    archivedAt: index % 6 === 5 ? START + HOUR : null,
    totals:
      index % 4 === 3
        ? null
        : {
            sent: pick([0, 10, 10, 3_000_000_000], 3),
            uniqueSent: pick([0, 7, 10], 2),
            delivered: pick([0, 3, 7, 49], 2),
            opened: pick([0, 1, 2, 3], 3),
            clicked: pick([0, 1, 1], 5),
            bounced: pick([0, 1, 2, 5], 4),
          },
    revenue: pick<Record<string, string>>([
      {},
      { EUR: "9.50" },
      { EUR: "10.5", USD: "1" },
      { USD: "2.00" },
      { EUR: "9.5" },
      { EUR: "0.000001" },
    ]),
  };
}

const insertCampaigns = defineStatement<"metrics", [TenantId, string], never>(
  "metrics",
  "test.insert_campaigns",
  `insert into campaigns (tenant_id, id, external_id, name, subject, tags, sent_at, first_sent_at, created_at, updated_at,
     archived_at, identity_revision)
   select $1, id, external_id, name, subject, tags, sent_at, first_sent_at, created_at, created_at, archived_at, 1
   from json_to_recordset($2) as c (id uuid, external_id text, name text, subject text, tags text[], sent_at timestamptz,
     first_sent_at timestamptz, created_at timestamptz, archived_at timestamptz)`,
);
const insertTotals = defineStatement<"metrics", [TenantId, string], never>(
  "metrics",
  "test.insert_totals",
  `insert into campaign_totals (tenant_id, campaign_id, sent, unique_sent, unique_delivered, unique_opened, unique_clicked, unique_bounced)
   select $1, id, sent, "uniqueSent", delivered, opened, clicked, bounced
   from json_to_recordset($2) as t (id uuid, sent bigint, "uniqueSent" bigint, delivered bigint, opened bigint, clicked bigint, bounced bigint)`,
);
const insertRevenue = defineStatement<"metrics", [TenantId, string], never>(
  "metrics",
  "test.insert_revenue",
  `insert into campaign_total_revenue (tenant_id, campaign_id, currency, amount)
   select $1, id, currency, amount from json_to_recordset($2) as r (id uuid, currency text, amount numeric)`,
);

let databases: TestDatabases;
let pool: Pool<"metrics">;
const written: Source[] = [];

const instant = (micros: number | null) => (micros === null ? null : formatInstant(micros as EpochMicros));

async function write(tenantId: TenantId, sources: readonly Source[]): Promise<void> {
  const campaigns = sources.map((source) => ({
    ...source,
    external_id: source.externalId,
    sent_at: instant(source.sentAt),
    first_sent_at: instant(source.firstSentAt),
    created_at: instant(source.createdAt),
    archived_at: instant(source.archivedAt),
  }));
  const totals = sources.flatMap(({ id, totals: of }) => (of === null ? [] : [{ id, ...of }]));
  const revenue = sources.flatMap(({ id, revenue: of }) =>
    Object.entries(of).map(([currency, amount]) => ({ id, currency, amount })),
  );
  await writeAsWorker(pool, async (session) => {
    await session.run(insertCampaigns(tenantId, JSON.stringify(campaigns)));
    await session.run(insertTotals(tenantId, JSON.stringify(totals)));
    await session.run(insertRevenue(tenantId, JSON.stringify(revenue)));
  });
}

async function asTenant<T>(work: (reads: TenantReads<"metrics">) => Promise<T>, tenantId = tenant): Promise<T> {
  const reads = new TenantReads(pool, tenantId);
  return work(reads).finally(() => reads.end());
}

const reading =
  (filter: CampaignFilter, order: CampaignOrder, tenantId = tenant) =>
  (page: PageRequest): Promise<Page<CampaignRow>> =>
    asTenant((reads) => readCampaignPage(reads, tenantId, filter, order, page, testCursors), tenantId);

const listing = (filter: Partial<CampaignFilter>, given: PageArguments = { first: 100 }) =>
  reading({ ...NO_CAMPAIGN_FILTER, ...filter }, NEWEST_CAMPAIGNS_FIRST)(readPageArguments(given));

const sentAtOf = (source: Source) => source.sentAt ?? source.firstSentAt;

const rate = (numerator: number | undefined, denominator: number | undefined) =>
  numerator === undefined || denominator === undefined || denominator === 0 ? null : numerator / denominator;

function valueOf(source: Source, { field, currency }: CampaignOrder): number | bigint | Buffer | null {
  const { totals } = source;
  switch (field) {
    case "CREATED_AT":
      return source.createdAt;
    case "SENT_AT":
      return sentAtOf(source);
    case "NAME":
      return Buffer.from(source.name);
    case "SENT":
      return totals?.sent ?? 0;
    case "OPEN_RATE":
      return rate(totals?.opened, totals?.delivered);
    case "CLICK_RATE":
      return rate(totals?.clicked, totals?.delivered);
    case "BOUNCE_RATE":
      return rate(totals?.bounced, totals?.uniqueSent);
    case "REVENUE": {
      const amount = source.revenue[currency ?? ""];
      return amount === undefined ? null : BigInt(Math.round(Number(amount) * 1_000_000));
    }
  }
}

function compareValues(a: number | bigint | Buffer, b: number | bigint | Buffer): number {
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return Buffer.compare(a, b);
  return a < b ? -1 : Number(a > b);
}

const within = (range: TimeRange | null, at: number | null) =>
  range === null || (at !== null && at >= range.from && at < range.to);

function passes(source: Source, filter: CampaignFilter): boolean {
  const { search, tags, externalIds, visibleTags } = filter;
  const texts = [source.name, source.subject ?? "", source.externalId ?? ""].map((text) => text.toLowerCase());
  return (
    (filter.includeArchived || source.archivedAt === null) &&
    (search === null || texts.some((text) => text.includes(search.toLowerCase()))) &&
    (tags === null || tags.some((tag) => source.tags.includes(tag))) &&
    (visibleTags === null || visibleTags.some((tag) => source.tags.includes(tag))) &&
    (externalIds === null || externalIds.includes(source.externalId ?? "")) &&
    within(filter.createdAt, source.createdAt) &&
    within(filter.sentAt, sentAtOf(source))
  );
}

/** What the list must hold, found without SQL. */
function expectedIds(filter: CampaignFilter, order: CampaignOrder): CampaignId[] {
  const sign = order.direction === "ASC" ? 1 : -1;
  return written
    .filter((source) => passes(source, filter))
    .toSorted((a, b) => {
      const [x, y] = [valueOf(a, order), valueOf(b, order)];
      const byId = sign * (a.id < b.id ? -1 : 1);
      if (x === null || y === null) return x === y ? byId : Number(x === null) - Number(y === null);
      return sign * compareValues(x, y) || byId;
    })
    .map((source) => source.id);
}

const idsOf = (rows: readonly CampaignRow[]) => rows.map((row) => row.id);
const idsOn = (page: Page<CampaignRow>) => page.edges.map((edge) => edge.node.id);
const everything: CampaignFilter = { ...NO_CAMPAIGN_FILTER, includeArchived: true };
const orders: CampaignOrder[] = CAMPAIGN_ORDER_FIELDS.flatMap((field) =>
  (["ASC", "DESC"] as const).map((direction) => ({ field, direction, currency: field === "REVENUE" ? "EUR" : null })),
);

beforeAll(async () => {
  databases = await createTestDatabases();
  // One connection, so that a statement's name with two texts would be found out.
  const shared = { maxConnections: 1, waitTimeoutMs: 10_000, preparedStatements: true, log: pino({ level: "silent" }) };
  pool = new Pool({ database: "metrics", url: databases.metricsUrl, ...shared });
  for (let index = 0; index < 110; index++) written.push(sourceOf(index));
  await write(tenant, written);
  await write(
    otherTenant,
    written.map((source) => ({ ...source, name: "not yours" })),
  );
});

afterAll(async () => {
  await pool?.stop();
  await databases?.drop();
});

test.each(orders)("pages by $field $direction are every campaign once, from either end", async (order) => {
  const read = reading(everything, order);
  const expected = expectedIds(everything, order);
  for (const size of [3, 100]) {
    expect(idsOf(await walk(read, size))).toEqual(expected);
    expect(idsOf(await walk(read, size, "backward"))).toEqual(expected);
  }
});

test.each(orders)("any two cursors by $field $direction hold what lies between them", async (order) => {
  const read = reading(everything, order);
  const forward = await read(readPageArguments({ first: 100 }));
  const rest = await read(readPageArguments({ first: 100, after: cursorAt(forward, -1) }));
  const edges = [...forward.edges, ...rest.edges];
  const expected = expectedIds(everything, order);
  const position = fc.integer({ min: 0, max: edges.length - 1 });
  await fc.assert(
    fc.asyncProperty(
      position,
      position,
      fc.integer({ min: 1, max: 100 }),
      fc.boolean(),
      async (a, b, size, isForward) => {
        const all = { binding: forward.binding, edges };
        const cursors = { after: cursorAt(all, a), before: cursorAt(all, b) };
        const between = expected.slice(a + 1, Math.max(b, a + 1));
        const page = await read(
          readPageArguments(isForward ? { first: size, ...cursors } : { last: size, ...cursors }),
        );
        expect(idsOn(page)).toEqual(isForward ? between.slice(0, size) : between.slice(-size));
        expect(isForward ? page.hasNextPage : page.hasPreviousPage).toBe(between.length > size);
      },
    ),
    { numRuns: 15 },
  );
});

const withIndexesOnly = defineStatement<"metrics", [], never>(
  "metrics",
  "test.with_indexes_only",
  "select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)",
);

test.each(orders.filter(({ field }) => ["CREATED_AT", "SENT_AT", "NAME"].includes(field)))(
  "a page by $field $direction begins at its cursor in the index, which row-level security must not prevent",
  async (order) => {
    const one = await reading(everything, order)(readPageArguments({ first: 1 }));
    const plan = await asTenant(async (reads) => {
      await reads.run(withIndexesOnly());
      const explaining: Session<"metrics"> = {
        run: async (statement) => {
          const text = `explain (costs off) ${statement.text}`;
          const rows = await reads.run({ ...statement, name: "test.explain", text, isPrepared: false });
          lines.push(...(rows as unknown as { "QUERY PLAN": string }[]).map((row) => row["QUERY PLAN"]));
          return [];
        },
      };
      const lines: string[] = [];
      const page = readPageArguments({ first: 5, after: cursorAt(one, 0) });
      await readCampaignPage(explaining, tenant, everything, order, page, testCursors);
      return lines.join("\n");
    });
    expect(plan).toMatch(/Index Cond: .*ROW\(.*\) [<>] ROW\(/);
    // The two parts of a nullable order are merged by a sort of what is left of them after their limits.
    expect([...plan.matchAll(/Sort Key: (.*)/g)].filter(([, key]) => !key?.includes("(false)"))).toEqual([]);
  },
);

test("whatever is filtered, the pages and the count hold the same campaigns", async () => {
  const moment = fc.integer({ min: -1, max: 10 }).map((hours) => START + hours * HOUR);
  const range = fc.tuple(moment, moment).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) + 1 }));
  const filters = fc.record({
    search: fc.option(
      fc.constantFrom("", "a", "ALPHA", "über", "ÜBER", "%", "_", "\\", "'", "0%", "al-1", "subject t", "zz"),
      { freq: 3 },
    ),
    tags: fc.option(fc.subarray(["news", "appeal", "it's", '"quoted",{}', "none"]), { freq: 2 }),
    externalIds: fc.option(fc.subarray(written.map((source) => source.externalId ?? "x").concat("' or true --"))),
    createdAt: fc.option(range),
    sentAt: fc.option(range),
    includeArchived: fc.boolean(),
    visibleTags: fc.option(fc.subarray(["news", "appeal", "it's", "none"]), { freq: 1 }),
  }) as fc.Arbitrary<CampaignFilter>;
  await fc.assert(
    fc.asyncProperty(
      filters,
      fc.constantFrom(...orders),
      fc.integer({ min: 5, max: 100 }),
      async (filter, order, size) => {
        const expected = expectedIds(filter, order);
        expect(idsOf(await walk(reading(filter, order), size))).toEqual(expected);
        expect(await asTenant((reads) => countCampaigns(reads, tenant, filter))).toBe(expected.length);
      },
    ),
    { numRuns: 80 },
  );
}, 60_000);

test("without filters the archived ones are left out, and nothing else", async () => {
  expect(idsOn(await listing({}))).toEqual(expectedIds(NO_CAMPAIGN_FILTER, NEWEST_CAMPAIGNS_FIRST).slice(0, 100));
});

test("an empty list of tags or external ids is nothing, not everything", async () => {
  for (const filter of [{ tags: [] }, { externalIds: [] }]) expect((await listing(filter)).edges).toEqual([]);
});

const namesFound = async (search: string) => (await listing({ search })).edges.map((edge) => edge.node.name);

test("no character of a search is special", async () => {
  expect(new Set(await namesFound("0%"))).toEqual(new Set(["Über 100%", "50% off"]));
  expect(new Set(await namesFound("R_U"))).toEqual(new Set(["über_uns"]));
  expect(new Set(await namesFound("\\'"))).toEqual(new Set(["z\\'\""]));
});

test("hostile texts are values and never part of the statement", async () => {
  for (const text of ["' or true --", "'; drop table campaigns; --", "$1", "{a,b}", '",""', "%' or '1'='1"]) {
    for (const filter of [{ search: text }, { tags: [text] }, { externalIds: [text] }]) {
      expect((await listing(filter)).edges).toEqual([]);
    }
    expect(await asTenant((reads) => findCampaignByExternalId(reads, tenant, text))).toBeNull();
  }
  expect(await asTenant((reads) => countCampaigns(reads, tenant, everything))).toBe(written.length);
});

const badFilter = (field: string) => ({ code: "BAD_INPUT", field: ["filter", field] });

test("texts that PostgreSQL cannot hold are refused by their field", async () => {
  for (const text of ["a\0b", "\ud800"]) {
    await expect(listing({ search: text })).rejects.toMatchObject(badFilter("search"));
    await expect(listing({ tags: ["news", text] })).rejects.toMatchObject(badFilter("tags"));
    await expect(listing({ externalIds: [text] })).rejects.toMatchObject(badFilter("externalIds"));
  }
  expect(await asTenant((reads) => findCampaignByExternalId(reads, tenant, "a\0b"))).toBeNull();
});

const readBy = (field: CampaignOrder["field"], currency: string | null) =>
  reading(everything, { field, direction: "DESC", currency })(readPageArguments({ first: 3 }));

test("REVENUE needs a currency, and nothing else takes one", async () => {
  const refused = { code: "BAD_INPUT", field: ["orderBy", "currency"] };
  await expect(readBy("REVENUE", null)).rejects.toMatchObject(refused);
  await expect(readBy("REVENUE", "Euro")).rejects.toMatchObject(refused);
  await expect(readBy("NAME", "EUR")).rejects.toMatchObject(refused);
  expect(idsOn(await readBy("REVENUE", "eur"))).toEqual(idsOn(await readBy("REVENUE", "EUR")));
});

test("a cursor of another filter, order, currency, tenant or none at all is refused", async () => {
  const order: CampaignOrder = { field: "REVENUE", direction: "DESC", currency: "EUR" };
  const after = cursorAt(await reading(everything, order)(readPageArguments({ first: 1 })), 0);
  const page = readPageArguments({ first: 1, after });
  const refused = { code: "BAD_CURSOR", field: ["after"] };
  await expect(reading(NO_CAMPAIGN_FILTER, order)(page)).rejects.toMatchObject(refused);
  await expect(reading({ ...everything, tags: [] }, order)(page)).rejects.toMatchObject(refused);
  await expect(reading(everything, { ...order, currency: "USD" })(page)).rejects.toMatchObject(refused);
  await expect(reading(everything, { ...order, direction: "ASC" })(page)).rejects.toMatchObject(refused);
  await expect(reading(everything, { ...order, field: "NAME", currency: null })(page)).rejects.toMatchObject(refused);
  await expect(reading(everything, order, otherTenant)(page)).rejects.toMatchObject(refused);
  await expect(reading(everything, order)({ ...page, after: "bm90IG1pbmU" })).rejects.toMatchObject(refused);
});

test("another tenant's campaigns are on no page, in no count and found by no id", async () => {
  const stranger = uuidv7() as TenantId;
  const ids = written.map((source) => source.id);
  for (const order of orders) {
    expect((await walk(reading(everything, order), 100)).some((row) => row.name === "not yours")).toBe(false);
    // The tenant of the transaction holds, whatever the query says.
    const page = await asTenant(
      (reads) => readCampaignPage(reads, tenant, everything, order, readPageArguments({}), testCursors),
      stranger,
    );
    expect(page.edges).toEqual([]);
  }
  const found = await asTenant((reads) => findCampaigns(reads, tenant, ids));
  expect(found.map((row) => row.name)).not.toContain("not yours");
  expect(await asTenant((reads) => findCampaigns(reads, stranger, ids), stranger)).toEqual([]);
  expect(await asTenant((reads) => countCampaigns(reads, stranger, everything), stranger)).toBe(0);
});

test("a campaign is found by its ids, with its times in microseconds", async () => {
  const source = written.find(
    (candidate) => candidate.sentAt === null && candidate.firstSentAt !== null && candidate.externalId !== null,
  );
  const expected = {
    id: source?.id,
    externalId: source?.externalId,
    name: source?.name,
    subject: source?.subject,
    tags: source?.tags,
    sentAt: source?.firstSentAt,
    createdAt: source?.createdAt,
    updatedAt: source?.createdAt,
    archivedAt: source?.archivedAt,
  };
  expect(await asTenant((reads) => findCampaigns(reads, tenant, [source?.id ?? ("" as CampaignId)]))).toEqual([
    expected,
  ]);
  expect(await asTenant((reads) => findCampaignByExternalId(reads, tenant, source?.externalId ?? ""))).toEqual(
    expected,
  );
  expect(await asTenant((reads) => findCampaigns(reads, tenant, []))).toEqual([]);
});

const named = (archivedAt: number | null, externalId: string): Source => ({ ...sourceOf(0), externalId, archivedAt });

test("of several campaigns with one external id the live one is found, else the one archived last", async () => {
  const own = uuidv7() as TenantId;
  const [old, live, older, oldest] = [named(START, "a"), named(null, "a"), named(START + 1, "b"), named(START, "b")];
  await write(
    own,
    [old, live, oldest, older].filter((source) => source !== undefined),
  );
  const find = (name: string) => asTenant((reads) => findCampaignByExternalId(reads, own, name), own);
  expect((await find("a"))?.id).toBe(live?.id);
  expect((await find("b"))?.id).toBe(older?.id);
});

const arrive = async (pages: number) => {
  const newer = sourceOf(pages * 7, START + 10 * HOUR + pages);
  await write(tenant, [newer]);
  written.push(newer);
};

test.each(orders.filter(({ field }) => ["CREATED_AT", "SENT_AT", "NAME"].includes(field)))(
  "campaigns that come in between two pages by $field $direction neither hide nor repeat one",
  async (order) => {
    const before = expectedIds(everything, order);
    const met = idsOf(await walk(reading(everything, order), 25, "forward", arrive));
    expect(new Set(met).size).toBe(met.length);
    expect(met.filter((id) => before.includes(id))).toEqual(before);
  },
);
