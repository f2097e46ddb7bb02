import type { GraphQLResolveInfo } from "graphql";
import { Metrics } from "../metrics/kpi.js";
import type { TimeRange } from "../time/range.js";
import type { TimeZoneId } from "../time/time-zone.js";
import { askedMeasures } from "./asked-measures.js";
import type { RequestContext } from "./context.js";
import type { GranularityName } from "./enums.js";
import { partialUntil, pointsOf } from "./metrics-points.js";
import type { CampaignType } from "./types/campaign-type.js";
import type { MeasureArgs } from "./types/measure-args.js";
import type { MetricsPointType, MetricsType } from "./types/metrics-type.js";

export interface CampaignMetricsArgs extends MeasureArgs {
  readonly range?: TimeRange | null;
}

export interface CampaignSeriesArgs extends MeasureArgs {
  readonly range: TimeRange;
  readonly granularity: GranularityName;
  readonly timeZone?: TimeZoneId | null;
}

/** A campaign's metrics, of a range or of everything so far. */
export async function campaignMetrics(
  { campaignId }: CampaignType,
  { range, basis, traffic, rates }: CampaignMetricsArgs,
  context: RequestContext,
  info: GraphQLResolveInfo,
): Promise<MetricsType> {
  const view = { traffic, rates };
  const set = askedMeasures(info, [], view);
  const { loaders, bucketSets } = context.require("READ_METRICS");
  if (range === null || range === undefined) {
    return new Metrics(await loaders.campaignTotals.load({ campaignId, set }), set, null, view);
  }
  const buckets = bucketSets.whole(range, basis);
  const [counts] = await loaders.campaignBuckets.load({ campaignId, buckets, set });
  const [bucket] = buckets.buckets;
  if (counts === undefined || bucket === undefined) throw new Error("A range has one bucket");
  return new Metrics(counts, set, bucket, view);
}

/** A campaign's metrics in buckets. */
export async function campaignSeries(
  { campaignId }: CampaignType,
  { range, granularity, timeZone, basis, traffic, rates }: CampaignSeriesArgs,
  context: RequestContext,
  info: GraphQLResolveInfo,
): Promise<MetricsPointType[]> {
  const view = { traffic, rates };
  const set = askedMeasures(info, ["metrics"], view);
  const tenant = context.require("READ_METRICS");
  const zone = timeZone ?? (await tenant.state()).timeZone;
  const buckets = tenant.bucketSets.series(range, granularity, zone, basis);
  const counts = await tenant.loaders.campaignBuckets.load({ campaignId, buckets, set });
  tenant.answerLife.endsBy(partialUntil(buckets.cut.boundaries, tenant.now));
  return pointsOf(buckets.buckets, counts, set, view);
}
