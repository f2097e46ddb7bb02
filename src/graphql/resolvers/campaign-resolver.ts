import type { GraphQLResolveInfo } from "graphql";
import { Arg, Args, Ctx, FieldResolver, ID, Info, Query, Resolver, Root } from "type-graphql";
import { countCampaigns, readCampaignPage } from "../../campaigns/campaign-pages.js";
import { findCampaignByExternalId } from "../../campaigns/find-campaigns.js";
import { PublicError } from "../../errors.js";
import { type CampaignId, uuidOfGlobalId } from "../../ids.js";
import type { LinkKey } from "../../ids.js";
import type { LinkRow } from "../../metrics/link-pages.js";
import { pageOf, readBounds, rowsToFetch } from "../../pages/page.js";
import { readPageArguments } from "../../pages/page-arguments.js";
import type { TimeZoneId } from "../../time/time-zone.js";
import { campaignFilterOf, campaignOrderOf } from "../campaign-arguments.js";
import { campaignOf } from "../campaign-node.js";
import { campaignMetrics, campaignSeries } from "../campaign-numbers.js";
import { connectionOf } from "../connection.js";
import type { RequestContext } from "../context.js";
import { GranularityEnum, type GranularityName } from "../enums.js";
import { BigIntScalar, TimeZoneScalar } from "../scalars.js";
import { Versioned } from "../versioned.js";
import {
  CampaignConnection,
  CampaignFilterInput,
  CampaignOrderInput,
  CampaignType,
  LinkConnection,
  type LinkType,
} from "../types/campaign-type.js";
import { type ConnectionOf, PageArgs } from "../types/connection-type.js";
import { DateTimeRangeInput } from "../types/date-time-range-input.js";
import { MeasureArgs } from "../types/measure-args.js";
import { MetricsPointType, MetricsType } from "../types/metrics-type.js";

@Resolver()
export class CampaignQueryResolver {
  @Versioned()
  @Query(() => CampaignType, {
    nullable: true,
    description:
      "One campaign, by exactly one of id and externalId; null where there is none. Needs the scope READ_METRICS.",
  })
  async campaign(
    @Arg("id", () => ID, { nullable: true, description: "Its id." }) id: string | null,
    @Arg("externalId", () => String, {
      nullable: true,
      description:
        "Its id in the sender's system. A campaign that is not archived comes before archived ones of that name.",
    })
    externalId: string | null,
    @Ctx() context: RequestContext,
  ): Promise<CampaignType | null> {
    const tenant = context.require("READ_METRICS");
    if ((id ?? null) === null && (externalId ?? null) !== null) {
      const { campaignTags } = tenant.principal;
      const row = await findCampaignByExternalId(tenant.metrics, tenant.tenantId, externalId ?? "", campaignTags);
      tenant.holdsForNow();
      return row === null ? null : campaignOf(row);
    }
    if ((id ?? null) === null || (externalId ?? null) !== null) {
      throw new PublicError("BAD_INPUT", "Give exactly one of id and externalId.", { field: ["id"] });
    }
    const uuid = uuidOfGlobalId("Campaign", id ?? "");
    const row = uuid === null ? null : await tenant.loaders.campaign.load(uuid as CampaignId);
    return row === null ? null : campaignOf(row);
  }

  @Versioned()
  @Query(() => CampaignConnection, { description: "The tenant's campaigns. Needs the scope READ_METRICS." })
  async campaigns(
    @Args(() => PageArgs) args: PageArgs,
    @Arg("filter", () => CampaignFilterInput, {
      nullable: true,
      description: "Which ones. Left out: all that are not archived.",
    })
    filter: CampaignFilterInput | null,
    @Arg("orderBy", () => CampaignOrderInput, {
      nullable: true,
      description: "Their order. Left out: the newest first.",
    })
    orderBy: CampaignOrderInput | null,
    @Ctx() context: RequestContext,
  ): Promise<Omit<CampaignConnection, "totalCount">> {
    const tenant = context.require("READ_METRICS");
    const page = readPageArguments(args);
    const wanted = { filter: campaignFilterOf(filter, tenant), order: campaignOrderOf(orderBy) };
    const { value } = await tenant.cached("campaign_page", { ...wanted, page }, null, () =>
      readCampaignPage(tenant.metrics, tenant.tenantId, wanted.filter, wanted.order, page, tenant.services.cursors),
    );
    return { ...connectionOf(value, campaignOf, tenant.services.cursors), filter: filter ?? null };
  }
}

