import type { Counts } from "../../src/metrics/counts.js";
import { Metrics, type RateProfile, type Traffic } from "../../src/metrics/kpi.js";
import { ALL_MEASURES } from "../../src/metrics/measure-set.js";

type PlainMetrics = Omit<Metrics, "from" | "to" | "count">;

/** Every number of some counts, worked out: what Metrics gives one by one. */
export function plainMetrics(counts: Counts, traffic: Traffic, rates: RateProfile): PlainMetrics {
  const metrics = new Metrics(counts, ALL_MEASURES, null, { traffic, rates });
  return membersOf(metrics) as PlainMetrics;
}

/** Members that are read through getters, as members of plain objects. */
function membersOf(value: object): object {
  const prototype: object = Object.getPrototypeOf(value) as object;
  if (prototype === Object.prototype || Array.isArray(value)) return value;
  const names = Object.getOwnPropertyNames(prototype).filter(
    (name) => Object.getOwnPropertyDescriptor(prototype, name)?.get !== undefined,
  );
  return Object.fromEntries(
    names.map((name) => {
      const member: unknown = Reflect.get(value, name);
      return [name, typeof member === "object" && member !== null ? membersOf(member) : member];
    }),
  );
}
