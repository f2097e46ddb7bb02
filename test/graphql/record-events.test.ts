import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Product, startProduct } from "../support/product.js";
import { RECORD_EVENTS, type RecordedEvents, recordEvents } from "../support/record-events.js";

let product: Product;
let key: string;
beforeAll(async () => {
  product = await startProduct();
  ({ key } = await product.createTenant());
});
afterAll(() => product.stop());

const sent = (index: number, campaignExternalId = "c") => ({
  type: "SENT",
  campaignExternalId,
  recipient: `r${index}@example.com`,
  occurredAt: "2026-11-01T10:00:00Z",
});
const many = (count: number, campaign?: string) => Array.from({ length: count }, (_, index) => sent(index, campaign));
const record = (input: Record<string, unknown>, as = key) =>
  product.graphql<RecordedEvents>(as, RECORD_EVENTS, { input });

async function recordedIn(externalId: string): Promise<number> {
  await product.settled(key);
  const { data } = await product.graphql<{ campaign: { metrics: { sent: { total: number } } } | null }>(
    key,
    `query ($externalId: String!) { campaign(externalId: $externalId) { metrics { sent { total } } } }`,
    { externalId },
  );
  return data.campaign?.metrics.sent.total ?? 0;
}

const receiptOf = (id: string) =>
  product.graphql(
    key,
    `query ($id: ID!) { node(id: $id) {
       ... on IngestReceipt { id status acceptedAt appliedAt recordedCount duplicateCount } } }`,
    { id },
  );

describe("recordEvents", () => {
  test("takes 1,000 events in a call, and of 1,001 none", async () => {
    const good = await record({ events: many(1_000, "thousand") });
    expect(good.data.recordEvents).toMatchObject({ acceptedCount: 1_000, refused: [] });
    const bad = await record({ events: many(1_001, "too-many") });
    expect(bad.status).toBe(413);
    expect(bad.errors?.map((error) => error.extensions)).toEqual([{ code: "TOO_LARGE", field: ["input", "events"] }]);
    expect(await recordedIn("thousand")).toBe(1_000);
    expect(await recordedIn("too-many")).toBe(0);
  });

  test.each([
    [
      "one input",
      "mutation ($input: RecordEventsInput!) { a: recordEvents(input: $input) { acceptedCount } b: recordEvents(input: $input) { acceptedCount } }",
    ],
    [
      "one list",
      "mutation ($events: [EventInput!]!) { a: recordEvents(input: { events: $events }) { acceptedCount } b: recordEvents(input: { events: $events }) { acceptedCount } }",
    ],
    [
      "one input, by a fragment",
      "mutation ($input: RecordEventsInput!) { ...both } fragment both on Mutation { a: recordEvents(input: $input) { acceptedCount } b: recordEvents(input: $input) { acceptedCount } }",
    ],
  ])(
    "takes the same events in each field of an operation that has them, and counts them once: %s",
    async (name, query) => {
      // Also once the operation is compiled.
      for (let time = 0; time < 4; time++) {
        const events = many(3, `twice, ${name}`);
        const { data } = await product.graphql(key, query, { input: { events }, events });
        expect(data).toEqual({ a: { acceptedCount: 3 }, b: { acceptedCount: 3 } });
      }
      expect(await recordedIn(`twice, ${name}`)).toBe(3);
    },
  );

  test("takes an empty call, for which there is no receipt", async () => {
    const { data } = await record({ events: [] });
    expect(data.recordEvents).toEqual({ acceptedCount: 0, receipt: null, refused: [] });
  });

  test("refuses a body above 5 MB before it is read to the end", async () => {
    const { status, errors } = await record({ events: [{ ...sent(0), metadata: { filler: "x".repeat(5_000_000) } }] });
    expect(status).toBe(413);
    expect(errors?.[0]?.extensions["code"]).toBe("TOO_LARGE");
  });

  test("refuses the call for an enum value that does not exist, names its place and records nothing", async () => {
    const events = many(9, "enum").map((event, index) => (index === 7 ? { ...event, type: "SNET" } : event));
    const { status, data, errors } = await record({ events });
    expect(status).toBe(400);
    expect(data).toBeUndefined();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.message).toContain("events[7].type");
    expect(errors?.[0]?.extensions).toEqual({ code: "BAD_INPUT" });
    expect(await recordedIn("enum")).toBe(0);
  });

  test.each([["text"], [5], [[1]], [true]])("refuses for metadata %j that event alone", async (metadata) => {
    const campaign = `metadata-${JSON.stringify(metadata)}`;
    const { data } = await record({ events: [sent(0, campaign), { ...sent(1, campaign), metadata }] });
    expect(data.recordEvents).toMatchObject({
      acceptedCount: 1,
      refused: [{ index: 1, code: "INVALID", field: "metadata" }],
    });
    expect(await recordedIn(campaign)).toBe(1);
  });

  test("refuses each bad event by its index and field, and takes the good ones beside it", async () => {
    const { data } = await record({
      events: [
        sent(0, "mixed"),
        { ...sent(1, "mixed"), occurredAt: "2999-01-01T00:00:00Z" },
        { ...sent(2, "mixed"), occurredAt: "1999-01-01T00:00:00Z" },
        { ...sent(3), campaignExternalId: null, campaignId: "nobody's" },
        { ...sent(4, "mixed"), type: "CLICKED" },
        { ...sent(5, "mixed"), type: "CONVERTED", amount: "1e3", currency: "EUR" },
        { ...sent(6, "mixed"), recipient: " " },
        { ...sent(7, "mixed"), metadata: { filler: "x".repeat(9_000) } },
        sent(8, "mixed"),
      ],
    });
    expect(data.recordEvents.acceptedCount).toBe(2);
    expect(data.recordEvents.refused.map(({ index, code, field }) => [index, code, field])).toEqual([
      [1, "IN_FUTURE", "occurredAt"],
      [2, "TOO_OLD", "occurredAt"],
      [3, "UNKNOWN_CAMPAIGN", "campaignId"],
      [4, "INVALID", "url"],
      [5, "INVALID", "amount"],
      [6, "INVALID", "recipient"],
      [7, "TOO_LARGE", "metadata"],
    ]);
    expect(await recordedIn("mixed")).toBe(2);
  });
});

