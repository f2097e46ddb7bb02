/** What may happen to a tenant, at random: some recipients, some campaigns, and events about them in any order, some of them twice. */
import * as fc from "fast-check";
import {
  type AcceptedEvent,
  BOUNCE_CLASSES,
  DETAILS_BY_TYPE,
  EVENT_TYPES,
  TRAFFIC_VERDICTS,
} from "../../src/events/event.js";
import type { CampaignId } from "../../src/ids.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS } from "../../src/time/range.js";
import type { TimeZoneId } from "../../src/time/time-zone.js";
import { between, zoneOf } from "../time/times.js";
import { acceptedEvent, type Happening } from "./rollup-scene.js";

const RECIPIENTS = ["ann", "bob", "cem"] as const;
export const CAMPAIGNS_OF_A_HISTORY = 2;

/** One event as it is sent, before its tenant's campaigns are known. */
export interface Plan extends Pick<Happening, "type" | "recipient" | "occurredAt"> {
  readonly campaign: number;
  /** Sent under an id that others may have as well; else under one of its own. */
  readonly eventId: string;
  readonly details: Pick<Happening, "bounceClass" | "traffic" | "url" | "amount" | "currency">;
}

const details: fc.Arbitrary<Plan["details"]> = fc.record({
  bounceClass: fc.constantFrom(...BOUNCE_CLASSES),
  traffic: fc.constantFrom(...TRAFFIC_VERDICTS),
  url: fc.constantFrom("https://example.org/a", "https://example.org/\u00e4?q=1", "https://example.org/c"),
  amount: fc.constantFrom("12.50", "0", "0.000001", "999999999999999.99"),
  currency: fc.constantFrom("USD", "JPY"),
});

/** An event at one of these times. Few ids and few times: one id comes with other contents, and times coincide. */
export function planAt(times: fc.Arbitrary<EpochMicros>): fc.Arbitrary<Plan> {
  return fc.record({
    type: fc.constantFrom(...EVENT_TYPES),
    campaign: fc.nat(CAMPAIGNS_OF_A_HISTORY - 1),
    recipient: fc.constantFrom(...RECIPIENTS),
    occurredAt: times,
    eventId: fc.oneof({ weight: 1, arbitrary: fc.constantFrom("1", "2", "3") }, { weight: 4, arbitrary: fc.uuid() }),
    details,
  });
}

/** The event that a plan is in a tenant. */
export function eventOf({ campaign, details: all, ...rest }: Plan, campaignIds: readonly CampaignId[]): AcceptedEvent {
  const campaignId = campaignIds[campaign];
  if (campaignId === undefined) throw new Error(`The tenant has no campaign ${campaign}`);
  const carried = new Set<string>(DETAILS_BY_TYPE[rest.type]);
  const own = Object.fromEntries(Object.entries(all).filter(([name]) => carried.has(name)));
  return acceptedEvent({ ...rest, ...own, campaignId });
}

/** Days at which something is odd: clocks that turn, a date left out, a leap day, a year's end. */
const WINDOWS = [
  between("2026-10-24T00:00:00Z", "2026-11-03T00:00:00Z"),
  between("2024-02-28T00:00:00Z", "2024-03-11T12:00:00Z"),
  between("2025-12-29T00:00:00Z", "2026-01-06T00:00:00Z"),
  between("2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z"),
];
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/St_Johns",
  "America/Havana",
  "Africa/Cairo",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "Pacific/Chatham",
  "Pacific/Apia",
].map(zoneOf);

/** On a boundary of quarter-hours, a microsecond beside one, or between two. */
function timesIn({ from, to }: (typeof WINDOWS)[number]): fc.Arbitrary<EpochMicros> {
  const quarter = fc.integer({ min: from / QUARTER_HOUR_MICROS, max: to / QUARTER_HOUR_MICROS - 1 });
  return fc
    .tuple(quarter, fc.constantFrom(-1, 0, 0, 1, 450_000_000))
    .map(([start, micros]) => (start * QUARTER_HOUR_MICROS + micros) as EpochMicros);
}

export interface History {
  /** Of the tenant. */
  readonly zone: TimeZoneId;
  /** In the order of arrival, as many in a batch as came together. */
  readonly batches: readonly (readonly Plan[])[];
  /** Where the events lie. */
  readonly window: (typeof WINDOWS)[number];
}

/** A tenant's events in any order, cut into any batches. With `everyoneSent` each recipient has a SENT, whenever it comes. */
export function historyOf(options: {
  readonly maxEvents: number;
  readonly everyoneSent?: true;
}): fc.Arbitrary<History> {
  return fc.constantFrom(...WINDOWS).chain((window) => {
    const plan = planAt(timesIn(window));
    const sent = fc.record({ occurredAt: timesIn(window), eventId: fc.uuid(), details });
    return fc
      .record({
        zone: fc.constantFrom(...ZONES),
        plans: fc.array(plan, { minLength: 3, maxLength: options.maxEvents, size: "max" }),
        sent: fc.array(sent, { minLength: 6, maxLength: 6 }),
        again: fc.array(fc.nat(options.maxEvents), { maxLength: 6 }),
      })
      .chain(({ zone, plans, sent: sents, again }) => {
        const all = options.everyoneSent === true ? [...plans, ...sentTo(plans, sents)] : plans;
        const arriving = [...all, ...again.flatMap((index) => all.slice(index, index + 1))];
        return fc.record({
          zone: fc.constant(zone),
          window: fc.constant(window),
          batches: fc
            .tuple(
              fc.shuffledSubarray(arriving, { minLength: arriving.length }),
              fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 }),
            )
            .map(([ordered, sizes]) => cut(ordered, sizes)),
        });
      });
  });
}

/** A SENT for every recipient of every campaign that the plans name; an id that is not used again, or it might be no SENT. */
function sentTo(plans: readonly Plan[], given: readonly Pick<Plan, "occurredAt" | "eventId" | "details">[]): Plan[] {
  const met = new Map(plans.map(({ campaign, recipient }) => [`${campaign} ${recipient}`, { campaign, recipient }]));
  return Array.from(met.values(), (who, index) => {
    const { occurredAt, eventId, details: own } = given[index % given.length]!;
    return { type: "SENT", ...who, occurredAt, eventId: `${eventId} ${index}`, details: own };
  });
}

/** Pieces of these sizes, over and over. */
function cut<T>(items: readonly T[], sizes: readonly number[]): T[][] {
  const pieces: T[][] = [];
  for (let start = 0; start < items.length;) {
    const size = sizes[pieces.length % sizes.length] ?? 1;
    pieces.push(items.slice(start, start + size));
    start += size;
  }
  return pieces;
}

/** Part of a window, by its quarter-hours. */
export function rangeIn(window: (typeof WINDOWS)[number], parts: readonly [number, number]): typeof window {
  const first = window.from / QUARTER_HOUR_MICROS - 1;
  const count = (window.to - window.from) / QUARTER_HOUR_MICROS + 2;
  const [from, to] = parts.map((part) => first + Math.floor(part * count)).toSorted((a, b) => a - b) as [
    number,
    number,
  ];
  return {
    from: (from * QUARTER_HOUR_MICROS) as EpochMicros,
    to: ((from === to ? to + 1 : to) * QUARTER_HOUR_MICROS) as EpochMicros,
  };
}
