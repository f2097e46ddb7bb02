import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AcceptedEvent, EVENT_TYPES } from "../../src/events/event.js";
import { type CampaignId, uuidv7 } from "../../src/ids.js";
import type { Counts } from "../../src/metrics/counts.js";
import { type Rate, type RateProfile, type Traffic } from "../../src/metrics/kpi.js";
import { BASES, MEASURES } from "../../src/rollups/measures.js";
import type { RollupPayload } from "../../src/rollups/rollup-message.js";
import type { RollupTable } from "../../src/rollups/rollup-tables.js";
import { PROPERTY_RUNS, PROPERTY_TIMEOUT_MS } from "../support/property-runs.js";
import { CAMPAIGNS_OF_A_HISTORY, eventOf, type History, historyOf, rangeIn } from "./histories.js";
import { at } from "../time/times.js";
import { faultsOf, MemoryLedger, recordsOf, startOf, sumsOf, type TableRecord } from "./memory-ledger.js";
import { addTo, disagreements } from "./plain-count.js";
import { plainMetrics } from "../metrics/plain-metrics.js";

// In memory; through the database: histories.test.ts.

const campaignIds = Array.from({ length: CAMPAIGNS_OF_A_HISTORY }, () => uuidv7() as CampaignId);
const runs = { numRuns: PROPERTY_RUNS };
const LONG = { timeout: PROPERTY_TIMEOUT_MS };

function playIn(history: History): { ledger: MemoryLedger; payloads: RollupPayload[] } {
  const ledger = new MemoryLedger();
  const payloads = history.batches.map((batch) => ledger.record(batch.map((plan) => eventOf(plan, campaignIds))));
  return { ledger, payloads };
}

describe("any events", () => {
  const history = historyOf({ maxEvents: 40 });

  test("in any order, with duplicates, in any batches, make the rollups of a count from scratch", LONG, () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.boolean()), (given, coins) => {
        const { ledger, payloads } = playIn(given);
        // Messages are not ordered: some go to the front.
        const applied: RollupPayload[] = [];
        for (const payload of payloads) applied.splice(coins.next().value === true ? 0 : applied.length, 0, payload);
        expect(faultsOf(ledger.recorded.values(), applied, given.zone)).toEqual([]);
      }),
      runs,
    );
  });

  test("make the same rollups in one batch as one by one, and backwards", LONG, () => {
    fc.assert(
      fc.property(historyOf({ maxEvents: 20 }), (given) => {
        // Of an id with several contents the first stays, so that what is recorded is settled before it is reordered.
        const recorded = [...playIn(given).ledger.recorded.values()];
        const [together, alone, backwards] = [new MemoryLedger(), new MemoryLedger(), new MemoryLedger()];
        const expected = sumsOf(recordsOf([together.record(recorded)], given.zone));
        for (const payloads of [
          recorded.map((event) => alone.record([event])),
          recorded.toReversed().map((event) => backwards.record([event])),
        ]) {
          expect(disagreements(expected, sumsOf(recordsOf(payloads, given.zone)))).toEqual([]);
        }
      }),
      runs,
    );
  });

  test("sent again, with whatever content, change nothing", LONG, () => {
    fc.assert(
      fc.property(history, fc.constantFrom(...EVENT_TYPES), (given, type) => {
        const { ledger } = playIn(given);
        const recorded = [...ledger.recorded.values()];
        const again = recorded.map((event): AcceptedEvent => ({
          ...event,
          type,
          occurredAt: at("2026-06-15T00:00:00Z"),
          bounceClass: "HARD",
        }));
        expect(ledger.record(again).cells).toEqual([]);
        expect([...ledger.recorded.values()]).toEqual(recorded);
      }),
      runs,
    );
  });
});

/** The counts of records, summed by some of their columns: "EVENT 2026-10-25 opened" to a number. */
function summed(records: readonly TableRecord[], table: RollupTable, columns: readonly string[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const record of records.filter((row) => row.table === table)) {
    const place = columns.map((column) => record[column]);
    for (const measure of MEASURES) addTo(sums, [...place, measure].join(" "), BigInt(record[measure] ?? 0));
  }
  return sums;
}

/** What a reader says of some quarter-hours, taken together. */
function countsOf(records: readonly TableRecord[]): Counts {
  return {
    measures: MEASURES.map((measure) => records.reduce((sum, record) => sum + Number(record[measure] ?? 0), 0)),
    revenue: {},
  };
}

const ALL_TRAFFIC: readonly Traffic[] = ["ALL", "HUMAN"];
const PROFILES: readonly RateProfile[] = ["DEFAULT", "PER_SENT"];