describe("a receipt", () => {
  test("says when its events were applied, and how many of them had been recorded before", async () => {
    const { data } = await record({ events: many(3, "receipt") });
    const first = data.recordEvents.receipt;
    expect(first).toMatchObject({ status: "QUEUED", appliedAt: null, recordedCount: 0, duplicateCount: 0 });
    // Of calls that wait at the same time either may be recorded first.
    await product.settled(key);
    const again = await recordEvents(product, key, many(5, "receipt"));
    await product.settled(key);
    expect((await receiptOf(first?.id ?? "")).data).toEqual({
      node: { ...first, status: "APPLIED", appliedAt: expect.stringMatching(/Z$/), recordedCount: 3 },
    });
    expect((await receiptOf(again)).data).toMatchObject({
      node: { status: "APPLIED", recordedCount: 2, duplicateCount: 3 },
    });
    expect(await recordedIn("receipt")).toBe(5);
  });
});

describe("an idempotency key", () => {
  test("gives the same call its first receipt again, and records it once", async () => {
    const input = { idempotencyKey: "same", events: [...many(2, "same"), { ...sent(9, "same"), recipient: "" }] };
    const first = (await record(input)).data.recordEvents;
    await product.settled(key);
    const again = (await record(input)).data.recordEvents;
    expect(again).toEqual({
      ...first,
      receipt: { ...first.receipt, status: "APPLIED", appliedAt: expect.any(String), recordedCount: 2 },
    });
    expect(await recordedIn("same")).toBe(2);
  });

  test("is refused for a call with other content, which is not recorded", async () => {
    await record({ idempotencyKey: "reused", events: [sent(1, "reused")] });
    const { status, errors } = await record({ idempotencyKey: "reused", events: [sent(2, "reused")] });
    expect(status).toBe(409);
    expect(errors?.map((error) => error.extensions)).toEqual([
      { code: "IDEMPOTENCY_KEY_REUSED", field: ["input", "idempotencyKey"] },
    ]);
    expect(await recordedIn("reused")).toBe(1);
  });

  test("gives calls at the same time one receipt", async () => {
    const input = { idempotencyKey: "racing", events: many(10, "racing") };
    const answers = await Promise.all(Array.from({ length: 20 }, () => record(input)));
    expect(answers.flatMap((answer) => answer.errors ?? [])).toEqual([]);
    const receipts = new Set(answers.map(({ data }) => data.recordEvents.receipt?.id));
    expect(receipts.size).toBe(1);
    await product.settled(key);
    expect((await receiptOf([...receipts][0] ?? "")).data).toMatchObject({
      node: { status: "APPLIED", recordedCount: 10, duplicateCount: 0 },
    });
  });

  test("is the tenant's own", async () => {
    const other = await product.createTenant();
    const input = { idempotencyKey: "shared", events: [sent(1, "shared")] };
    const [mine, theirs] = [await record(input), await record({ ...input, events: [sent(2)] }, other.key)];
    expect(theirs.errors).toBeUndefined();
    expect(theirs.data.recordEvents.receipt?.id).not.toBe(mine.data.recordEvents.receipt?.id);
  });

  test("is kept for a call in which one event's metadata is nested past any limit of a stack: the others are recorded", async () => {
    const events = [sent(1, "deep"), { ...sent(2, "deep"), metadata: "DEEP" }];
    const call = JSON.stringify({ query: RECORD_EVENTS, variables: { input: { idempotencyKey: "deep", events } } });
    const body = call.replace('"DEEP"', `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`);
    const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
    for (let time = 0; time < 2; time++) {
      const answer = await fetch(`${product.url}/graphql`, { method: "POST", headers, body });
      expect(await answer.json()).toMatchObject({
        data: { recordEvents: { acceptedCount: 1, refused: [{ index: 1, code: "INVALID", field: "metadata" }] } },
      });
    }
    expect(await recordedIn("deep")).toBe(1);
  });

  test.each(["", "x".repeat(256)])("%j is refused", async (idempotencyKey) => {
    const { status, errors } = await record({ idempotencyKey, events: [] });
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions).toEqual({ code: "BAD_INPUT", field: ["input", "idempotencyKey"] });
  });
});
