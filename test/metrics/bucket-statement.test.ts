import { expect, test } from "vitest";
import type { Statement } from "../../src/database/statement.js";
import { bucketStatement, type CellsRow, type Scope } from "../../src/metrics/bucket-statement.js";
import { ALL_MEASURES } from "../../src/metrics/measure-set.js";
import { chooseRollups } from "../../src/metrics/rollup-choice.js";
import { at, zoneOf } from "../time/times.js";
import { metricsUnderTest, newCampaign, newTenant } from "./metrics-under-test.js";

const subject = metricsUnderTest();

interface PlanNode {
  readonly "Relation Name"?: string;
  readonly "Index Cond"?: string;
  readonly Plans?: readonly PlanNode[];
}

function* scansOf(node: PlanNode): Generator<PlanNode> {
  if (node["Relation Name"] !== undefined) yield node;
  for (const child of node.Plans ?? []) yield* scansOf(child);
}

const command = (text: string): Statement<"metrics", never> => ({
  database: "metrics",
  name: `test.${text}`,
  text,
  values: [],
});

const explain = (
  statement: Statement<"metrics", CellsRow>,
): Statement<"metrics", { "QUERY PLAN": { Plan: PlanNode }[] }> => ({
  ...statement,
  name: statement.name.replace("metrics.buckets", "explain"),
  text: `explain (format json) ${statement.text}`,
  row: undefined as never,
});

// A condition whose operator is not leakproof would filter afterwards what the rest of the key has found.
test.each<[Scope, readonly unknown[]]>([
  ["each_campaign", [[newCampaign(), newCampaign()]]],
  ["tenant", []],
  ["matching_campaigns", [null, ["news"], ["partner"]]],
])("the rollups of %s are found by their whole primary key under row-level security", async (scope, values) => {
  const tenantId = newTenant();
  const plan = chooseRollups([at("2026-05-01T10:00:00Z"), at("2026-06-01T10:00:00Z")], zoneOf("UTC"));
  const { result } = await subject.read(subject.metrics, tenantId, async (session) => {
    // Small tables are quicker read whole; what matters is what large ones allow.
    await session.run(command("set local enable_seqscan = off"));
    await session.run(command("set local enable_bitmapscan = off"));
    return session.run(explain(bucketStatement(scope, plan, tenantId, "EVENT", ALL_MEASURES, values)));
  });
  const scans = [...scansOf(result[0]!["QUERY PLAN"][0]!.Plan)].filter((scan) => scan["Relation Name"] !== "campaigns");
  expect(scans).toHaveLength(4);
  for (const scan of scans) {
    const days = scan["Relation Name"]?.includes("_day");
    const columns = ["tenant_id", ...(scope === "tenant" ? [] : ["campaign_id"]), "basis"];
    for (const column of [
      ...columns,
      ...(days ? ["time_zone", "day >=", "day <"] : ["bucket_start >=", "bucket_start <"]),
    ]) {
      expect(scan["Index Cond"]).toContain(column);
    }
  }
});
