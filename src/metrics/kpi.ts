/**
 * From counts to what clients read. Every rate divides unique counts of one basis and range; its two parts are told with
 * it, so that nobody has to guess the definition. Traffic bears on opens and clicks alone.
 */
import { divideDecimal, isZeroDecimal } from "../decimal.js";
import { type Measure, MEASURES } from "../rollups/measures.js";
import type { EpochMicros } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import { type Counts, EMPTY_COUNTS } from "./counts.js";
import { ALL_MEASURES, type MeasureSet, measureSet } from "./measure-set.js";

/** HUMAN leaves out the opens and clicks that were judged MACHINE. */
export type Traffic = "ALL" | "HUMAN";
/** PER_SENT divides by sent whatever DEFAULT divides by delivered. */
export type RateProfile = "DEFAULT" | "PER_SENT";

/** How counts are looked at. */
export interface View {
  readonly traffic: Traffic;
  readonly rates: RateProfile;
}

/** Events, and the recipients of a campaign who did it for the first time. */
export interface Tally {
  readonly total: number;
  readonly unique: number;
}

/** The classes split the total. */
export interface BounceTally extends Tally {
  readonly hard: number;
  readonly soft: number;
  readonly block: number;
  readonly undetermined: number;
}

/** A fraction; null where the denominator is 0. */
export interface Rate {
  readonly value: number | null;
  readonly numerator: number;
  readonly denominator: number;
}

export interface Money {
  /** A decimal, never a float. */
  readonly amount: string;
  /** ISO 4217. */
  readonly currency: string;
}

const REVENUE_PER_EMAIL_DECIMALS = 6;
const NO_MONEY: readonly Money[] = Object.freeze([]);

/** Where each measure stands in MEASURES. */
const AT = Object.fromEntries(MEASURES.map((measure, position) => [measure, position])) as Record<Measure, number>;

class TallyOfCounts implements Tally {
  readonly #metrics: Metrics;
  /** Positions in MEASURES. */
  readonly #total: number;
  readonly #unique: number;

  constructor(metrics: Metrics, total: number, unique: number) {
    this.#metrics = metrics;
    this.#total = total;
    this.#unique = unique;
  }

  get total(): number {
    return this.#metrics.count(this.#total);
  }

  get unique(): number {
    return this.#metrics.count(this.#unique);
  }
}

class BounceTallyOfCounts implements BounceTally {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  get total(): number {
    return this.hard + this.soft + this.block + this.undetermined;
  }

  get unique(): number {
    return this.#metrics.count(AT.unique_bounced);
  }

  get hard(): number {
    return this.#metrics.count(AT.bounced_hard);
  }

  get soft(): number {
    return this.#metrics.count(AT.bounced_soft);
  }

  get block(): number {
    return this.#metrics.count(AT.bounced_block);
  }

  get undetermined(): number {
    return this.#metrics.count(AT.bounced_undetermined);
  }
}

/**
 * The tallies, money and rates of some counts, under the names of the public schema. Each is worked out when it is read:
 * a month of 20 campaigns has 600 of these, of which a dashboard reads three numbers each. What reads them also tells which
 * measures they take: see measuresOf.
 */
export class Metrics {
  readonly #range: TimeRange | null;
  readonly #counts: Counts;
  readonly #set: MeasureSet;
  readonly #human: boolean;
  readonly #perSent: boolean;

  /** `set`: what was read. */
  constructor(counts: Counts, set: MeasureSet, range: TimeRange | null, { traffic, rates }: View) {
    this.#range = range;
    this.#counts = counts;
    this.#set = set;
    this.#human = traffic === "HUMAN";
    this.#perSent = rates === "PER_SENT";
  }

  /** The range that was answered; null where everything was asked for. */
  get from(): EpochMicros | null {
    return this.#range === null ? null : this.#range.from;
  }

  get to(): EpochMicros | null {
    return this.#range === null ? null : this.#range.to;
  }

  get sent(): Tally {
    return this.#tally(AT.sent, AT.unique_sent);
  }

  get delivered(): Tally {
    return this.#tally(AT.delivered, AT.unique_delivered);
  }

  get deferred(): Tally {
    return this.#tally(AT.deferred, AT.unique_deferred);
  }

  get bounced(): BounceTally {
    return new BounceTallyOfCounts(this);
  }

  get opened(): Tally {
    return this.#human
      ? this.#tally(AT.opened_human, AT.unique_opened_human)
      : this.#tally(AT.opened, AT.unique_opened);
  }

