import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AcceptedEvent, DETAILS_BY_TYPE } from "../../src/events/event.js";
import type { CampaignId } from "../../src/ids.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { formatInstant, parseInstant } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS, type TimeRange } from "../../src/time/range.js";
import { CAMPAIGNS_OF_A_HISTORY, eventOf, historyOf } from "../rollups/histories.js";
import { type Occurrence, occurrencesOf } from "../rollups/plain-count.js";
import { type Product, startProduct } from "../support/product.js";
import { PROPERTY_RUNS, PROPERTY_TIMEOUT_MS } from "../support/property-runs.js";
import { type EventFields, recordEvents } from "../support/record-events.js";
import { ODD_ZONES } from "../time/times.js";
import {
  type Asked,
  comparable,
  METRICS_FIELDS,
  plainMetrics,
  type PlainRate,
  type ToldMetrics,
} from "./plain-metrics.js";
import { RICH } from "../support/rich.js";

const TENANT_ZONES = ["Europe/Berlin", "America/St_Johns", "Pacific/Chatham", "Pacific/Apia"];
const HISTORIES_OF_A_TENANT = 8;

/** A tenant, and what its events come to. */
interface Subject {
  readonly key: string;
  readonly occurrences: readonly Occurrence[];
  /** External ids: campaigns are told by these. */
  readonly campaigns: readonly string[];
  readonly windows: readonly TimeRange[];
}

let product: Product;
const subjects: Subject[] = [];

beforeAll(async () => {
  product = await startProduct({ env: RICH });
  for (const [index, zone] of TENANT_ZONES.entries()) subjects.push(await createSubject(zone, index));
}, 60_000);
afterAll(() => product.stop());

/** Everybody has a SENT: so no rate of the SEND basis may pass 1. */
async function createSubject(zone: string, seed: number): Promise<Subject> {
  const { key } = await product.createTenant(zone);
  const campaigns = Array.from({ length: CAMPAIGNS_OF_A_HISTORY }, (_, campaign) => `campaign ${campaign}`);
  const histories = fc.sample(historyOf({ maxEvents: 40, everyoneSent: true }), {
    numRuns: HISTORIES_OF_A_TENANT,
    seed,
  });
  const events = histories.flatMap(({ batches }, index) =>
    batches.flat().map((plan) => {
      const whose = { recipient: `${plan.recipient} ${index}`, eventId: `${plan.eventId} ${index}` };
      return eventOf({ ...plan, ...whose }, campaigns as CampaignId[]);
    }),
  );
  const recorded = [...new Map(events.toReversed().map((event) => [event.key, event])).values()];
  for (let start = 0; start < recorded.length; start += 1_000) {
    await recordEvents(product, key, recorded.slice(start, start + 1_000).map(inputOf));
  }
  await product.settled(key);
  const windows = histories.map(({ window }) => window);
  return { key, occurrences: occurrencesOf(recorded), campaigns, windows };
}

function inputOf(event: AcceptedEvent): EventFields {
  const { eventId, type, campaignId: campaignExternalId, address: recipient } = event;
  const details = Object.fromEntries(DETAILS_BY_TYPE[type].map((name) => [name, event[name]]));
  return { eventId, type, campaignExternalId, recipient, occurredAt: formatInstant(event.occurredAt), ...details };
}

const QUERY = `query (
  $range: DateTimeRange!, $basis: Basis!, $traffic: Traffic!, $rates: RateProfile!, $granularity: Granularity!, $zone: TimeZone
) {
  kpis(range: $range, basis: $basis, traffic: $traffic, rates: $rates) {
    metrics { from to ...Numbers }
    series(granularity: $granularity, timeZone: $zone) { start end metrics { ...Numbers } }
  }
  campaigns(first: 100) {
    nodes {
      externalId
      metrics(range: $range, basis: $basis, traffic: $traffic, rates: $rates) { ...Numbers }
      soFar: metrics(basis: $basis, traffic: $traffic, rates: $rates) { ...Numbers }
      series(range: $range, basis: $basis, traffic: $traffic, rates: $rates, granularity: $granularity, timeZone: $zone) {
        start end metrics { ...Numbers }
      }
    }
  }
}
fragment Numbers on Metrics { ${METRICS_FIELDS} }`;

interface Point {
  readonly start: string;
  readonly end: string;
  readonly metrics: ToldMetrics;
}
interface Told {
  readonly kpis: { readonly metrics: ToldMetrics; readonly series: readonly Point[] };
  readonly campaigns: {
    readonly nodes: readonly {
      readonly externalId: string;
      readonly metrics: ToldMetrics;
      readonly soFar: ToldMetrics;
      readonly series: readonly Point[];
    }[];
  };
}

/** The longest ranges, so that a series stays short enough to be looked at as a whole. */
const MOST_QUARTERS = { QUARTER_HOUR: 24, HOUR: 96, DAY: 96 * 14, WEEK: 96 * 100, MONTH: 96 * 400 } as const;
type Granularity = keyof typeof MOST_QUARTERS;

