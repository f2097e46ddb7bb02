import * as fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { type AcceptedEvent, EVENT_TYPES, type EventType, TRAFFIC_VERDICTS } from "../../src/events/event.js";
import { eventKeyOf } from "../../src/events/event-key.js";
import { appendToLog, rememberAddresses } from "../../src/events/event-log.js";
import { type EventList, readEventPage } from "../../src/events/event-pages.js";
import { ERASED_RECIPIENT, type EventRow } from "../../src/events/event-row.js";
import { eventIdParts, findEvents, readEventIdParts } from "../../src/events/find-events.js";
import { Partitions } from "../../src/events/partitions.js";
import {
  type CampaignId,
  hashToUuid,
  type ReceiptId,
  type RecipientKey,
  type TenantId,
  uuidv7,
} from "../../src/ids.js";
import type { PageRequest } from "../../src/pages/page-arguments.js";
import { readPageArguments } from "../../src/pages/page-arguments.js";
import { TenantReads, writeAsWorker } from "../../src/tenancy/transactions.js";
import { EARLIEST_INSTANT, END_OF_TIME, type EpochMicros } from "../../src/time/instant.js";
import { cursorAt, testCursors, walk } from "../pages/walk.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

const tenant = uuidv7() as TenantId;
const otherTenant = uuidv7() as TenantId;
const [campaignA, campaignB] = [uuidv7() as CampaignId, uuidv7() as CampaignId];
const START = (Date.UTC(2026, 4, 20) * 1000) as EpochMicros;
const DAY = 86_400_000_000;
const LATEST_INSTANT = (END_OF_TIME - 1_000_000) as EpochMicros;

const all: EventList = {
  types: null,
  occurredAt: null,
  campaignId: null,
  recipientKey: null,
  metadata: null,
  traffic: null,
  order: "NEWEST_FIRST",
};

let databases: TestDatabases;
let pool: Pool<"events">;
const written: AcceptedEvent[] = [];

function eventOf(index: number, occurredAt: number): AcceptedEvent {
  const type = EVENT_TYPES[index % EVENT_TYPES.length] ?? "SENT";
  const address = `person-${index % 7}@example.org`;
  return {
    key: eventKeyOf(`event ${index}`),
    eventId: `event ${index}`,
    type,
    campaignId: index % 3 === 0 ? campaignB : campaignA,
    recipientKey: hashToUuid(address) as RecipientKey,
    address,
    occurredAt: occurredAt as EpochMicros,
    ...(index % 4 !== 0 && { metadata: { wave: index % 5, "it's": '"; drop table sent; --' } }),
    ...(type === "BOUNCED" && { bounceClass: "HARD", statusCode: "5.1.1" }),
    ...(type === "OPENED" && { traffic: TRAFFIC_VERDICTS[index % 3] ?? "UNKNOWN", country: "DE" }),
    ...(type === "CLICKED" && { traffic: TRAFFIC_VERDICTS[index % 3] ?? "UNKNOWN", url: "https://example.org/" }),
    ...(type === "CONVERTED" && { amount: "12.50", currency: "EUR" }),
  };
}

async function write(tenantId: TenantId, events: readonly AcceptedEvent[]): Promise<void> {
  await new Partitions(pool).ensureFor(events.map((event) => event.occurredAt));
  const receiptId = uuidv7() as ReceiptId;
  const received = events.map((event) => ({ tenantId, receiptId, receivedAt: START, event }));
  await writeAsWorker(pool, async (session) => {
    await appendToLog(session, received);
    await rememberAddresses(session, received);
  });
}

function reading(
  list: EventList,
  tenantId = tenant,
): (page: PageRequest) => Promise<Awaited<ReturnType<typeof readEventPage>>> {
  return async (page) => {
    const reads = new TenantReads(pool, tenantId);
    try {
      return await readEventPage(reads, tenantId, list, page, testCursors);
    } finally {
      await reads.end();
    }
  };
}

/** What the list must hold, found without SQL. */
function expectedKeys(list: EventList, events: readonly AcceptedEvent[] = written): string[] {
  const { types, occurredAt, campaignId, recipientKey, metadata, traffic } = list;
  const kept = events.filter(
    (event) =>
      (types === null || types.includes(event.type)) &&
      (occurredAt === null || (event.occurredAt >= occurredAt.from && event.occurredAt < occurredAt.to)) &&
      (campaignId === null || event.campaignId === campaignId) &&
      (recipientKey === null || event.recipientKey === recipientKey) &&
      (traffic === null || event.traffic === traffic) &&
      Object.entries(metadata ?? {}).every(([key, value]) => event.metadata?.[key] === value),
  );
  const oldestFirst = kept.toSorted((a, b) => a.occurredAt - b.occurredAt || (a.key < b.key ? -1 : 1));
  return (list.order === "OLDEST_FIRST" ? oldestFirst : oldestFirst.toReversed()).map((event) => event.key);
}