  get clicked(): Tally {
    return this.#human
      ? this.#tally(AT.clicked_human, AT.unique_clicked_human)
      : this.#tally(AT.clicked, AT.unique_clicked);
  }

  get complained(): Tally {
    return this.#tally(AT.complained, AT.unique_complained);
  }

  get unsubscribed(): Tally {
    return this.#tally(AT.unsubscribed, AT.unique_unsubscribed);
  }

  get converted(): Tally {
    return this.#tally(AT.converted, AT.unique_converted);
  }

  get rejected(): Tally {
    return this.#tally(AT.rejected, AT.unique_rejected);
  }

  /** By currency; a currency that earned nothing is left out. */
  get revenue(): readonly Money[] {
    if (!this.#set.revenue) throw new Error("Revenue was not read");
    return moneyOf(this.#counts.revenue);
  }

  /** Six decimals; empty where nothing was delivered (PER_SENT: sent). */
  get revenuePerEmail(): readonly Money[] {
    return perEmail(this.revenue, this.#reached);
  }

  get deliveryRate(): Rate {
    return rate(this.count(AT.unique_delivered), this.count(AT.unique_sent));
  }

  get openRate(): Rate {
    return rate(this.opened.unique, this.#reached);
  }

  get clickRate(): Rate {
    return rate(this.clicked.unique, this.#reached);
  }

  get clickToOpenRate(): Rate {
    return rate(this.clicked.unique, this.opened.unique);
  }

  get bounceRate(): Rate {
    return rate(this.count(AT.unique_bounced), this.count(AT.unique_sent));
  }

  get hardBounceRate(): Rate {
    return rate(this.count(AT.unique_hard_bounced), this.count(AT.unique_sent));
  }

  get complaintRate(): Rate {
    return rate(this.count(AT.unique_complained), this.#reached);
  }

  get unsubscribeRate(): Rate {
    return rate(this.count(AT.unique_unsubscribed), this.#reached);
  }

  get conversionRate(): Rate {
    return rate(this.count(AT.unique_converted), this.#reached);
  }

  /** What the profile divides by: recipients delivered to, or sent to. */
  get #reached(): number {
    return this.count(this.#perSent ? AT.unique_sent : AT.unique_delivered);
  }

  /** The count of the measure at this position in MEASURES. What was not read is a fault of ours, and must never show as 0. */
  count(position: number): number {
    const index = this.#set.indexes[position] ?? -1;
    const count = this.#counts.measures[index];
    if (index < 0 || count === undefined) throw new Error(`The measure ${MEASURES[position]} was not read`);
    return count;
  }

  #tally(total: number, unique: number): Tally {
    return new TallyOfCounts(this, total, unique);
  }
}

/** What of Metrics is read: a member, and which numbers of it, where it has several. */
export type MetricsPath = readonly [member: string, number: string | null];

/** The measures that reading these takes: found out by reading them. Members that Metrics does not have take none. */
export function measuresOf(paths: Iterable<MetricsPath>, view: View): MeasureSet {
  const positions = new Set<number>();
  let revenue = false;
  const indexes = new Proxy<number[]>([], {
    get(_target, position) {
      positions.add(Number(position));
      return Number(position);
    },
  });
  const counts: Counts = {
    measures: EMPTY_COUNTS.measures,
    get revenue() {
      revenue = true;
      return {};
    },
  };
  const metrics: unknown = new Metrics(counts, { ...ALL_MEASURES, indexes }, null, view);
  for (const [member, number] of paths) {
    const value = memberOf(metrics, member);
    if (number !== null) memberOf(value, number);
  }
  return measureSet(positions, revenue);
}

function memberOf(object: unknown, name: string): unknown {
  return typeof object === "object" && object !== null ? Reflect.get(object, name) : undefined;
}

function rate(numerator: number, denominator: number): Rate {
  return { value: denominator > 0 ? numerator / denominator : null, numerator, denominator };
}

function moneyOf(revenue: Counts["revenue"]): readonly Money[] {
  const entries = Object.entries(revenue);
  if (entries.length === 0) return NO_MONEY;
  return entries
    .filter(([, amount]) => !isZeroDecimal(amount))
    .map(([currency, amount]) => ({ amount, currency }))
    .toSorted((a, b) => (a.currency < b.currency ? -1 : 1));
}

function perEmail(revenue: readonly Money[], emails: number): readonly Money[] {
  if (emails <= 0) return NO_MONEY;
  return revenue.map(({ amount, currency }) => ({
    amount: divideDecimal(amount, emails, REVENUE_PER_EMAIL_DECIMALS),
    currency,
  }));
}