const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const questions = fc.record({
  tenant: fc.nat(TENANT_ZONES.length - 1),
  window: fc.nat(HISTORIES_OF_A_TENANT - 1),
  granularity: fc.constantFrom(...(Object.keys(MOST_QUARTERS) as Granularity[]), "DAY" as const),
  start: fraction,
  length: fraction,
  /** Beside the quarter-hours: ranges are widened to them. */
  micros: fc.constantFrom(0, 0, 1, 450_000_000),
  zone: fc.option(fc.constantFrom<string>(...ODD_ZONES)),
  asked: fc.record<Asked>({
    basis: fc.constantFrom("EVENT", "SEND"),
    traffic: fc.constantFrom("ALL", "HUMAN"),
    rates: fc.constantFrom("DEFAULT", "PER_SENT"),
  }),
});
type Question = typeof questions extends fc.Arbitrary<infer T> ? T : never;

function rangeAsked({ windows }: Subject, { window, granularity, start, length, micros }: Question): TimeRange {
  const { from, to } = windows[window]!;
  const quarter = Math.floor((from + start * (to - from)) / QUARTER_HOUR_MICROS);
  const quarters = 1 + Math.floor(length * MOST_QUARTERS[granularity]);
  return {
    from: (quarter * QUARTER_HOUR_MICROS + micros) as EpochMicros,
    to: ((quarter + quarters) * QUARTER_HOUR_MICROS - Math.floor(micros / 2)) as EpochMicros,
  };
}

const rangeOf = ({ start, end }: Point): TimeRange => ({ from: parseInstant(start)!, to: parseInstant(end)! });

/** "opened.total" to a number, summed over metrics. Rates do not add up; what they divide is among these. */
function sumOf(all: readonly ToldMetrics[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const metrics of all) {
    for (const [name, tally] of Object.entries(metrics)) {
      if (typeof tally !== "object" || tally === null || name.startsWith("revenue") || name.endsWith("Rate")) continue;
      for (const [part, count] of Object.entries(tally))
        sums[`${name}.${part}`] = (sums[`${name}.${part}`] ?? 0) + Number(count);
    }
  }
  return sums;
}

const ratesPastOne = (metrics: ToldMetrics) =>
  Object.entries(metrics).filter(
    ([name, told]) => name.endsWith("Rate") && name !== "clickToOpenRate" && ((told as PlainRate).value ?? 0) > 1,
  );

test(
  "for any range, zone, granularity, basis and traffic the answers are a plain count's, and series, ranges and campaigns add up",
  { timeout: PROPERTY_TIMEOUT_MS * 2 },
  async () => {
    await fc.assert(
      fc.asyncProperty(questions, async (question) => {
        const { tenant, granularity, zone, asked } = question;
        const subject = subjects[tenant]!;
        const range = rangeAsked(subject, question);
        const { data, errors } = await product.graphql<Told>(subject.key, QUERY, {
          range: { from: formatInstant(range.from), to: formatInstant(range.to) },
          ...asked,
          granularity,
          zone,
        });
        expect(errors).toBeUndefined();
        const { kpis, campaigns } = data;
        const { from, to, ...metrics } = kpis.metrics;
        const answered = { from: parseInstant(String(from))!, to: parseInstant(String(to))! };
        expect(answered.from).toBe(Math.floor(range.from / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS);
        expect(answered.to).toBe(Math.ceil(range.to / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS);

        const told = [{ ...kpis, metrics, soFar: null, occurrences: subject.occurrences }].concat(
          campaigns.nodes.map(({ externalId, ...campaign }) => ({
            ...campaign,
            occurrences: subject.occurrences.filter(({ campaignId }) => campaignId === externalId),
          })) as never[],
        );
        expect(told).toHaveLength(1 + subject.campaigns.length);
        for (const one of told) {
          expect(comparable(one.metrics)).toEqual(plainMetrics(one.occurrences, asked, answered));
          for (const point of one.series) {
            expect(comparable(point.metrics), point.start).toEqual(
              plainMetrics(one.occurrences, asked, rangeOf(point)),
            );
          }
          expect(sumOf(one.series.map((point) => point.metrics))).toEqual(sumOf([one.metrics]));
          expect([one.series[0]?.start, one.series.at(-1)?.end]).toEqual([from, to]);
        }
        for (const campaign of campaigns.nodes) {
          const own = subject.occurrences.filter(({ campaignId }) => campaignId === campaign.externalId);
          expect(comparable(campaign.soFar)).toEqual(plainMetrics(own, asked, null));
        }
        expect(sumOf(campaigns.nodes.map((campaign) => campaign.metrics))).toEqual(sumOf([metrics]));
        const all = told.flatMap((one) => [one.metrics, ...one.series.map((point) => point.metrics)]);
        expect(asked.basis === "SEND" ? all.flatMap((some) => ratesPastOne(some)) : []).toEqual([]);
      }),
      { numRuns: PROPERTY_RUNS },
    );
  },
);
