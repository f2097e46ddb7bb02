/**
 * Counts by the words of docs/kpis.md, in the plainest way and without any of the program's rollups: what happened is a list
 * of occurrences, and every rollup is that list, summed over what its key names. Slow, and easy to check by eye.
 */
import type { AcceptedEvent, BounceClass, EventType } from "../../src/events/event.js";
import { type CampaignId, hashToUuid, NIL_UUID } from "../../src/ids.js";
import { ROLLUP_TABLES, type RollupTable } from "../../src/rollups/rollup-tables.js";
import { type EpochMicros, formatInstant } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS } from "../../src/time/range.js";
import { localDate, type TimeZoneId } from "../../src/time/time-zone.js";

/** What the links past a campaign's limit are called. */
export const OTHER_LINKS = "(other links)";

/** What of an event counts. */
export type CountedEvent = Pick<
  AcceptedEvent,
  "type" | "campaignId" | "recipientKey" | "occurredAt" | "traffic" | "bounceClass" | "url" | "amount" | "currency"
>;

/** One step of one count, or an amount of money. */
export interface Occurrence {
  readonly campaignId: CampaignId;
  /** A column of counts; "amount" for money. */
  readonly measure: string;
  /** Where it stands on the EVENT basis, and on the SEND basis. */
  readonly at: Readonly<Record<"EVENT" | "SEND", number>>;
  /** Steps, or millionths of a currency. */
  readonly value: bigint;
  readonly currency?: string;
  /** Of what counts by link alone. */
  readonly url?: string;
}

type Step = Omit<Occurrence, "campaignId" | "at"> & { readonly when: number };

/** What the events of a tenant come to. Each is counted: duplicates are none of them. */
export function occurrencesOf(
  events: readonly CountedEvent[],
  linkNameOf = (url: string): string => url,
): Occurrence[] {
  return Array.from(
    Map.groupBy(events, ({ campaignId, recipientKey }) => `${campaignId} ${recipientKey}`).values(),
    (own) => {
      const { campaignId } = own[0]!;
      const sent = own.filter(({ type }) => type === "SENT");
      const sentAt = earliest(sent.length > 0 ? sent : own);
      return [...stepsOf(own), ...linkStepsOf(own, linkNameOf)].map(({ when, ...step }): Occurrence => ({
        ...step,
        campaignId,
        at: { EVENT: when, SEND: sentAt },
      }));
    },
  ).flat();
}

/** What counts of one recipient in one campaign. */
function stepsOf(events: readonly CountedEvent[]): Step[] {
  const of = (...types: readonly EventType[]) => events.filter(({ type }) => types.includes(type));
  const bounced = (bounceClass: BounceClass) => of("BOUNCED").filter((event) => event.bounceClass === bounceClass);
  const engaged = of("OPENED", "CLICKED", "COMPLAINED", "UNSUBSCRIBED", "CONVERTED");
  const reached = of("BOUNCED").length > 0 && engaged.length === 0 ? [] : [...of("DELIVERED"), ...engaged];
  return [
    ...total("sent", of("SENT")),
    ...unique("unique_sent", of("SENT")),
    ...total("delivered", of("DELIVERED")),
    ...unique("unique_delivered", reached),
    ...total("deferred", of("DEFERRED")),
    ...unique("unique_deferred", of("DEFERRED")),
    ...total("bounced_hard", bounced("HARD")),
    ...total("bounced_soft", bounced("SOFT")),
    ...total("bounced_block", bounced("BLOCK")),
    ...total("bounced_undetermined", bounced("UNDETERMINED")),
    ...unique("unique_bounced", of("BOUNCED")),
    ...unique("unique_hard_bounced", bounced("HARD")),
    ...total("opened", of("OPENED")),
    ...unique("unique_opened", of("OPENED")),
    ...total("opened_human", human(of("OPENED"))),
    ...unique("unique_opened_human", human(of("OPENED"))),
    ...total("clicked", of("CLICKED")),
    ...unique("unique_clicked", of("CLICKED")),
    ...total("clicked_human", human(of("CLICKED"))),
    ...unique("unique_clicked_human", human(of("CLICKED"))),
    ...total("complained", of("COMPLAINED")),
    ...unique("unique_complained", of("COMPLAINED")),
    ...total("unsubscribed", of("UNSUBSCRIBED")),
    ...unique("unique_unsubscribed", of("UNSUBSCRIBED")),
    ...total("converted", of("CONVERTED")),
    ...unique("unique_converted", of("CONVERTED")),
    ...total("rejected", of("REJECTED")),
    ...unique("unique_rejected", of("REJECTED")),
    ...of("CONVERTED").flatMap(({ amount, currency, occurredAt }) =>
      amount === undefined || currency === undefined
        ? []
        : [{ measure: "amount", value: millionths(amount), currency, when: occurredAt }],
    ),
  ];
}

