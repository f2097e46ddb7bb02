import { expect, test } from "vitest";
import { type CampaignId, uuidv7 } from "../../../src/ids.js";
import { LINK_MEASURES, MEASURES } from "../../../src/rollups/measures.js";
import { recount, type Recount } from "../../../src/rollups/verify/recount.js";
import { beginSnapshot } from "../../../src/tenancy/transactions.js";
import { type EpochMicros, formatInstant, parseInstant } from "../../../src/time/instant.js";
import type { TimeZoneId } from "../../../src/time/time-zone.js";
import { acceptedEvent, createTenant, type Happening, providePools, recordEvents } from "../rollup-scene.js";

// The numbers are counted by hand from docs/kpis.md: the fold and the recount must not be wrong together.

const pools = providePools();

type Line = Omit<Happening, "campaignId" | "recipient" | "occurredAt"> & { readonly recipient?: string };

/** Records what one recipient (or those named) did at these times of a day, and counts it. */
async function countOf(happenings: Readonly<Record<string, Line>>, maxLinks?: number): Promise<Recount> {
  const { tenantId, campaignIds } = await createTenant(pools, "UTC" as TimeZoneId, 1);
  const campaignId = campaignIds[0] ?? (uuidv7() as CampaignId);
  const events = Object.entries(happenings).map(([time, line]) =>
    acceptedEvent({ recipient: "ann", ...line, campaignId, occurredAt: at(time) }),
  );
  await recordEvents(pools, tenantId, events, maxLinks);
  const log = await beginSnapshot(pools.events);
  const result = await recount(log, tenantId, campaignIds);
  await log.rollback();
  return result;
}

function at(time: string): EpochMicros {
  const instant = parseInstant(`2026-11-05T${time}Z`);
  if (instant === null) throw new Error(`Not a time: ${time}`);
  return instant;
}

/** The cells as "EVENT 10:15": { opened: 1 }, without zeros. */
function cellsOf({ quarters }: Recount): Record<string, Record<string, number | string>> {
  const cells = Array.from(quarters, ({ basis, bucket, measures, revenue }) => [
    `${basis} ${formatInstant(bucket as EpochMicros).slice(11, 16)}`,
    {
      ...Object.fromEntries(
        MEASURES.map((name, position) => [name, measures[position] ?? 0]).filter(([, n]) => n !== 0),
      ),
      ...Object.fromEntries(revenue),
    },
  ]);
  return Object.fromEntries(cells) as Record<string, Record<string, number | string>>;
}

test("everything of a recipient stands at the first SENT on the SEND basis, and where it happened on the other", async () => {
  const counted = await countOf({
    "10:00:00": { type: "DELIVERED" },
    "10:14:59.999999": { type: "SENT" },
    "10:15:00": { type: "SENT" },
    "11:59:59": { type: "CONVERTED", amount: "12.50", currency: "USD" },
    "12:00:00": { type: "CONVERTED", amount: "0.5", currency: "USD" },
  });
  expect(cellsOf(counted)).toEqual({
    "EVENT 10:00": { delivered: 1, sent: 1, unique_sent: 1, unique_delivered: 1 },
    "EVENT 10:15": { sent: 1 },
    "EVENT 11:45": { converted: 1, unique_converted: 1, USD: "12.50" },
    "EVENT 12:00": { converted: 1, USD: "0.5" },
    "SEND 10:00": {
      sent: 2,
      delivered: 1,
      converted: 2,
      unique_sent: 1,
      unique_delivered: 1,
      unique_converted: 1,
      USD: "13.00",
    },
  });
  expect([...counted.firstSent.values()]).toEqual([at("10:14:59.999999")]);
});

test("without a SENT the first event, of whatever type, is where the SEND basis puts a recipient", async () => {
  const counted = await countOf({ "09:00:00": { type: "REJECTED" }, "10:00:00": { type: "DEFERRED" } });
  expect(cellsOf(counted)["SEND 09:00"]).toEqual({ rejected: 1, deferred: 1, unique_rejected: 1, unique_deferred: 1 });
  expect(counted.firstSent.size).toBe(0);
});

test.each([
  ["a bounce undoes a delivery, also a later one", { bounces: ["09:00"], delivered: ["08:00", "10:00"] }, null],
  ["whoever engages was reached when first heard of", { delivered: ["08:00"], complained: ["10:00"] }, "08:00"],
  ["whoever engages before the delivery was reached then", { delivered: ["10:00"], complained: ["09:00"] }, "09:00"],
  ["whoever engages was reached in spite of a bounce", { bounces: ["09:00"], complained: ["10:00"] }, "10:00"],
  ["a deferral is no bounce", { deferred: ["08:00"], delivered: ["09:00"] }, "09:00"],
] as const)(
  "%s",
  async (
    _,
    times: Partial<Record<"bounces" | "delivered" | "complained" | "deferred", readonly string[]>>,
    expected,
  ) => {
    const counted = await countOf(
      Object.fromEntries([
        ...(times.bounces ?? []).map((time) => [`${time}:00`, { type: "BOUNCED", bounceClass: "SOFT" }] as const),
        ...(times.delivered ?? []).map((time) => [`${time}:00`, { type: "DELIVERED" }] as const),
        ...(times.complained ?? []).map((time) => [`${time}:00`, { type: "COMPLAINED" }] as const),
        ...(times.deferred ?? []).map((time) => [`${time}:00`, { type: "DEFERRED" }] as const),
      ]),
    );
    const found = Object.entries(cellsOf(counted)).filter(
      ([place, cell]) => place.startsWith("EVENT") && cell["unique_delivered"] !== undefined,
    );
    expect(found.map(([place, cell]) => [place, cell["unique_delivered"]])).toEqual(
      expected === null ? [] : [[`EVENT ${expected}`, 1]],
    );
  },
);