const keysOf = (rows: readonly EventRow[]) => rows.map((row) => row.key as string);

beforeAll(async () => {
  databases = await createTestDatabases();
  // One connection, so that a statement's name with two texts would be found out.
  pool = new Pool({
    database: "events",
    url: databases.eventsUrl,
    maxConnections: 1,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log: pino({ level: "silent" }),
  });
  // Nine moments in four months: many ties, also across types; midnights of the first of a month among them.
  const moments = Array.from({ length: 8 }, (_, index) => START + index * 12 * DAY).concat(Date.UTC(2026, 5, 1) * 1000);
  for (let index = 0; index < 150; index++)
    written.push(eventOf(index, moments[(index * 7) % moments.length] ?? START));
  await write(tenant, written);
  const theirs = written.map((event) => ({ ...event, eventId: "not yours", address: `theirs-${event.address}` }));
  await write(otherTenant, theirs);
});

afterAll(async () => {
  await pool?.stop();
  await databases?.drop();
});

test("whatever is listed, all pages together are every event once, in order, from either end", async () => {
  const moment = fc.integer({ min: -1, max: 110 }).map((days) => (START + days * DAY) as EpochMicros);
  const range = fc.tuple(moment, moment).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) + 1 }));
  const lists = fc.record({
    types: fc.option(fc.subarray([...EVENT_TYPES])),
    occurredAt: fc.option(range as fc.Arbitrary<EventList["occurredAt"] & object>),
    campaignId: fc.option(fc.constantFrom(campaignA, campaignB)),
    campaignSentAt: fc.option(fc.oneof(moment, fc.constantFrom(EARLIEST_INSTANT, LATEST_INSTANT))),
    recipientKey: fc.option(fc.constantFrom(...new Set(written.map((event) => event.recipientKey))), { freq: 2 }),
    metadata: fc.option(fc.constantFrom<object[]>({}, { wave: 1 }, { wave: 2, "it's": '"; drop table sent; --' }), {
      freq: 2,
    }),
    traffic: fc.option(fc.constantFrom(...TRAFFIC_VERDICTS), { freq: 2 }),
    order: fc.constantFrom("NEWEST_FIRST" as const, "OLDEST_FIRST" as const),
  }) as fc.Arbitrary<EventList>;
  await fc.assert(
    fc.asyncProperty(
      lists.filter((list) => list.metadata === null || list.campaignId !== null || list.recipientKey !== null),
      fc.integer({ min: 3, max: 100 }),
      fc.constantFrom("forward" as const, "backward" as const),
      async (list, size, direction) => {
        expect(keysOf(await walk(reading(list), size, direction))).toEqual(expectedKeys(list));
      },
    ),
    { numRuns: 400 },
  );
}, 60_000);

test.each(["NEWEST_FIRST", "OLDEST_FIRST"] as const)("pages of one row are every event once, %s", async (order) => {
  const list = { ...all, order };
  expect(keysOf(await walk(reading(list), 1))).toEqual(expectedKeys(list));
  expect(keysOf(await walk(reading(list), 1, "backward"))).toEqual(expectedKeys(list));
});

test("a page between two cursors holds only what lies between them", async () => {
  const read = reading(all);
  const page = await read(readPageArguments({ first: 100 }));
  const [after, before] = [cursorAt(page, 10), cursorAt(page, 20)];
  const between = expectedKeys(all).slice(11, 20);
  const first = await read(readPageArguments({ first: 5, after, before }));
  expect(first.edges.map((edge) => edge.node.key)).toEqual(between.slice(0, 5));
  expect(first).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
  const last = await read(readPageArguments({ last: 5, after, before }));
  expect(last.edges.map((edge) => edge.node.key)).toEqual(between.slice(-5));
  expect(await read(readPageArguments({ first: 9, after, before }))).toMatchObject({ hasNextPage: false });
  expect((await read(readPageArguments({ first: 9, after: before, before: after }))).edges).toEqual([]);
});

