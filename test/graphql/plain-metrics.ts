/** What `Metrics` should say, from a list of occurrences and the table of rates in docs/kpis.md: nothing of src/metrics. */
import type { TimeRange } from "../../src/time/range.js";
import { millionths, type Occurrence } from "../rollups/plain-count.js";

export interface Asked {
  readonly basis: "EVENT" | "SEND";
  readonly traffic: "ALL" | "HUMAN";
  readonly rates: "DEFAULT" | "PER_SENT";
}

/** The fields of a document, in any place where there are metrics. */
export const METRICS_FIELDS = `
  sent { total unique } delivered { total unique } deferred { total unique } rejected { total unique }
  bounced { total unique hard soft block undetermined }
  opened { total unique } clicked { total unique } complained { total unique } unsubscribed { total unique }
  converted { total unique } revenue { amount currency } revenuePerEmail { amount currency }
  ${["delivery", "open", "click", "clickToOpen", "bounce", "hardBounce", "complaint", "unsubscribe", "conversion"]
    .map((name) => `${name}Rate { value numerator denominator }`)
    .join(" ")}`;

/** Metrics of GraphQL, money as millionths by currency. */
export type ToldMetrics = Readonly<Record<string, unknown>>;

export interface PlainRate {
  readonly value: number | null;
  readonly numerator: number;
  readonly denominator: number;
}

interface Told {
  readonly revenue: readonly { amount: string; currency: string }[];
  readonly revenuePerEmail: readonly { amount: string; currency: string }[];
}

/** An answer with its money made comparable, since "1.50" and "1.5" are one amount. */
export function comparable(metrics: ToldMetrics): ToldMetrics {
  const { revenue, revenuePerEmail } = metrics as unknown as Told;
  const byCurrency = (money: Told["revenue"]) =>
    Object.fromEntries(money.map(({ amount, currency }) => [currency, millionths(amount)]));
  return { ...metrics, revenue: byCurrency(revenue), revenuePerEmail: byCurrency(revenuePerEmail) };
}

/** What a range should say; null: everything. */
export function plainMetrics(occurrences: readonly Occurrence[], asked: Asked, range: TimeRange | null): ToldMetrics {
  const { basis, traffic, rates } = asked;
  const counts = new Map<string, number>();
  const revenue: Record<string, bigint> = {};
  for (const { at, measure, value, currency, url } of occurrences) {
    if (url !== undefined || (range !== null && (at[basis] < range.from || at[basis] >= range.to))) continue;
    if (currency === undefined) counts.set(measure, (counts.get(measure) ?? 0) + Number(value));
    else if (value > 0n) revenue[currency] = (revenue[currency] ?? 0n) + value;
  }
  const count = (measure: string) => counts.get(measure) ?? 0;
  const tally = (name: string, suffix = "") => ({
    total: count(`${name}${suffix}`),
    unique: count(`unique_${name}${suffix}`),
  });
  const judged = traffic === "HUMAN" ? "_human" : "";
  const [opened, clicked] = [tally("opened", judged), tally("clicked", judged)];
  const [sent, delivered] = [tally("sent"), tally("delivered")];
  const [complained, unsubscribed, converted] = [tally("complained"), tally("unsubscribed"), tally("converted")];
  const classes = {
    hard: count("bounced_hard"),
    soft: count("bounced_soft"),
    block: count("bounced_block"),
    undetermined: count("bounced_undetermined"),
  };
  const bounced = {
    total: classes.hard + classes.soft + classes.block + classes.undetermined,
    unique: count("unique_bounced"),
    ...classes,
  };
  const base = rates === "PER_SENT" ? sent.unique : delivered.unique;
  const perEmail = ([currency, amount]: [string, bigint]) => [currency, dividedHalfUp(amount, BigInt(base))];
  return {
    sent,
    delivered,
    deferred: tally("deferred"),
    rejected: tally("rejected"),
    bounced,
    opened,
    clicked,
    complained,
    unsubscribed,
    converted,
    revenue,
    revenuePerEmail: base === 0 ? {} : Object.fromEntries(Object.entries(revenue).map(perEmail)),
    deliveryRate: rate(delivered.unique, sent.unique),
    openRate: rate(opened.unique, base),
    clickRate: rate(clicked.unique, base),
    clickToOpenRate: rate(clicked.unique, opened.unique),
    bounceRate: rate(bounced.unique, sent.unique),
    hardBounceRate: rate(count("unique_hard_bounced"), sent.unique),
    complaintRate: rate(complained.unique, base),
    unsubscribeRate: rate(unsubscribed.unique, base),
    conversionRate: rate(converted.unique, base),
  };
}

function rate(numerator: number, denominator: number): PlainRate {
  return { value: denominator === 0 ? null : numerator / denominator, numerator, denominator };
}

const dividedHalfUp = (amount: bigint, by: bigint) => (2n * amount + by) / (2n * by);
