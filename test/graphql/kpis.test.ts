import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { recordEvents } from "../support/record-events.js";

const statements: string[] = [];
let product: Product;
let key: string;
const ids: Record<string, string> = {};

/** One SENT for each, in the campaign and at the time named. */
const sent = (campaignExternalId: string, ...times: string[]) =>
  times.map((occurredAt, index) => ({
    type: "SENT",
    campaignExternalId,
    recipient: `r${index}-${occurredAt}@example.com`,
    occurredAt,
  }));

beforeAll(async () => {
  product = await startProduct({ onStatement: (name) => statements.push(name) });
  ({ key } = await product.createTenant("Europe/Berlin"));
  for (const [name, tags] of Object.entries({ one: ["a", "b"], two: ["b"], three: [] })) {
    const { data } = await product.graphql<{ createCampaign: { campaign: { id: string } } }>(
      key,
      `mutation ($input: CreateCampaignInput!) { createCampaign(input: $input) { campaign { id } } }`,
      { input: { name, externalId: name, tags } },
    );
    ids[name] = data.createCampaign.campaign.id;
  }
  await recordEvents(product, key, [
    // Midnight in Berlin is 22:00 UTC in summer, 23:00 in winter; the clocks went back on 25 October 2026.
    ...sent("one", "2026-10-24T21:59:00Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:00Z", "2026-10-25T23:00:00Z"),
    ...sent("two", "2026-10-25T12:00:00Z", "2026-10-23T22:00:00Z"),
    ...sent("three", "2026-10-25T12:00:00Z", "2025-10-25T12:00:00Z"),
  ]);
  await product.settled(key);
});
afterAll(() => product.stop());

/** 25 October in Berlin: 25 hours. */
const LONG_DAY = `range: { from: "2026-10-24T22:00:00Z", to: "2026-10-25T23:00:00Z" }`;

interface Sent {
  readonly metrics: { readonly sent: { readonly unique: number } };
}
interface Kpis<Report> {
  readonly kpis: Report;
}

async function sentOf(args: string, variables: Record<string, unknown> = {}): Promise<number> {
  const head = Object.keys(variables).length === 0 ? "" : "query ($filter: KpiFilter) ";
  const query = `${head}{ kpis(${args}) { metrics { sent { unique } } } }`;
  const { data, errors } = await product.graphql<Kpis<Sent>>(key, query, variables);
  expect(errors).toBeUndefined();
  return data.kpis.metrics.sent.unique;
}

const sentWith = (filter: unknown) => sentOf(`${LONG_DAY}, filter: $filter`, { filter });

