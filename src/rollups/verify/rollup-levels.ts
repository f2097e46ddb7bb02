/**
 * The granularities that the rollups are kept in, and how each follows from the quarter-hours of a campaign or of its links. Days are made by
 * this program's time zone data, never PostgreSQL's: the two may be of different years.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement, type Statement } from "../../database/statement.js";
import type { CampaignId, LinkKey, TenantId } from "../../ids.js";
import { localDate, type TimeZoneId } from "../../time/time-zone.js";
import type { RollupTables } from "./difference.js";
import { type Basis, LINK_MEASURES, type LinkMeasure, MEASURES, type Measure } from "../measures.js";
import { addCount, addRevenue, type Bucket, type Place, type RollupSum, RollupSums } from "./rollup-sums.js";

export interface RollupLevel extends RollupTables {
  /** Where the sum of a quarter-hour, a campaign's or a link's, stands here; null where it does not. */
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
  readonly link_key: LinkKey | null;
  readonly basis: Basis | null;
  readonly bucket: Bucket;
}
type MeasuresRow = PlaceRow & Record<Measure | LinkMeasure, number>;
type RevenueRow = PlaceRow & { readonly currency: string; readonly amount: string };

interface LevelShape extends RollupTables {
  readonly of: "campaign" | "link" | "tenant";
  readonly bucket: "bucket_start" | "day" | null;
}

function defineLevel(shape: LevelShape): RollupLevel {
  const { table, revenueTable, measures } = shape;
  const readMeasures = defineRead<MeasuresRow>(shape, table, measures);
  const readRevenue =
    revenueTable === null ? null : defineRead<RevenueRow>(shape, revenueTable, ["currency", "amount"]);
  return {
    table,
    revenueTable,
    measures,
    placeOf: placeOf(shape),
    read: async (session, scope) => {
      const sums = new RollupSums();
      for (const row of await session.run(readMeasures(scope))) {
        const sum = sums.at(placeOfRow(row));
        measures.forEach((measure, position) => addCount(sum, position, row[measure]));
      }
      for (const row of readRevenue === null ? [] : await session.run(readRevenue(scope))) {
        addRevenue(sums.at(placeOfRow(row)), row.currency, row.amount);
      }
      return sums;
    },
  };
}

function placeOfRow({ campaign_id: campaignId, link_key: linkKey, basis, bucket }: PlaceRow): Place {
  return { campaignId, linkKey, basis, bucket };
}

function placeOf({ of, bucket }: LevelShape): RollupLevel["placeOf"] {
  return ({ linkKey, basis, ...quarter }, zone) => {
    const campaignId = of === "tenant" ? null : quarter.campaignId;
    if (bucket === null) return basis === "EVENT" ? { campaignId, linkKey, basis: null, bucket: null } : null;
    if (bucket === "bucket_start") return { campaignId, linkKey, basis, bucket: quarter.bucket };
    if (typeof quarter.bucket !== "number") throw new TypeError("Days are made from quarter-hours");
    return { campaignId, linkKey, basis, bucket: localDate(quarter.bucket, zone) };
  };
}

function defineRead<Row>(
  { of, bucket }: LevelShape,
  table: string,
  columns: readonly string[],
): (scope: LevelScope) => Statement<"metrics", Row> {
  const perCampaign = of !== "tenant";
  const place = [
    perCampaign ? "campaign_id" : "null::uuid as campaign_id",
    of === "link" ? "link_key" : "null::uuid as link_key",
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
  measures: MEASURES,
  of: "campaign",
  bucket: "bucket_start",
});

export const CAMPAIGN_DAYS = defineLevel({
  table: "campaign_days",
  revenueTable: "campaign_day_revenue",
  measures: MEASURES,
  of: "campaign",
  bucket: "day",
});

/** What follows from a campaign's quarter-hours, for each campaign. */
export const CAMPAIGN_LEVELS: readonly RollupLevel[] = [
  CAMPAIGN_DAYS,
  defineLevel({
    table: "campaign_totals",
    revenueTable: "campaign_total_revenue",
    measures: MEASURES,
    of: "campaign",
    bucket: null,
  }),
];

const ofLinks = { revenueTable: null, measures: LINK_MEASURES, of: "link" } as const;
export const LINK_QUARTER_HOURS = defineLevel({
  table: "campaign_link_quarter_hours",
  ...ofLinks,
  bucket: "bucket_start",
});
export const LINK_DAYS = defineLevel({ table: "campaign_link_days", ...ofLinks, bucket: "day" });
export const LINK_TOTALS = defineLevel({ table: "campaign_links", ...ofLinks, bucket: null });

export const TENANT_QUARTER_HOURS = defineLevel({
  table: "tenant_quarter_hours",
  revenueTable: "tenant_quarter_hour_revenue",
  measures: MEASURES,
  of: "tenant",
  bucket: "bucket_start",
});
export const TENANT_DAYS = defineLevel({
  table: "tenant_days",
  revenueTable: "tenant_day_revenue",
  measures: MEASURES,
  of: "tenant",
  bucket: "day",
});

/** Follows from the quarter-hours of all campaigns together, as the tenant's other rollups do. */
export const TENANT_TOTALS = defineLevel({
  table: "tenant_totals",
  revenueTable: "tenant_total_revenue",
  measures: MEASURES,
  of: "tenant",
  bucket: null,
});
