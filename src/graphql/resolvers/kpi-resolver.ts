import type { GraphQLResolveInfo } from "graphql";
import { Arg, Args, Ctx, FieldResolver, Info, ObjectType, Query, Resolver, Root } from "type-graphql";
import { type CampaignId, uuidOfGlobalId } from "../../ids.js";
import { Metrics } from "../../metrics/kpi.js";
import { answeredRange, comparedRange } from "../../metrics/ranges.js";
import { checkCampaignsFilter } from "../../metrics/tenant-buckets.js";
import type { TimeZoneId } from "../../time/time-zone.js";
import { bucketsBetween } from "../bucket-sets.js";
import { askedMeasures } from "../asked-measures.js";
import { filterTagsOf } from "../campaign-arguments.js";
import type { RequestContext, TenantContext } from "../context.js";
import { ComparisonEnum, type ComparisonName, GranularityEnum, type GranularityName } from "../enums.js";
import { KpiReport } from "../kpi-report.js";
import { partialUntil, pointsOf } from "../metrics-points.js";
import { TimeZoneScalar } from "../scalars.js";
import { Versioned } from "../versioned.js";
import { DateTimeRangeInput } from "../types/date-time-range-input.js";
import { KpiFilterInput } from "../types/kpi-type.js";
import { MeasureArgs } from "../types/measure-args.js";
import { FreshnessType, KpiComparisonType, MetricsPointType, MetricsType } from "../types/metrics-type.js";

@ObjectType("KpiReport", {
  simpleResolvers: true,
  description: "The numbers of a range, over the tenant or some of its campaigns.",
})
export class KpiReportType {
  /** For the resolvers of its fields. */
  report!: KpiReport;
  compareTo!: ComparisonName | null;
}

@Resolver()
export class KpiQueryResolver {
  @Versioned()
  @Query(() => KpiReportType, {
    description:
      "The numbers of a range over the tenant: unique counts are the sums of its campaigns'. Needs the scope READ_METRICS.",
  })
  kpis(
    @Arg("range", () => DateTimeRangeInput, { description: "From when to when." }) range: DateTimeRangeInput,
    @Args(() => MeasureArgs) { basis, ...view }: MeasureArgs,
    @Arg("filter", () => KpiFilterInput, {
      nullable: true,
      description: "Whose numbers. Left out: all campaigns', archived ones too.",
    })
    filter: KpiFilterInput | null,
    @Arg("compareTo", () => ComparisonEnum, { nullable: true, description: "Answers comparison too." })
    compareTo: ComparisonName | null,
    @Ctx() context: RequestContext,
  ): KpiReportType {
    const tenant = context.require("READ_METRICS");
    const args = { range: answeredRange(range), basis, view, filter: filterOf(filter ?? null, tenant) };
    return { report: new KpiReport(tenant, args), compareTo: compareTo ?? null };
  }
}

/** Null where neither the filter nor what the principal is limited to leaves anything out. */
function filterOf(filter: KpiFilterInput | null, tenant: TenantContext) {
  const { campaignTags: visibleTags } = tenant.principal;
  if (filter === null && visibleTags === null) return null;
  const campaignIds = filter?.campaignIds?.flatMap((id) => uuidOfGlobalId("Campaign", id) ?? []) ?? null;
  const wanted = {
    campaignIds: campaignIds as CampaignId[] | null,
    tags: filterTagsOf(filter ?? {}, tenant),
    visibleTags,
  };
  checkCampaignsFilter(wanted);
  return wanted;
}

@Resolver(() => KpiReportType)
export class KpiReportResolver {
  @Versioned()
  @FieldResolver(() => MetricsType, { description: "Every count and rate of the range." })
  async metrics(@Root() { report }: KpiReportType, @Info() info: GraphQLResolveInfo): Promise<MetricsType> {
    const { range, view } = report.args;
    const set = askedMeasures(info, [], view);
    return new Metrics(await report.countsOf(range, set), set, range, view);
  }

  @Versioned()
  @FieldResolver(() => [MetricsPointType], { description: "The range in buckets, at most 3,000, without holes." })
  async series(
    @Root() { report }: KpiReportType,
    @Arg("granularity", () => GranularityEnum, { description: "The length of the buckets." })
    granularity: GranularityName,
    @Arg("timeZone", () => TimeZoneScalar, {
      nullable: true,
      description: "Where days begin. Left out: the tenant's zone.",
    })
    timeZone: TimeZoneId | null,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MetricsPointType[]> {
    const { tenant, args } = report;
    const set = askedMeasures(info, ["metrics"], args.view);
    const zone = timeZone ?? (await tenant.state()).timeZone;
    const cut = tenant.services.bucketCuts.series(args.range, granularity, zone);
    tenant.answerLife.endsBy(partialUntil(cut.boundaries, tenant.now));
    const counts = await report.counts(cut, set);
    return pointsOf(bucketsBetween(cut.boundaries, tenant.now), counts, set, args.view);
  }

  @Versioned()
  @FieldResolver(() => KpiComparisonType, {
    nullable: true,
    description: "The numbers of the range that compareTo names; null where it was not given.",
  })
  async comparison(
    @Root() { report, compareTo }: KpiReportType,
    @Info() info: GraphQLResolveInfo,
  ): Promise<KpiComparisonType | null> {
    if (compareTo === null) return null;
    const { timeZone } = await report.tenant.state();
    const { range, view } = report.args;
    const set = askedMeasures(info, ["metrics"], view);
    const compared = comparedRange(range, compareTo, timeZone);
    return { ...compared, metrics: new Metrics(await report.countsOf(compared, set), set, compared, view) };
  }

  @FieldResolver(() => FreshnessType, { description: "How fresh the numbers beside it are." })
  freshness(@Root() { report }: KpiReportType): Promise<FreshnessType> {
    return report.freshness();
  }
}