test("a row says what its type carries and, among other types, null for what it does not", async () => {
  const [bounce] = (await reading({ ...all, types: ["BOUNCED"] })(readPageArguments({ first: 1 }))).edges;
  const source = written.find((event) => event.key === bounce?.node.key);
  const carried = {
    type: "BOUNCED",
    key: source?.key,
    eventId: source?.eventId,
    campaignId: source?.campaignId,
    recipientKey: source?.recipientKey,
    recipient: source?.address,
    messageId: null,
    occurredAt: source?.occurredAt,
    receivedAt: START,
    metadata: source?.metadata ?? {},
    bounceClass: "HARD",
    statusCode: "5.1.1",
    diagnostic: null,
  };
  expect(bounce?.node).toEqual(carried);
  const among = (await walk(reading(all), 40)).find(({ key }) => key === source?.key);
  expect(among).toEqual({
    ...carried,
    mailboxProvider: null,
    url: null,
    traffic: null,
    client: null,
    device: null,
    country: null,
    method: null,
    feedbackSource: null,
    reason: null,
    amount: null,
    currency: null,
    externalReference: null,
  });
});

test("another tenant's events are never on a page", async () => {
  const rows = await walk(reading(all), 40);
  expect(rows.filter((row) => row.eventId === "not yours" || row.recipient.startsWith("theirs"))).toEqual([]);
  const reads = new TenantReads(pool, otherTenant);
  const page = await readEventPage(reads, tenant, all, readPageArguments({}), testCursors).finally(() => reads.end());
  expect(page.edges).toEqual([]);
});

test("a cursor of another filter, order, tenant or none at all is refused", async () => {
  const after = cursorAt(await reading(all)(readPageArguments({ first: 1 })), 0);
  const lists: EventList[] = [
    { ...all, order: "OLDEST_FIRST" },
    { ...all, campaignId: campaignA },
    { ...all, types: [] },
    { ...all, traffic: "HUMAN" },
    { ...all, occurredAt: { from: START, to: (START + 200 * DAY) as EpochMicros } },
  ];
  const refused = { code: "BAD_CURSOR", field: ["after"] };
  for (const list of lists) await expect(reading(list)(readPageArguments({ after }))).rejects.toMatchObject(refused);
  await expect(reading(all, otherTenant)(readPageArguments({ after }))).rejects.toMatchObject(refused);
  await expect(reading(all)(readPageArguments({ after: `${after}A===` }))).rejects.toMatchObject(refused);
  await expect(reading(all)(readPageArguments({ before: "' or true --" }))).rejects.toMatchObject({
    code: "BAD_CURSOR",
  });
});

const readContaining = (metadata: Record<string, unknown>, campaignId: CampaignId | null) =>
  reading({ ...all, metadata, campaignId })(readPageArguments({}));

test("metadata alone is refused, and so is what PostgreSQL cannot hold", async () => {
  const refused = { code: "BAD_INPUT", field: ["filter", "metadata"] };
  await expect(readContaining({ wave: 1 }, null)).rejects.toMatchObject(refused);
  await expect(readContaining({ deep: [{ text: "a\0b" }] }, campaignA)).rejects.toMatchObject(refused);
  await expect(readContaining({ "\ud800": 1 }, campaignA)).rejects.toMatchObject(refused);
  await expect(readContaining({ long: "x".repeat(10_000) }, campaignA)).rejects.toMatchObject(refused);
});

test("metadata is a value and never part of the statement", async () => {
  const hostile = ["') or true --", "$1", "{}'::jsonb or '1'='1", "\\", "'; drop table sent; --"];
  for (const text of hostile) {
    for (const metadata of [{ [text]: 1 }, { wave: text }, { wave: { [text]: [text] } }]) {
      const page = await reading({ ...all, metadata, campaignId: campaignA })(readPageArguments({}));
      expect(page.edges).toEqual([]);
    }
  }
  expect(await walk(reading(all), 100)).toHaveLength(written.length);
});

const findAgain = async (events: readonly AcceptedEvent[], tenantId = tenant): Promise<EventRow[]> => {
  const references = events.map((event) => readEventIdParts(eventIdParts(event))).filter((found) => found !== null);
  const reads = new TenantReads(pool, tenantId);
  return findEvents(reads, tenantId, references).finally(() => reads.end());
};
const sorted = (keys: readonly string[]) => keys.toSorted();

