/**
 * The granularities that the rollups are kept in, and how each follows from a campaign's quarter-hours. Days are made by
 * this program's time zone data, never PostgreSQL's: the two may be of different years.
 */
import type { Session } from "../database/pool.js";
import { defineStatement, type Statement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import { localDate, type TimeZoneId } from "../time/time-zone.js";
import type { RollupTables } from "./difference.js";
import { type Basis, MEASURES, type Measure } from "./measures.js";
import { addCount, addRevenue, type Bucket, type Place, type RollupSum, RollupSums } from "./rollup-sums.js";

export interface RollupLevel extends RollupTables {
  /** Where a sum of a campaign's quarter-hour stands here; null where it does not. */
  readonly placeOf: (quarter: RollupSum, zone: TimeZoneId) => Place | null;
  readonly read: (session: Session<"metrics">, scope: LevelScope) => Promise<RollupSums>;
}

export interface LevelScope {
  readonly tenantId: TenantId;
  /** Whose rows are read where the rows are campaigns'. */
  readonly campaignIds: readonly CampaignId[];
  /** Of the day rollups. */
  readonly zone: TimeZoneId;
}

interface PlaceRow {
  readonly campaign_id: CampaignId | null;
  readonly basis: Basis | null;
  readonly bucket: Bucket;
}
type MeasuresRow = PlaceRow & Record<Measure, number>;
type RevenueRow = PlaceRow & { readonly currency: string; readonly amount: string };

interface LevelShape extends RollupTables {
  readonly perCampaign: boolean;
  readonly bucket: "bucket_start" | "day" | null;
}

function defineLevel(shape: LevelShape): RollupLevel {
  const { table, revenueTable } = shape;
  const readMeasures = defineRead<MeasuresRow>(shape, table, MEASURES);
  const readRevenue = defineRead<RevenueRow>(shape, revenueTable, ["currency", "amount"]);
  return {
    table,
    revenueTable,
    placeOf: placeOf(shape),
    read: async (session, scope) => {
      const sums = new RollupSums();
      for (const row of await session.run(readMeasures(scope))) {
        const sum = sums.at({ campaignId: row.campaign_id, basis: row.basis, bucket: row.bucket });
        MEASURES.forEach((measure, position) => addCount(sum, position, row[measure]));
      }
      for (const row of await session.run(readRevenue(scope))) {
        const sum = sums.at({ campaignId: row.campaign_id, basis: row.basis, bucket: row.bucket });
        addRevenue(sum, row.currency, row.amount);
      }
      return sums;
    },
  };
}

function placeOf({ perCampaign, bucket }: LevelShape): RollupLevel["placeOf"] {
  return (quarter, zone) => {
    const campaignId = perCampaign ? quarter.campaignId : null;
    if (bucket === null) return quarter.basis === "EVENT" ? { campaignId, basis: null, bucket: null } : null;
    if (bucket === "bucket_start") return { campaignId, basis: quarter.basis, bucket: quarter.bucket };
    if (typeof quarter.bucket !== "number") throw new TypeError("Days are made from quarter-hours");
    return { campaignId, basis: quarter.basis, bucket: localDate(quarter.bucket, zone) };
  };
}

function defineRead<Row>(
  { perCampaign, bucket }: LevelShape,
  table: string,
  columns: readonly string[],
): (scope: LevelScope) => Statement<"metrics", Row> {
  const place = [
    perCampaign ? "campaign_id" : "null::uuid as campaign_id",
    bucket === null ? "null as basis" : "basis",
    bucket === null ? "null as bucket" : `${bucket} as bucket`,
  ];
  const conditions = [
    "tenant_id = $1",
    ...(perCampaign ? ["campaign_id = any ($2::uuid[])"] : []),
    ...(bucket === "day" ? [`time_zone = $${perCampaign ? 3 : 2}`] : []),
  ];
  const statement = defineStatement<"metrics", readonly unknown[], Row>(
    "metrics",
    `verify.read_${table}`,
    `select ${[...place, ...columns].join(", ")} from ${table} where ${conditions.join(" and ")}`,
  );
  return ({ tenantId, campaignIds, zone }) =>
    statement(tenantId, ...(perCampaign ? [campaignIds] : []), ...(bucket === "day" ? [zone] : []));
}

export const CAMPAIGN_QUARTER_HOURS = defineLevel({
  table: "campaign_quarter_hours",
  revenueTable: "campaign_quarter_hour_revenue",
  perCampaign: true,
  bucket: "bucket_start",
});

/** What follows from a campaign's quarter-hours, for each campaign. */
export const CAMPAIGN_LEVELS: readonly RollupLevel[] = [
  defineLevel({ table: "campaign_days", revenueTable: "campaign_day_revenue", perCampaign: true, bucket: "day" }),
  defineLevel({ table: "campaign_totals", revenueTable: "campaign_total_revenue", perCampaign: true, bucket: null }),
];

/** What follows from the quarter-hours of all campaigns together. */
export const TENANT_LEVELS: readonly RollupLevel[] = [
  defineLevel({
    table: "tenant_quarter_hours",
    revenueTable: "tenant_quarter_hour_revenue",
    perCampaign: false,
    bucket: "bucket_start",
  }),
  defineLevel({ table: "tenant_days", revenueTable: "tenant_day_revenue", perCampaign: false, bucket: "day" }),
];