test("opens by machines are not human, unknown ones are; each has its own first", async () => {
  const counted = await countOf({
    "09:00:00": { type: "OPENED", traffic: "MACHINE" },
    "10:00:00": { type: "OPENED", traffic: "UNKNOWN" },
    "11:00:00": { type: "OPENED", traffic: "HUMAN" },
  });
  const cells = cellsOf(counted);
  expect(cells["EVENT 09:00"]).toEqual({ opened: 1, unique_opened: 1, unique_delivered: 1 });
  expect(cells["EVENT 10:00"]).toEqual({ opened: 1, opened_human: 1, unique_opened_human: 1 });
  expect(cells["EVENT 11:00"]).toEqual({ opened: 1, opened_human: 1 });
});

test("a hard bounce has its own first, and the classes split the total", async () => {
  const counted = await countOf({
    "09:00:00": { type: "BOUNCED", bounceClass: "BLOCK" },
    "10:00:00": { type: "BOUNCED", bounceClass: "HARD" },
    "11:00:00": { type: "BOUNCED", bounceClass: "HARD" },
  });
  const cells = cellsOf(counted);
  expect(cells["EVENT 09:00"]).toEqual({ bounced_block: 1, unique_bounced: 1 });
  expect(cells["EVENT 10:00"]).toEqual({ bounced_hard: 1, unique_hard_bounced: 1 });
  expect(cells["EVENT 11:00"]).toEqual({ bounced_hard: 1 });
});

const url = (name: string): string => `https://example.org/${name}`;

test("the links past a campaign's limit are one, which a recipient clicks for the first time once", async () => {
  const counted = await countOf(
    {
      "09:00:00": { type: "CLICKED", traffic: "MACHINE", url: url("a") },
      "09:00:01": { type: "CLICKED", traffic: "HUMAN", url: url("a") },
      "09:00:02": { type: "CLICKED", traffic: "HUMAN", url: url("b") },
      "09:00:03": { type: "CLICKED", traffic: "MACHINE", url: url("c") },
      "09:00:04": { type: "CLICKED", traffic: "MACHINE", url: url("c"), recipient: "bob" },
    },
    1,
  );
  const links = cellsOfLinks(counted);
  expect(links).toEqual({
    "EVENT 09:00 (other links)": [3, 1, 2, 1],
    [`EVENT 09:00 ${url("a")}`]: [2, 1, 1, 1],
    "SEND 09:00 (other links)": [3, 1, 2, 1],
    [`SEND 09:00 ${url("a")}`]: [2, 1, 1, 1],
  });
});

test("a link's clicks stand where they happened, its uniques at the first, and all at the SENT on the SEND basis", async () => {
  const counted = await countOf({
    "08:00:00": { type: "SENT" },
    "09:00:00": { type: "CLICKED", traffic: "MACHINE", url: url("a") },
    "10:00:00": { type: "CLICKED", traffic: "UNKNOWN", url: url("a") },
    "11:00:00": { type: "CLICKED", traffic: "HUMAN", url: url("a") },
    "11:00:01": { type: "CLICKED", traffic: "HUMAN", url: url("b") },
  });
  expect(cellsOfLinks(counted)).toEqual({
    [`EVENT 09:00 ${url("a")}`]: [1, 0, 1, 0],
    [`EVENT 10:00 ${url("a")}`]: [1, 1, 0, 1],
    [`EVENT 11:00 ${url("a")}`]: [1, 1, 0, 0],
    [`EVENT 11:00 ${url("b")}`]: [1, 1, 1, 1],
    [`SEND 08:00 ${url("a")}`]: [3, 2, 1, 1],
    [`SEND 08:00 ${url("b")}`]: [1, 1, 1, 1],
  });
});

/** The cells of links as "EVENT 10:15 https://...": the counts by position in LINK_MEASURES. */
function cellsOfLinks({ linkQuarters, linkUrls }: Recount): Record<string, number[]> {
  const cells = Array.from(linkQuarters, ({ campaignId, linkKey, basis, bucket, measures }) => {
    const name = campaignId === null || linkKey === null ? "" : linkUrls.find({ campaignId, linkKey });
    const time = formatInstant(bucket as EpochMicros).slice(11, 16);
    return [`${basis} ${time} ${name}`, LINK_MEASURES.map((_, position) => measures[position] ?? 0)];
  });
  return Object.fromEntries(cells) as Record<string, number[]>;
}