test("global ids find their events, of one type or several, and nobody else's", async () => {
  const some = written.slice(0, 25);
  expect(sorted(keysOf(await findAgain([...some, ...some])))).toEqual(sorted(some.map((event) => event.key)));
  const opened = written.filter((event) => event.type === "OPENED");
  expect(sorted(keysOf(await findAgain(opened)))).toEqual(sorted(opened.map((event) => event.key)));
  expect(await findAgain([])).toEqual([]);
  expect(await findAgain(some, uuidv7() as TenantId)).toEqual([]);
  expect(await findAgain([{ ...eventOf(0, START), key: eventKeyOf("nobody's") }])).toEqual([]);
});

test("parts that are no event's id are told at once", () => {
  const key = eventKeyOf("event 0");
  for (const parts of [
    [],
    ["SENT"],
    ["SENT", "1", "x"],
    ["sent", "1", key],
    ["SENT", "1e3", key],
    ["SENT", "1", key, ""],
  ]) {
    expect(readEventIdParts(parts)).toBeNull();
  }
  expect(readEventIdParts(["SENT", "9".repeat(16), key])).toBeNull();
  expect(readEventIdParts(["SENT", "12", key])).toEqual({ type: "SENT", occurredAt: 12, key });
});

test("events that come in between two pages neither hide nor repeat one", async () => {
  const before = expectedKeys(all);
  let index = 1000;
  const arrive = async () => {
    const newer = eventOf(index, START + 100 * DAY + index);
    index++;
    await write(tenant, [newer]);
    written.push(newer);
  };
  expect(keysOf(await walk(reading(all), 20, "forward", arrive))).toEqual(before);
  const oldestFirst: EventList = { ...all, order: "OLDEST_FIRST" };
  const met = keysOf(await walk(reading(oldestFirst), 20, "forward", arrive));
  expect(met).toEqual(expectedKeys(oldestFirst).slice(0, met.length));
  expect(met.length).toBeGreaterThan(before.length);
});

const eraseAddress = defineStatement<"events", [TenantId, RecipientKey], never>(
  "events",
  "test.erase_address",
  "update recipients set address = null where tenant_id = $1 and recipient_key = $2",
);

test("the events of an erased person stay on the pages without what says who it was, and are nobody's", async () => {
  const recipientKey = hashToUuid("person-3@example.org") as RecipientKey;
  const known = (await walk(reading(all), 100)).filter((row) => row.recipientKey === recipientKey);
  expect(known.length).toBeGreaterThan(0);
  await writeAsWorker(pool, (session) => session.run(eraseAddress(tenant, recipientKey)));
  const rows = await walk(reading(all), 100);
  expect(keysOf(rows)).toEqual(expectedKeys(all));
  const erased = rows.filter((row) => row.recipientKey === recipientKey);
  expect(keysOf(erased)).toEqual(keysOf(known));
  for (const row of erased) {
    const { recipient, eventId, messageId, metadata, client, diagnostic } = row;
    expect({ recipient, eventId, messageId, metadata, client, diagnostic }).toEqual({
      recipient: ERASED_RECIPIENT,
      eventId: row.key,
      messageId: null,
      metadata: {},
      client: null,
      diagnostic: null,
    });
  }
  expect(await walk(reading({ ...all, recipientKey }), 100)).toEqual([]);
});

const forgetAddress = defineStatement<"events", [TenantId, RecipientKey], never>(
  "events",
  "test.forget_address",
  "delete from recipients where tenant_id = $1 and recipient_key = $2",
);

test("a recipient whose address is not kept is called by the key, and found by it", async () => {
  const recipientKey = hashToUuid("person-4@example.org") as RecipientKey;
  await writeAsWorker(pool, (session) => session.run(forgetAddress(tenant, recipientKey)));
  const list = { ...all, recipientKey };
  const rows = await walk(reading(list), 100);
  expect(keysOf(rows)).toEqual(expectedKeys(list));
  expect(new Set(rows.map((row) => row.recipient))).toEqual(new Set([`key:${recipientKey}`]));
});

const explain = (text: string, name: string) =>
  defineStatement<"events", unknown[], { "QUERY PLAN": string }>(
    "events",
    `test.explain_${name}`,
    `explain (analyze, timing off, costs off) ${text}`,
  );

// Tables of a few rows are sorted sooner than walked in order; what matters is that there is a plan without.
const withoutSorts = defineStatement<"events", [], never>(
  "events",
  "test.without_sorts",
  "select set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true)",
);

