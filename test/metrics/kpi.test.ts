import { describe, expect, test } from "vitest";
import type { Counts } from "../../src/metrics/counts.js";
import {
  measuresOf,
  Metrics,
  type MetricsPath,
  type RateProfile,
  type Traffic,
  type View,
} from "../../src/metrics/kpi.js";
import type { Measure } from "../../src/rollups/measures.js";
import { measures } from "./metrics-under-test.js";
import { plainMetrics } from "./plain-metrics.js";

const COUNTS: Counts = {
  measures: measures({
    sent: 1010,
    delivered: 960,
    deferred: 33,
    bounced_hard: 11,
    bounced_soft: 7,
    bounced_block: 5,
    bounced_undetermined: 2,
    opened: 700,
    opened_human: 500,
    clicked: 90,
    clicked_human: 60,
    complained: 4,
    unsubscribed: 9,
    converted: 25,
    rejected: 3,
    unique_sent: 1000,
    unique_delivered: 800,
    unique_deferred: 30,
    unique_bounced: 20,
    unique_hard_bounced: 10,
    unique_opened: 400,
    unique_opened_human: 200,
    unique_clicked: 80,
    unique_clicked_human: 50,
    unique_complained: 2,
    unique_unsubscribed: 8,
    unique_converted: 16,
    unique_rejected: 1,
  }),
  revenue: { USD: "10.00", EUR: "1234.50", CHF: "0.00" },
};

const RATES = [
  "deliveryRate",
  "openRate",
  "clickRate",
  "clickToOpenRate",
  "bounceRate",
  "hardBounceRate",
  "complaintRate",
  "unsubscribeRate",
  "conversionRate",
] as const;

/** Numerators and denominators in the order of RATES, written down from the definitions. */
const GOLDEN: readonly [Traffic, RateProfile, readonly (readonly [number, number])[]][] = [
  [
    "ALL",
    "DEFAULT",
    [
      [800, 1000],
      [400, 800],
      [80, 800],
      [80, 400],
      [20, 1000],
      [10, 1000],
      [2, 800],
      [8, 800],
      [16, 800],
    ],
  ],
  [
    "HUMAN",
    "DEFAULT",
    [
      [800, 1000],
      [200, 800],
      [50, 800],
      [50, 200],
      [20, 1000],
      [10, 1000],
      [2, 800],
      [8, 800],
      [16, 800],
    ],
  ],
  [
    "ALL",
    "PER_SENT",
    [
      [800, 1000],
      [400, 1000],
      [80, 1000],
      [80, 400],
      [20, 1000],
      [10, 1000],
      [2, 1000],
      [8, 1000],
      [16, 1000],
    ],
  ],
  [
    "HUMAN",
    "PER_SENT",
    [
      [800, 1000],
      [200, 1000],
      [50, 1000],
      [50, 200],
      [20, 1000],
      [10, 1000],
      [2, 1000],
      [8, 1000],
      [16, 1000],
    ],
  ],
];

describe("rates", () => {
  test.each(GOLDEN)("of %s traffic under %s divide what their definition says", (traffic, profile, golden) => {
    const metrics = plainMetrics(COUNTS, traffic, profile);
    const expected = golden.map(([numerator, denominator]) => ({
      value: numerator / denominator,
      numerator,
      denominator,
    }));
    expect(RATES.map((name) => metrics[name])).toEqual(expected);
  });

  test("are null where the denominator is 0, and keep the numerator", () => {
    const counts: Counts = { measures: measures({ unique_clicked: 3, unique_bounced: 1 }), revenue: { EUR: "5" } };
    for (const traffic of ["ALL", "HUMAN"] as const) {
      for (const profile of ["DEFAULT", "PER_SENT"] as const) {
        const metrics = plainMetrics(counts, traffic, profile);
        for (const name of RATES) expect(metrics[name]).toMatchObject({ value: null, denominator: 0 });
        expect(metrics.bounceRate.numerator).toBe(1);
        expect(metrics.clickToOpenRate.numerator).toBe(traffic === "ALL" ? 3 : 0);
        expect(metrics.revenue).toEqual([{ amount: "5", currency: "EUR" }]);
        expect(metrics.revenuePerEmail).toEqual([]);
      }
    }
  });

  test("may pass 1 where clicks without an open exist", () => {
    const counts: Counts = { measures: measures({ unique_clicked: 3, unique_opened: 2 }), revenue: {} };
    expect(plainMetrics(counts, "ALL", "DEFAULT").clickToOpenRate.value).toBe(1.5);
  });
});