describe("sums", () => {
  test("of days are the campaign's, of campaigns the tenant's, on both bases, and none is below zero", LONG, () => {
    fc.assert(
      fc.property(historyOf({ maxEvents: 40 }), (given) => {
        const records = recordsOf(playIn(given).payloads, given.zone);
        const campaigns = summed(records, "campaign_totals", ["campaign_id"]);
        for (const basis of BASES) {
          const ofBasis = records.filter((record) => record["basis"] === basis);
          expect(summed(ofBasis, "campaign_days", ["campaign_id"])).toEqual(campaigns);
          expect(summed(ofBasis, "campaign_quarter_hours", ["campaign_id"])).toEqual(campaigns);
          expect(summed(ofBasis, "campaign_days", ["day"])).toEqual(summed(ofBasis, "tenant_days", ["day"]));
          expect(summed(ofBasis, "campaign_quarter_hours", ["bucket_start"])).toEqual(
            summed(ofBasis, "tenant_quarter_hours", ["bucket_start"]),
          );
          expect(summed(ofBasis, "tenant_days", [])).toEqual(summed(records, "campaign_totals", []));
          expect(summed(ofBasis, "tenant_days", [])).toEqual(summed(records, "tenant_totals", []));
        }
        expect(records.filter((record) => MEASURES.some((measure) => Number(record[measure] ?? 0) < 0))).toEqual([]);
      }),
      runs,
    );
  });

  test("of bounce classes are the bounces, of humans and machines the opens and clicks", LONG, () => {
    fc.assert(
      fc.property(historyOf({ maxEvents: 40 }), (given) => {
        const { ledger, payloads } = playIn(given);
        const recorded = [...ledger.recorded.values()];
        const days = recordsOf(payloads, given.zone).filter(({ table }) => table === "tenant_days");
        for (const basis of BASES) {
          const counts = countsOf(days.filter((record) => record["basis"] === basis));
          const [all, human] = ALL_TRAFFIC.map((traffic) => plainMetrics(counts, traffic, "DEFAULT"));
          const { hard, soft, block, undetermined, total } = all!.bounced;
          expect(hard + soft + block + undetermined).toBe(total);
          expect(total).toBe(recorded.filter(({ type }) => type === "BOUNCED").length);
          for (const [kind, type] of [
            ["opened", "OPENED"],
            ["clicked", "CLICKED"],
          ] as const) {
            const machines = recorded.filter((event) => event.type === type && event.traffic === "MACHINE").length;
            expect(human![kind].total + machines).toBe(all![kind].total);
            expect(human![kind].unique).toBeLessThanOrEqual(all![kind].unique);
          }
          expect({ ...human, opened: 0, clicked: 0, ...ENGAGEMENT }).toEqual({
            ...all,
            opened: 0,
            clicked: 0,
            ...ENGAGEMENT,
          });
        }
      }),
      runs,
    );
  });

  test(
    "where every recipient has a SENT, pass 1 in no rate of the SEND basis but click-to-open, in any range",
    LONG,
    () => {
      const part = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
      fc.assert(
        fc.property(historyOf({ maxEvents: 40, everyoneSent: true }), fc.tuple(part, part), (given, bounds) => {
          const records = recordsOf(playIn(given).payloads, given.zone);
          const range = rangeIn(given.window, bounds);
          const sends = records.filter((record) => record["basis"] === "SEND");
          const quarters = sends.filter(({ table }) => table === "tenant_quarter_hours");
          const inRange = quarters.filter((record) => startOf(record) >= range.from && startOf(record) < range.to);
          const counted = [...sends.map((record) => countsOf([record])), countsOf(inRange)];
          expect(counted.flatMap((counts) => ratesPastOne(counts))).toEqual([]);
        }),
        runs,
      );
    },
  );
});

/** What traffic bears on beside opens and clicks. */
const ENGAGEMENT = { openRate: 0, clickRate: 0, clickToOpenRate: 0 };

/** The rates but click-to-open that pass 1, of all traffic and of humans, by either profile. */
function ratesPastOne(counts: Counts): string[] {
  return ALL_TRAFFIC.flatMap((traffic) =>
    PROFILES.flatMap((profile) =>
      Object.entries(plainMetrics(counts, traffic, profile))
        .filter(([name]) => name.endsWith("Rate") && name !== "clickToOpenRate")
        .filter(([, rate]) => (rate as Rate).numerator > (rate as Rate).denominator)
        .map(([name, rate]) => `${name} ${traffic} ${profile}: ${JSON.stringify(rate)}`),
    ),
  );
}
