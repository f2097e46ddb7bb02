/**
 * From counts to what clients read. Every rate divides unique counts of one basis and range; its two parts are told with
 * it, so that nobody has to guess the definition. Traffic bears on opens and clicks alone.
 */
import { divideDecimal, isZeroDecimal } from "../decimal.js";
import { type Measure, MEASURES } from "../rollups/measures.js";
import type { EpochMicros } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import type { Counts } from "./counts.js";

/** HUMAN leaves out the opens and clicks that were judged MACHINE. */
export type Traffic = "ALL" | "HUMAN";
/** PER_SENT divides by sent whatever DEFAULT divides by delivered. */
export type RateProfile = "DEFAULT" | "PER_SENT";

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

/** Where each measure stands in Counts, known before the first count is read. */
const AT = Object.fromEntries(MEASURES.map((measure, position) => [measure, position])) as Record<Measure, number>;

/**
 * The tallies, money and rates of some counts, under the names of the public schema. Each is worked out when it is read:
 * a month of 20 campaigns has 600 of these, of which a dashboard reads three numbers each.
 */
export class Metrics {
  /** The range that was answered; null where everything was asked for. */
  readonly from: EpochMicros | null;
  readonly to: EpochMicros | null;
  readonly #measures: readonly number[];
  readonly #revenueByCurrency: Counts["revenue"];
  readonly #human: boolean;
  readonly #perSent: boolean;

  constructor(counts: Counts, range: TimeRange | null, traffic: Traffic, rates: RateProfile) {
    this.from = range === null ? null : range.from;
    this.to = range === null ? null : range.to;
    this.#measures = counts.measures;
    this.#revenueByCurrency = counts.revenue;
    this.#human = traffic === "HUMAN";
    this.#perSent = rates === "PER_SENT";
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
    const hard = this.#count(AT.bounced_hard);
    const soft = this.#count(AT.bounced_soft);
    const block = this.#count(AT.bounced_block);
    const undetermined = this.#count(AT.bounced_undetermined);
    const total = hard + soft + block + undetermined;
    return { total, unique: this.#count(AT.unique_bounced), hard, soft, block, undetermined };
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
    return moneyOf(this.#revenueByCurrency);
  }

  /** Six decimals; empty where nothing was delivered (PER_SENT: sent). */
  get revenuePerEmail(): readonly Money[] {
    return perEmail(this.revenue, this.#reached);
  }

  get deliveryRate(): Rate {
    return rate(this.#count(AT.unique_delivered), this.#count(AT.unique_sent));
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
    return rate(this.#count(AT.unique_bounced), this.#count(AT.unique_sent));
  }

  get hardBounceRate(): Rate {
    return rate(this.#count(AT.unique_hard_bounced), this.#count(AT.unique_sent));
  }

  get complaintRate(): Rate {
    return rate(this.#count(AT.unique_complained), this.#reached);
  }

  get unsubscribeRate(): Rate {
    return rate(this.#count(AT.unique_unsubscribed), this.#reached);
  }

  get conversionRate(): Rate {
    return rate(this.#count(AT.unique_converted), this.#reached);
  }

  /** What the profile divides by: recipients delivered to, or sent to. */
  get #reached(): number {
    return this.#count(this.#perSent ? AT.unique_sent : AT.unique_delivered);
  }

  #count(position: number): number {
    return this.#measures[position] ?? 0;
  }

  #tally(total: number, unique: number): Tally {
    return { total: this.#count(total), unique: this.#count(unique) };
  }
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
