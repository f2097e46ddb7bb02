/** Of a caller that asks more than any one key is meant to: what it may spend is above what it does. Prices are worked out and paid. */
export const RICH = { COST_BUDGET: "1000000000", MAX_QUERY_COST: "1000000000" } as const;
