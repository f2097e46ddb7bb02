/**
 * The statement behind every series and range: one for all campaigns and buckets, days and quarter-hours, counts and
 * revenue. Its text depends on the plan's form alone and is prepared once a form.
 *
 * Each read of a rollup is a lateral one, kept so by OFFSET 0: whatever the planner believes about the lists it is given,
 * it goes through the primary key, by campaign, basis and stretch of time, and never over all of a tenant's rows.
 * Only the measures that are asked for are read. A campaign's cells come as one text: 600 rows of 28 columns cost Node 2.5 ms and PostgreSQL 1.1, 20 such texts 0.6 and 1.3.
 */
import { defineShapes, type Statement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import type { Basis } from "../rollups/measures.js";
import { formatInstant } from "../time/instant.js";
import { BucketSums } from "./cells.js";
import type { Counts } from "./counts.js";
import { isEmpty, type MeasureSet } from "./measure-set.js";
import type { RollupPlan } from "./rollup-choice.js";

/** Whose buckets: of each of some campaigns, of the tenant, or of the tenant over the campaigns that match. */
export type Scope = "each_campaign" | "tenant" | "matching_campaigns";

export interface CellsRow {
  /** Null unless the scope is each campaign. */
  readonly campaign_id: CampaignId | null;
  readonly source: Source;
  readonly cells: string;
}

type Source = "days" | "day_revenue" | "quarter_hours" | "quarter_hour_revenue";

/** What the scopes differ in. Their own values are bound from $3 on. */
const SCOPES = {
  each_campaign: {
    tables: "campaign",
    targets: "unnest($3::uuid[]) as target (campaign_id)",
    condition: "and rollup.campaign_id = target.campaign_id",
    key: "target.campaign_id",
    bindCount: 1,
  },
  tenant: {
    tables: "tenant",
    targets: "(values (true)) as target (whole)",
    condition: "",
    key: "null::uuid",
    bindCount: 0,
  },
  matching_campaigns: {
    tables: "campaign",
    targets: `(
      select id from campaigns
      where tenant_id = $1 and ($3::uuid[] is null or id = any ($3)) and ($4::text[] is null or tags && $4)
        and ($5::text[] is null or tags && $5)
    ) as target (campaign_id)`,
    condition: "and rollup.campaign_id = target.campaign_id",
    key: "null::uuid",
    bindCount: 3,
  },
} as const satisfies Record<Scope, unknown>;

interface Scan {
  readonly countsTable: string;
  readonly revenueTable: string;
  readonly sources: readonly [counts: Source, revenue: Source];
  readonly targets: string;
  readonly slot: string;
  readonly condition: string;
  readonly sums: boolean;
  readonly set: MeasureSet;
}

const bucketsOf = defineShapes<"metrics", readonly unknown[], CellsRow>("metrics", 200);

/** The statement for a plan that reads something, with the scope's own values. */
export function bucketStatement(
  scope: Scope,
  plan: RollupPlan,
  tenantId: TenantId,
  basis: Basis,
  set: MeasureSet,
  scopeValues: readonly unknown[],
): Statement<"metrics", CellsRow> {
  const { days, quarters } = plan;
  // Several campaigns share a bucket where they are not told apart.
  const alwaysSums = scope === "matching_campaigns";
  const form = { days: scanForm(days, alwaysSums), quarters: scanForm(quarters, alwaysSums) };
  const values = [
    tenantId,
    basis,
    ...scopeValues,
    ...(days === null ? [] : [days.zone, days.first, days.after, days.starts]),
    ...(quarters === null
      ? []
      : [quarters.from.map(formatInstant), quarters.to.map(formatInstant), plan.boundaries.map(formatInstant)]),
  ];
  const name = `metrics.buckets.${scope}.${form.days}_${form.quarters}.${set.key}`;
  return bucketsOf(name, () => bucketText(scope, form.days, form.quarters, set))(...values);
}

type ScanForm = "none" | "rows" | "sums";

function scanForm(scan: { readonly sums: boolean } | null, alwaysSums: boolean): ScanForm {
  if (scan === null) return "none";
  return scan.sums || alwaysSums ? "sums" : "rows";
}

function bucketText(scope: Scope, days: ScanForm, quarters: ScanForm, set: MeasureSet): string {
  const { tables, targets, bindCount } = SCOPES[scope];
  let bind = 2 + bindCount;
  const selects: string[] = [];
  if (days !== "none") {
    const [zone, first, after, starts] = [`$${++bind}`, `$${++bind}`, `$${++bind}`, `$${++bind}`];
    selects.push(
      ...selectsOf(scope, {
        countsTable: `${tables}_days`,
        revenueTable: `${tables}_day_revenue`,
        sources: ["days", "day_revenue"],
        targets,
        slot: `width_bucket(rollup.day, ${starts}::date[])`,
        condition: `and rollup.time_zone = ${zone} and rollup.day >= ${first} and rollup.day < ${after}`,
        sums: days === "sums",
        set,
      }),
    );
  }
  if (quarters !== "none") {
    const [from, to, boundaries] = [`$${++bind}`, `$${++bind}`, `$${++bind}`];
    selects.push(
      ...selectsOf(scope, {
        countsTable: `${tables}_quarter_hours`,
        revenueTable: `${tables}_quarter_hour_revenue`,
        sources: ["quarter_hours", "quarter_hour_revenue"],
        targets: `${targets}
    cross join unnest(${from}::timestamptz[], ${to}::timestamptz[]) as stretch (first, after)`,
        slot: `width_bucket(rollup.bucket_start, ${boundaries}::timestamptz[])`,
        condition: "and rollup.bucket_start >= stretch.first and rollup.bucket_start < stretch.after",
        sums: quarters === "sums",
        set,
      }),
    );
  }
  return selects.join("\nunion all\n");
}

function selectsOf(scope: Scope, scan: Scan): string[] {
  const { set, countsTable, revenueTable, sources } = scan;
  return [
    ...(set.measures.length > 0 ? [selectCells(scope, scan, countsTable, sources[0], [], set.measures)] : []),
    ...(set.revenue ? [selectCells(scope, scan, revenueTable, sources[1], ["currency"], ["amount"])] : []),
  ];
}

function selectCells(
  scope: Scope,
  scan: Scan,
  table: string,
  source: Source,
  keys: readonly string[],
  sums: readonly string[],
): string {
  const { condition, key } = SCOPES[scope];
  const columns = [...keys, ...sums];
  const rows = `from ${table} as rollup
      where rollup.tenant_id = $1 and rollup.basis = $2 ${condition}
        ${scan.condition}`;
  if (!scan.sums) {
    const cell = [scan.slot, ...columns.map((column) => `rollup.${column}`)].join(", ");
    return `select ${key} as campaign_id, '${source}' as source, found.cells
    from ${scan.targets}
    cross join lateral (
      select string_agg(concat_ws(',', ${cell}), ';') as cells
      ${rows}
    ) as found
    where found.cells is not null`;
  }
  const cell = [...keys.map((column) => `cell.${column}`), ...sums.map((column) => `sum(cell.${column}) as ${column}`)];
  return `select campaign_id, '${source}' as source, string_agg(concat_ws(',', slot, ${columns.join(", ")}), ';') as cells
  from (
    select ${key} as campaign_id, cell.slot, ${cell.join(", ")}
    from ${scan.targets}
    cross join lateral (
      select ${scan.slot} as slot, ${columns.map((column) => `rollup.${column}`).join(", ")}
      ${rows}
      offset 0
    ) as cell
    group by ${[1, 2, ...keys.map((_, at) => 3 + at)].join(", ")}
  ) as bucket
  group by campaign_id`;
}

const bucketOfQuarters = (slot: number) => slot - 1;

/** Sums up a plan's buckets out of rows of its statement, of one campaign or of the tenant. */
export function bucketCounts(plan: RollupPlan, rows: readonly Pick<CellsRow, "source" | "cells">[]): Counts[] {
  const sums = new BucketSums(plan.bucketCount);
  const bucketOfDays = (slot: number) => plan.days?.buckets[slot - 1] ?? null;
  for (const { source, cells } of rows) {
    if (source === "days") sums.addMeasures(cells, bucketOfDays);
    else if (source === "day_revenue") sums.addRevenue(cells, bucketOfDays);
    else if (source === "quarter_hours") sums.addMeasures(cells, bucketOfQuarters);
    else sums.addRevenue(cells, bucketOfQuarters);
  }
  return sums.counts();
}

/** Whether there is nothing to read: no bucket, only empty ones, or no measure. */
export function readsNothing(plan: RollupPlan, set: MeasureSet): boolean {
  return (plan.days === null && plan.quarters === null) || isEmpty(set);
}