@Resolver(() => CampaignConnection)
export class CampaignConnectionResolver {
  @Versioned()
  @FieldResolver(() => BigIntScalar, { description: "All campaigns that match; costs only when it is asked for." })
  async totalCount(@Root() connection: CampaignConnection, @Ctx() context: RequestContext): Promise<number> {
    const tenant = context.require("READ_METRICS");
    const filter = campaignFilterOf(connection.filter, tenant);
    const { value } = await tenant.cached("campaign_count", { filter }, null, () =>
      countCampaigns(tenant.metrics, tenant.tenantId, filter),
    );
    return value;
  }
}

@Resolver(() => CampaignType)
export class CampaignFieldResolver {
  @Versioned()
  @FieldResolver(() => MetricsType, {
    description: "Every count and rate. Without a range: everything so far. Needs the scope READ_METRICS.",
  })
  async metrics(
    @Root() campaign: CampaignType,
    @Arg("range", () => DateTimeRangeInput, {
      nullable: true,
      description: "Left out: everything so far, on which both bases agree.",
    })
    range: DateTimeRangeInput | null,
    @Args(() => MeasureArgs) measures: MeasureArgs,
    @Ctx() context: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MetricsType> {
    return campaignMetrics(campaign, { range, ...measures }, context, info);
  }

  @Versioned()
  @FieldResolver(() => [MetricsPointType], {
    description: "The range in buckets, at most 3,000, without holes. Needs the scope READ_METRICS.",
  })
  async series(
    @Root() campaign: CampaignType,
    @Arg("range", () => DateTimeRangeInput, { description: "From when to when." }) range: DateTimeRangeInput,
    @Arg("granularity", () => GranularityEnum, { description: "The length of the buckets." })
    granularity: GranularityName,
    @Arg("timeZone", () => TimeZoneScalar, {
      nullable: true,
      description: "Where days begin. Left out: the tenant's zone.",
    })
    timeZone: TimeZoneId | null,
    @Args(() => MeasureArgs) measures: MeasureArgs,
    @Ctx() context: RequestContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MetricsPointType[]> {
    return campaignSeries(campaign, { range, granularity, timeZone, ...measures }, context, info);
  }

  @Versioned()
  @FieldResolver(() => LinkConnection, {
    description: "The campaign's links, most unique clicks first. Needs the scope READ_METRICS.",
  })
  async links(
    @Root() { campaignId }: CampaignType,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<LinkType>> {
    const { tenantId, services, loaders } = context.require("READ_METRICS");
    const page = readPageArguments(args);
    const binding = { tenantId, list: "links", filter: campaignId, order: "unique_clicked" };
    const bounds = readBounds<readonly [number, string]>(services.cursors, binding, page);
    const rows = await loaders.campaignLinks.load({
      campaignId,
      page: {
        limit: rowsToFetch(page),
        take: page.direction === "FORWARD" ? "FIRST" : "LAST",
        after: positionOf(bounds.after),
        before: positionOf(bounds.before),
      },
    });
    const fetched = page.direction === "FORWARD" ? rows : rows.toReversed();
    return connectionOf(pageOf(fetched, page, binding, edgeOf), linkOf, services.cursors);
  }
}

const edgeOf = (node: LinkRow) => ({ node, position: [node.uniqueClicked, node.linkKey] });

function positionOf(position: readonly [number, string] | null) {
  return position === null ? undefined : { uniqueClicked: position[0], linkKey: position[1] as LinkKey };
}

function linkOf(row: LinkRow): LinkType {
  return {
    url: row.url,
    clicks: { total: row.clicked, unique: row.uniqueClicked },
    humanClicks: { total: row.clickedHuman, unique: row.uniqueClickedHuman },
  };
}