test("a page that the month it begins in fills reads no other month, and one that it does not fill reads on", async () => {
  const to = (START + 90 * DAY) as EpochMicros;
  const list = { ...all, occurredAt: { from: START, to } };
  const inLastMonth = expectedKeys({ ...list, occurredAt: { from: (to - 31 * DAY) as EpochMicros, to } });
  const read = async (first: number) => {
    const { session, seen } = recording();
    const page = await readEventPage(session, tenant, list, readPageArguments({ first }), testCursors);
    await session.end();
    const months = seen.map(({ values }) => new Set(values.filter((value) => String(value).startsWith("2026-"))));
    return { keys: page.edges.map((edge) => edge.node.key), months };
  };
  // One row more than the page is read, which tells whether there is a next one.
  const filled = await read(inLastMonth.length - 1);
  expect(filled.keys).toEqual(inLastMonth.slice(0, -1));
  expect(filled.months).toEqual([new Set(["2026-07-18T00:00:00.000Z", "2026-08-18T00:00:00.000Z"])]);
  const beyond = await read(inLastMonth.length);
  expect(beyond.keys).toEqual(inLastMonth);
  expect(beyond.months).toHaveLength(2);
  expect(beyond.months[1]).toContain("2026-05-20T00:00:00.000Z");
});

test.each([
  ["NEWEST_FIRST", (sentAt: number) => ({ from: sentAt, to: Infinity })],
  ["OLDEST_FIRST", (sentAt: number) => ({ from: -Infinity, to: sentAt + 31 * DAY })],
] as const)(
  "a campaign's first page, %s, is looked for where its sending says, and in the rest where that does not fill it",
  async (order, near) => {
    const campaignSentAt = (START + 30 * DAY) as EpochMicros;
    const list: EventList = { ...all, campaignId: campaignA, campaignSentAt, order };
    const window = near(campaignSentAt) as EventList["occurredAt"];
    const expected = expectedKeys({ ...list, occurredAt: window });
    expect(expectedKeys(list).length).toBeGreaterThan(expected.length);
    const read = async (first: number) => {
      const { session, seen } = recording();
      const page = await readEventPage(session, tenant, list, readPageArguments({ first }), testCursors);
      await session.end();
      return { keys: page.edges.map((edge) => edge.node.key), statements: seen.length, hasNext: page.hasNextPage };
    };
    expect(await read(expected.length - 1)).toEqual({ keys: expected.slice(0, -1), statements: 1, hasNext: true });
    expect(await read(expected.length)).toEqual({ keys: expected, statements: 2, hasNext: true });
  },
);

test.each([
  ["NEWEST_FIRST", "forward"],
  ["NEWEST_FIRST", "backward"],
  ["OLDEST_FIRST", "forward"],
  ["OLDEST_FIRST", "backward"],
] as const)(
  "whenever a campaign is said to have been sent, its events are all there, %s, %s",
  async (order, direction) => {
    for (const campaignSentAt of [EARLIEST_INSTANT, START, LATEST_INSTANT] as EpochMicros[]) {
      const list: EventList = { ...all, campaignId: campaignA, campaignSentAt, order };
      expect(keysOf(await walk(reading(list), 7, direction))).toEqual(expectedKeys(list));
    }
  },
);

function recording() {
  const reads = new TenantReads(pool, tenant);
  const seen: { text: string; values: readonly unknown[] }[] = [];
  const session = {
    run: <Row>(statement: Parameters<typeof reads.run<Row>>[0]) => {
      seen.push(statement);
      return reads.run(statement);
    },
    end: () => reads.end(),
  };
  return { session, seen };
}

test("a page reads only the months of its range, through an index, and can do without a sort", async () => {
  const { session, seen } = recording();
  const june = { from: (Date.UTC(2026, 5, 1) * 1000) as EpochMicros, to: (Date.UTC(2026, 6, 1) * 1000) as EpochMicros };
  await readEventPage(session, tenant, { ...all, occurredAt: june }, readPageArguments({ first: 5 }), testCursors);
  const [statement] = seen;
  await session.run(withoutSorts());
  const rows = await session.run(explain(statement?.text ?? "", "page")(...(statement?.values ?? [])));
  await session.end();
  const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
  const partitions = new Set([...plan.matchAll(/on ([a-z]+_\d{4}_\d\d)/g)].map((match) => match[1]));
  expect([...partitions].toSorted()).toEqual(
    EVENT_TYPES.map((type: EventType) => `${type.toLowerCase()}_2026_06`).toSorted(),
  );
  expect(plan).not.toMatch(/Seq Scan on (?!recipients)/);
  expect(plan).not.toMatch(/Sort Method/);
});