describe("kpis", () => {
  test("sum the campaigns that the filter leaves", async () => {
    expect(await sentWith(null)).toBe(4);
    expect(await sentWith({})).toBe(4);
    expect(await sentWith({ campaignIds: null, tags: null })).toBe(4);
    expect(await sentWith({ campaignIds: [ids["one"]] })).toBe(2);
    expect(await sentWith({ campaignIds: [ids["one"], ids["three"]] })).toBe(3);
    expect(await sentWith({ campaignIds: [ids["one"], ids["one"]] })).toBe(2);
    expect(await sentWith({ tags: ["a"] })).toBe(2);
    expect(await sentWith({ tags: ["a", "b"] })).toBe(3);
    expect(await sentWith({ tags: ["nobody's"] })).toBe(0);
    expect(await sentWith({ campaignIds: [ids["two"], ids["three"]], tags: ["b"] })).toBe(1);
  });

  test("an empty list is nothing, also of ids that are none", async () => {
    expect(await sentWith({ campaignIds: [] })).toBe(0);
    expect(await sentWith({ tags: [] })).toBe(0);
    expect(await sentWith({ campaignIds: ["nonsense"] })).toBe(0);
  });

  test("are compared with as many local days before, and with the year before", async () => {
    const compared = (compareTo: string) =>
      product.graphql(
        key,
        `{ kpis(${LONG_DAY}, compareTo: ${compareTo}) {
             metrics { sent { unique } } comparison { from to metrics { from to sent { unique } } } } }`,
      );
    const before = { from: "2026-10-23T22:00:00.000Z", to: "2026-10-24T22:00:00.000Z" };
    const yearBefore = { from: "2025-10-24T22:00:00.000Z", to: "2025-10-25T22:00:00.000Z" };
    const metrics = { sent: { unique: 4 } };
    expect((await compared("PREVIOUS_PERIOD")).data).toEqual({
      kpis: { metrics, comparison: { ...before, metrics: { ...before, sent: { unique: 2 } } } },
    });
    expect((await compared("PREVIOUS_YEAR")).data).toEqual({
      kpis: { metrics, comparison: { ...yearBefore, metrics: { ...yearBefore, sent: { unique: 1 } } } },
    });
    const { data } = await product.graphql(key, `{ kpis(${LONG_DAY}) { comparison { from } } }`);
    expect(data).toEqual({ kpis: { comparison: null } });
  });

  test("have days of the tenant's zone, or of the zone that is named", async () => {
    const range = `range: { from: "2026-10-24T00:00:00Z", to: "2026-10-26T00:00:00Z" }`;
    const series = async (args: string) => {
      const { data } = await product.graphql<Kpis<{ series: (Sent & { start: string })[] }>>(
        key,
        `{ kpis(${range}) { series(${args}) { start metrics { sent { unique } } } } }`,
      );
      return data.kpis.series.map(({ start, metrics }) => [start, metrics.sent.unique]);
    };
    expect(await series("granularity: DAY")).toEqual([
      ["2026-10-24T00:00:00.000Z", 1],
      ["2026-10-24T22:00:00.000Z", 4],
      ["2026-10-25T23:00:00.000Z", 1],
    ]);
    expect(await series(`granularity: DAY, timeZone: "UTC"`)).toEqual([
      ["2026-10-24T00:00:00.000Z", 2],
      ["2026-10-25T00:00:00.000Z", 4],
    ]);
    expect(await series(`granularity: DAY, timeZone: "Asia/Kathmandu"`)).toEqual([
      ["2026-10-24T00:00:00.000Z", 0],
      ["2026-10-24T18:15:00.000Z", 4],
      ["2026-10-25T18:15:00.000Z", 2],
    ]);
    expect(await series("granularity: MONTH")).toEqual([["2026-10-24T00:00:00.000Z", 6]]);
  });

  test("a zone that does not exist is refused", async () => {
    const { status, errors } = await product.graphql(
      key,
      `{ kpis(${LONG_DAY}) { series(granularity: DAY, timeZone: "Europe/Atlantis") { start } } }`,
    );
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions).toEqual({ code: "BAD_INPUT" });
  });

  test("say which bucket is in progress, and take the future", async () => {
    const now = Date.now();
    const range = {
      from: new Date(now - 86_400_000).toISOString(),
      to: new Date(now + 2 * 86_400_000).toISOString(),
    };
    const { data } = await product.graphql<Kpis<{ series: { start: string; end: string; isPartial: boolean }[] }>>(
      key,
      `query ($range: DateTimeRange!) { kpis(range: $range) { series(granularity: DAY) { start end isPartial } } }`,
      { range },
    );
    const partial = data.kpis.series.filter(({ isPartial }) => isPartial);
    expect(partial).toHaveLength(1);
    expect(Date.parse(partial[0]?.start ?? "")).toBeLessThanOrEqual(now + 60_000);
    expect(Date.parse(partial[0]?.end ?? "")).toBeGreaterThan(now);
  });

  test.each([
    ["10", "metrics { sent { unique } } freshness { pendingEvents }"],
    ["11", "freshness { pendingEvents } metrics { sent { unique } }"],
    [
      "12",
      "comparison { metrics { sent { unique } } } series(granularity: HOUR) { start } metrics { from } freshness { pendingEvents }",
    ],
  ])("read their freshness before the numbers, wherever it stands: in hour %s, %s", async (hour, selection) => {
    // An hour that nothing else asks for, so that nothing is cached.
    const range = `range: { from: "2026-10-24T${hour}:00:00Z", to: "2026-10-24T${hour}:30:00Z" }`;
    statements.length = 0;
    const { errors } = await product.graphql(key, `{ kpis(${range}, compareTo: PREVIOUS_PERIOD) { ${selection} } }`);
    expect(errors).toBeUndefined();
    const reads = statements.filter((name) => name.startsWith("metrics.") || name === "freshness.find_pending");
    expect(reads.length).toBeGreaterThan(1);
    expect(reads.indexOf("freshness.find_pending")).toBe(0);
  });

  test("with everything rolled up say that nothing waits, and how old a cached answer is", async () => {
    const ask = () =>
      product.graphql<Kpis<{ freshness: { cacheAgeSeconds: number | null } }>>(
        key,
        `{ kpis(range: { from: "2026-10-01T00:00:00Z", to: "2026-10-02T00:00:00Z" }) {
             metrics { sent { unique } } freshness { pendingEvents rolledUpThrough cacheAgeSeconds } } }`,
      );
    const began = Date.now();
    const first = await ask();
    expect(first.data.kpis.freshness).toEqual({
      pendingEvents: 0,
      rolledUpThrough: expect.toSatisfy((time: string) => Math.abs(Date.parse(time) - began) < 5_000),
      cacheAgeSeconds: null,
    });
    expect((await ask()).data.kpis.freshness.cacheAgeSeconds).toBeGreaterThanOrEqual(0);
  });
});

test("without a worker accepted events wait, and freshness counts them", async () => {
  const idle = await startProduct({ worker: false });
  try {
    const tenant = await idle.createTenant();
    const events = sent("c", "2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z");
    const began = Date.now();
    const receipt = await recordEvents(idle, tenant.key, events);
    const { data } = await idle.graphql<Kpis<{ freshness: { rolledUpThrough: string } }>>(
      tenant.key,
      `{ kpis(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }) {
           metrics { sent { unique } } freshness { pendingEvents rolledUpThrough } } }`,
    );
    expect(data.kpis).toMatchObject({ metrics: { sent: { unique: 0 } }, freshness: { pendingEvents: 2 } });
    expect(Date.parse(data.kpis.freshness.rolledUpThrough)).toBeGreaterThanOrEqual(began - 1);
    expect(Date.parse(data.kpis.freshness.rolledUpThrough)).toBeLessThanOrEqual(Date.now());
    const queued = await idle.graphql(
      tenant.key,
      `query ($id: ID!) { node(id: $id) { ... on IngestReceipt { status appliedAt recordedCount duplicateCount } } }`,
      { id: receipt },
    );
    expect(queued.data).toEqual({
      node: { status: "QUEUED", appliedAt: null, recordedCount: 0, duplicateCount: 0 },
    });
  } finally {
    await idle.stop();
  }
});

test("a tag that no campaign can have is the filter's fault", async () => {
  const { key: ownKey } = await product.createTenant();
  const query = `query ($filter: KpiFilter) {
    kpis(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }, filter: $filter) { metrics { sent { unique } } }
  }`;
  const { errors } = await product.graphql(ownKey, query, { filter: { tags: ["a\u0000b"] } });
  expect(errors).toMatchObject([{ path: ["kpis"], extensions: { code: "BAD_INPUT", field: ["filter", "tags"] } }]);
});
