/**
 * From counts to what clients read. Every rate divides unique counts of one basis and range; its two parts are told with
 * it, so that nobody has to guess the definition. Traffic bears on opens and clicks alone.
 */
import { divideDecimal, isZeroDecimal } from "../decimal.js";
import { type Measure, MEASURES } from "../rollups/measures.js";
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

/** Under the names of the public schema. */
export interface Metrics {
  readonly sent: Tally;
  readonly delivered: Tally;
  readonly deferred: Tally;
  readonly bounced: BounceTally;
  readonly opened: Tally;
  readonly clicked: Tally;
  readonly complained: Tally;
  readonly unsubscribed: Tally;
  readonly converted: Tally;
  readonly rejected: Tally;
  /** By currency; a currency that earned nothing is left out. */
  readonly revenue: readonly Money[];
  /** Six decimals; empty where nothing was delivered (PER_SENT: sent). */
  readonly revenuePerEmail: readonly Money[];
  readonly deliveryRate: Rate;
  readonly openRate: Rate;
  readonly clickRate: Rate;
  readonly clickToOpenRate: Rate;
  readonly bounceRate: Rate;
  readonly hardBounceRate: Rate;
  readonly complaintRate: Rate;
  readonly unsubscribeRate: Rate;
  readonly conversionRate: Rate;
}

const REVENUE_PER_EMAIL_DECIMALS = 6;

const POSITIONS = new Map<Measure, number>(MEASURES.map((measure, position) => [measure, position]));

/** The tallies, money and rates of some counts. */
export function metricsOf(counts: Counts, traffic: Traffic, rates: RateProfile): Metrics {
  const count = (measure: Measure) => counts.measures[POSITIONS.get(measure) ?? -1] ?? 0;
  const tally = (total: Measure, unique: Measure): Tally => ({ total: count(total), unique: count(unique) });

  const sent = tally("sent", "unique_sent");
  const delivered = tally("delivered", "unique_delivered");
  const human = traffic === "HUMAN";
  const opened = human ? tally("opened_human", "unique_opened_human") : tally("opened", "unique_opened");
  const clicked = human ? tally("clicked_human", "unique_clicked_human") : tally("clicked", "unique_clicked");
  const bounced = bounceTally(count);
  const complained = tally("complained", "unique_complained");
  const unsubscribed = tally("unsubscribed", "unique_unsubscribed");
  const converted = tally("converted", "unique_converted");
  const reached = rates === "PER_SENT" ? sent.unique : delivered.unique;
  const revenue = moneyOf(counts.revenue);

  return {
    sent,
    delivered,
    deferred: tally("deferred", "unique_deferred"),
    bounced,
    opened,
    clicked,
    complained,
    unsubscribed,
    converted,
    rejected: tally("rejected", "unique_rejected"),
    revenue,
    revenuePerEmail: perEmail(revenue, reached),
    deliveryRate: rate(delivered.unique, sent.unique),
    openRate: rate(opened.unique, reached),
    clickRate: rate(clicked.unique, reached),
    clickToOpenRate: rate(clicked.unique, opened.unique),
    bounceRate: rate(bounced.unique, sent.unique),
    hardBounceRate: rate(count("unique_hard_bounced"), sent.unique),
    complaintRate: rate(complained.unique, reached),
    unsubscribeRate: rate(unsubscribed.unique, reached),
    conversionRate: rate(converted.unique, reached),
  };
}

function bounceTally(count: (measure: Measure) => number): BounceTally {
  const hard = count("bounced_hard");
  const soft = count("bounced_soft");
  const block = count("bounced_block");
  const undetermined = count("bounced_undetermined");
  return {
    total: hard + soft + block + undetermined,
    unique: count("unique_bounced"),
    hard,
    soft,
    block,
    undetermined,
  };
}

function rate(numerator: number, denominator: number): Rate {
  return { value: denominator > 0 ? numerator / denominator : null, numerator, denominator };
}

function moneyOf(revenue: Counts["revenue"]): Money[] {
  return Object.entries(revenue)
    .filter(([, amount]) => !isZeroDecimal(amount))
    .map(([currency, amount]) => ({ amount, currency }))
    .toSorted((a, b) => (a.currency < b.currency ? -1 : 1));
}

function perEmail(revenue: readonly Money[], emails: number): Money[] {
  if (emails <= 0) return [];
  return revenue.map(({ amount, currency }) => ({
    amount: divideDecimal(amount, emails, REVENUE_PER_EMAIL_DECIMALS),
    currency,
  }));
}