/** The same for each link by itself: a recipient counts once a link. */
function linkStepsOf(events: readonly CountedEvent[], linkNameOf: (url: string) => string): Step[] {
  const clicks = events.filter(({ type, url }) => type === "CLICKED" && url !== undefined);
  return Array.from(
    Map.groupBy(clicks, ({ url = "" }) => linkNameOf(url)),
    ([url, own]) =>
      [
        ...total("clicked", own),
        ...unique("unique_clicked", own),
        ...total("clicked_human", human(own)),
        ...unique("unique_clicked_human", human(own)),
      ].map((step) => ({ ...step, url })),
  ).flat();
}

const total = (measure: string, events: readonly CountedEvent[]): Step[] =>
  events.map(({ occurredAt }) => ({ measure, value: 1n, when: occurredAt }));

const unique = (measure: string, events: readonly CountedEvent[]): Step[] =>
  events.length === 0 ? [] : [{ measure, value: 1n, when: earliest(events) }];

const human = (events: readonly CountedEvent[]) => events.filter(({ traffic }) => traffic !== "MACHINE");

const earliest = (events: readonly CountedEvent[]) => Math.min(...events.map(({ occurredAt }) => occurredAt));

/** Exact, of a decimal with at most six places; a minus sign is one. */
export function millionths(amount: string): bigint {
  const [, sign, units = "0", fraction = ""] = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(amount) ?? [];
  const value = BigInt(units + fraction.padEnd(6, "0"));
  return sign === "-" ? -value : value;
}

/** What is not zero, by table, key and measure: "campaign_days <campaign> EVENT Europe/Berlin 2026-10-25 opened". */
export type Sums = ReadonlyMap<string, bigint>;

export function addTo(sums: Map<string, bigint>, key: string, value: bigint): void {
  const sum = (sums.get(key) ?? 0n) + value;
  if (sum === 0n) sums.delete(key);
  else sums.set(key, sum);
}

/** What a column of a rollup's key says of an occurrence. */
function keyPart(column: string, occurrence: Occurrence, basis: "EVENT" | "SEND", zone: TimeZoneId): string {
  // The day of a quarter-hour: where one lies in two days (before 2000), all of it is in the one in which it begins.
  const quarter = (Math.floor(occurrence.at[basis] / QUARTER_HOUR_MICROS) * QUARTER_HOUR_MICROS) as EpochMicros;
  const parts: Record<string, string | undefined> = {
    campaign_id: occurrence.campaignId,
    basis,
    time_zone: zone,
    bucket_start: formatInstant(quarter),
    day: localDate(quarter, zone),
    currency: occurrence.currency,
    url: occurrence.url,
    link_key: occurrence.url === OTHER_LINKS ? NIL_UUID : hashToUuid(occurrence.url ?? ""),
  };
  const part = parts[column];
  if (part === undefined) throw new Error(`Nothing is known here of the column ${column}`);
  return part;
}

/** Whose tenant the rows are is told by where they are. */
const isNamed = (column: string): boolean => column !== "tenant_id";
const nameOf = (table: string, key: readonly string[], measure: string): string => [table, ...key, measure].join(" ");

/** What all rollups of a tenant should hold. Which tables there are, and what by, is asked of the program; the sums are not. */
export function plainRollups(occurrences: readonly Occurrence[], zone: TimeZoneId): Sums {
  const sums = new Map<string, bigint>();
  for (const [table, { key, sums: columns }] of Object.entries(ROLLUP_TABLES)) {
    const named: readonly string[] = key.filter(isNamed);
    const bases = named.includes("basis") ? (["EVENT", "SEND"] as const) : (["EVENT"] as const);
    for (const occurrence of occurrences) {
      const { measure, value, url } = occurrence;
      if (!(columns as readonly string[]).includes(measure) || named.includes("link_key") !== (url !== undefined))
        continue;
      for (const basis of bases) {
        const parts = named.map((column) => keyPart(column, occurrence, basis, zone));
        addTo(sums, nameOf(table, parts, measure), value);
      }
    }
  }
  return sums;
}

/** A row of a rollup: every column by its name. */
export type RollupRecord = Readonly<Record<string, string | number>>;

/** Adds what a row of a rollup holds, under the same names. */
export function addRecord(sums: Map<string, bigint>, table: RollupTable, record: RollupRecord): void {
  const { key, sums: columns } = ROLLUP_TABLES[table];
  const parts = key.filter(isNamed).map((column) => partOf(record[column]));
  for (const column of columns) addTo(sums, nameOf(table, parts, column), valueOf(column, record[column] ?? 0));
}

function partOf(value: string | number | undefined): string {
  return typeof value === "number" ? formatInstant(value as EpochMicros) : (value ?? "");
}

function valueOf(column: string, value: string | number): bigint {
  return column === "amount" ? millionths(String(value)) : BigInt(value);
}

/** How two differ, for people: what each name should be and what it is. Empty where they agree. */
export function disagreements(expected: Sums, found: Sums): string[] {
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((name) => expected.get(name) !== found.get(name))
    .map((name) => `${name} is ${found.get(name) ?? 0n}, not ${expected.get(name) ?? 0n}`);
}