describe("tallies", () => {
  test("count events and recipients, and bounces split their total by class", () => {
    expect(plainMetrics(COUNTS, "ALL", "DEFAULT")).toMatchObject({
      sent: { total: 1010, unique: 1000 },
      delivered: { total: 960, unique: 800 },
      deferred: { total: 33, unique: 30 },
      bounced: { total: 25, unique: 20, hard: 11, soft: 7, block: 5, undetermined: 2 },
      opened: { total: 700, unique: 400 },
      clicked: { total: 90, unique: 80 },
      complained: { total: 4, unique: 2 },
      unsubscribed: { total: 9, unique: 8 },
      converted: { total: 25, unique: 16 },
      rejected: { total: 3, unique: 1 },
    });
  });

  test("of human traffic differ in opens and clicks alone", () => {
    const { opened, clicked, openRate, clickRate, clickToOpenRate, ...rest } = plainMetrics(COUNTS, "HUMAN", "DEFAULT");
    expect({ opened, clicked }).toEqual({ opened: { total: 500, unique: 200 }, clicked: { total: 60, unique: 50 } });
    expect([openRate, clickRate, clickToOpenRate].map((rate) => rate.numerator)).toEqual([200, 50, 50]);
    expect(plainMetrics(COUNTS, "ALL", "DEFAULT")).toMatchObject(rest);
  });
});

describe("revenue", () => {
  test("is sorted by currency, without those that earned nothing", () => {
    expect(plainMetrics(COUNTS, "ALL", "DEFAULT").revenue).toEqual([
      { amount: "1234.50", currency: "EUR" },
      { amount: "10.00", currency: "USD" },
    ]);
  });

  test("per email divides by delivered, or by sent under PER_SENT, to six decimals", () => {
    expect(plainMetrics(COUNTS, "HUMAN", "DEFAULT").revenuePerEmail).toEqual([
      { amount: "1.543125", currency: "EUR" },
      { amount: "0.012500", currency: "USD" },
    ]);
    expect(plainMetrics(COUNTS, "ALL", "PER_SENT").revenuePerEmail).toEqual([
      { amount: "1.234500", currency: "EUR" },
      { amount: "0.010000", currency: "USD" },
    ]);
  });
});

describe("what is read of some metrics takes", () => {
  const ALL = { traffic: "ALL", rates: "DEFAULT" } as const;
  test.each<[string, readonly MetricsPath[], View, readonly Measure[], boolean]>([
    [
      "one measure a number",
      [
        ["sent", "unique"],
        ["opened", "total"],
      ],
      ALL,
      ["opened", "unique_sent"],
      false,
    ],
    ["both sides of a rate", [["openRate", "value"]], ALL, ["unique_delivered", "unique_opened"], false],
    [
      "those of the traffic and the profile",
      [["openRate", null]],
      { traffic: "HUMAN", rates: "PER_SENT" },
      ["unique_sent", "unique_opened_human"],
      false,
    ],
    [
      "every class of a total of bounces",
      [["bounced", "total"]],
      ALL,
      ["bounced_hard", "bounced_soft", "bounced_block", "bounced_undetermined"],
      false,
    ],
    ["revenue, and what it is divided by", [["revenuePerEmail", "amount"]], ALL, ["unique_delivered"], true],
    [
      "nothing for a range, or for what there is not",
      [
        ["from", null],
        ["__typename", null],
        ["nothing", "x"],
      ],
      ALL,
      [],
      false,
    ],
  ])("%s", (_what, paths, view, expected, revenue) => {
    expect(measuresOf(paths, view)).toMatchObject({ measures: expected, revenue });
  });

  test("no more than was asked for: the rest cannot be read at all, and is no 0", () => {
    const set = measuresOf([["sent", "total"]], ALL);
    const metrics = new Metrics({ measures: [7], revenue: {} }, set, null, ALL);
    expect(metrics.sent.total).toBe(7);
    expect(() => metrics.sent.unique).toThrow("unique_sent was not read");
    expect(() => metrics.openRate).toThrow("was not read");
    expect(() => metrics.revenue).toThrow("was not read");
  });
});
