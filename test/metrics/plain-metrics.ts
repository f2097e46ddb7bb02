import type { Counts } from "../../src/metrics/counts.js";
import { Metrics, type RateProfile, type Traffic } from "../../src/metrics/kpi.js";

const NAMES = Object.getOwnPropertyNames(Metrics.prototype).filter(
  (name) => name !== "constructor",
) as (keyof Metrics)[];

/** Every number of some counts, worked out: what Metrics gives one by one. */
export function plainMetrics(counts: Counts, traffic: Traffic, rates: RateProfile): Omit<Metrics, "from" | "to"> {
  const metrics = new Metrics(counts, null, traffic, rates);
  return Object.fromEntries(NAMES.map((name) => [name, metrics[name]])) as unknown as Omit<Metrics, "from" | "to">;
}
