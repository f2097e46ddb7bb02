import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "../pages/page-arguments.js";
import type { Granularity } from "../time/buckets.js";
import type { Services } from "./tenant-access.js";
import type { LimitsType } from "./types/limits-type.js";

const HOUR_SECONDS = 3_600;
/** The shortest bucket of each, the finest first; days that the clock shortens are made up for below. */
const BUCKET_SECONDS: readonly (readonly [Granularity, seconds: number])[] = [
  ["QUARTER_HOUR", HOUR_SECONDS / 4],
  ["HOUR", HOUR_SECONDS],
  ["DAY", 24 * HOUR_SECONDS],
  ["WEEK", 7 * 24 * HOUR_SECONDS],
  ["MONTH", 28 * 24 * HOUR_SECONDS],
];
/** Cut off at both ends, and where clocks were put forward: a range of n buckets' length touches at most n + 2. */
const SPARE_BUCKETS = 2;

/** What the program is set to, as clients are told it. */
export function limitsOf({ limits, budgets, maxQueryCost, maxSeriesPoints }: Services): LimitsType {
  const { maxEventsPerCall, maxCallBytes, maxNestedPages, statementTimeoutMs, eventRetentionDays } = limits;
  const { maxTokens, maxDepth, maxAliases, maxDirectives, maxAnswerChars } = limits;
  return {
    pages: { defaultSize: DEFAULT_PAGE_SIZE, maxSize: MAX_PAGE_SIZE, maxNested: maxNestedPages },
    series: {
      maxPoints: maxSeriesPoints,
      finestGranularity: "QUARTER_HOUR",
      ranges: BUCKET_SECONDS.map(([granularity, seconds]) => ({
        granularity,
        maxSeconds: Math.max(0, maxSeriesPoints - SPARE_BUCKETS) * seconds,
      })),
    },
    eventRetentionDays,
    maxEventsPerCall,
    maxAnswerChars,
    document: { maxBytes: maxCallBytes, maxOperations: 1, maxTokens, maxDepth, maxAliases, maxDirectives },
    cost: {
      maxQueryCost,
      maximum: budgets?.budget.maximum ?? null,
      restoreRate: budgets?.budget.restoreRate ?? null,
    },
    statementTimeoutMs,
  };
}
