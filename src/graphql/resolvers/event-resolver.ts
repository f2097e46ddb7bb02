import { Arg, Args, Ctx, FieldResolver, Query, Resolver, Root } from "type-graphql";
import { PublicError } from "../../errors.js";
import { type EventList, readEventPage } from "../../events/event-pages.js";
import { normalizeAddress } from "../../events/event-key.js";
import type { EventType } from "../../events/event.js";
import { type CampaignId, uuidOfGlobalId } from "../../ids.js";
import { readPageArguments } from "../../pages/page-arguments.js";
import { checkedRange, checkedRangeOrNull } from "../checked-range.js";
import { campaignOf } from "../campaign-node.js";
import { connectionOf } from "../connection.js";
import type { RequestContext, TenantContext } from "../context.js";
import { EventOrderEnum, type EventOrderName, EventTypeEnum } from "../enums.js";
import { eventOf } from "../event-node.js";
import { CampaignType } from "../types/campaign-type.js";
import { type ConnectionOf, PageArgs } from "../types/connection-type.js";
import { DateTimeRangeInput } from "../types/date-time-range-input.js";
import { EventConnection, EventFilterInput, EventInterface } from "../types/event-type.js";

export async function readEvents(
  tenant: TenantContext,
  list: EventList,
  args: PageArgs,
): Promise<ConnectionOf<EventInterface>> {
  const page = readPageArguments(args);
  const { events, tenantId, services } = tenant;
  return connectionOf(await readEventPage(events, tenantId, list, page, services.cursors), eventOf, services.cursors);
}

async function isSeen(tenant: TenantContext, id: CampaignId | null): Promise<boolean> {
  if (id === null || tenant.principal.campaignTags === null) return id !== null;
  return (await tenant.loaders.campaign.load(id)) !== null;
}

function metadataOf(metadata: unknown): EventList["metadata"] {
  if (metadata === undefined || metadata === null) return null;
  if (typeof metadata !== "object" || Array.isArray(metadata)) {
    throw new PublicError("BAD_INPUT", "metadata is not a JSON object.", { field: ["filter", "metadata"] });
  }
  return metadata as Readonly<Record<string, unknown>>;
}

@Resolver()
export class EventResolver {
  @Query(() => EventConnection, {
    description: "Recorded events, by keyset: page 10,000 costs what page 1 costs. Needs the scope READ_EVENTS.",
  })
  async events(
    @Arg("filter", () => EventFilterInput, { description: "Which events." }) filter: EventFilterInput,
    @Arg("order", () => EventOrderEnum, { defaultValue: "NEWEST_FIRST", description: "Which come first." })
    order: EventOrderName,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<EventInterface>> {
    const tenant = context.require("READ_EVENTS");
    const { campaignId: id = null, recipient = null } = filter;
    const campaignId = id === null ? null : (uuidOfGlobalId("Campaign", id) as CampaignId | null);
    if (id === null && tenant.principal.campaignTags !== null) {
      const message = "This key sees some campaigns only: say in campaignId of which one the events are.";
      throw new PublicError("BAD_INPUT", message, { field: ["filter", "campaignId"] });
    }
    const isNobodys = id !== null && !(await isSeen(tenant, campaignId));
    return readEvents(
      tenant,
      {
        types: isNobodys ? [] : (filter.types ?? null),
        occurredAt: checkedRange(filter.occurredAt, ["filter", "occurredAt"]),
        campaignId,
        recipientKey:
          recipient === null ? null : tenant.services.recipientKeys.keyOf(tenant.tenantId, normalizeAddress(recipient)),
        metadata: metadataOf(filter.metadata),
        traffic: filter.traffic ?? null,
        order,
      },
      args,
    );
  }
}

@Resolver(() => EventInterface)
export class EventFieldResolver {
  @FieldResolver(() => CampaignType, { description: "The campaign that the event belongs to." })
  async campaign(@Root() event: EventInterface, @Ctx() context: RequestContext): Promise<CampaignType> {
    const campaign = await context.authenticated().loaders.campaign.load(event.campaignId);
    if (campaign === null) throw new Error("An event's campaign is in neither database");
    return campaignOf(campaign);
  }
}

@Resolver(() => CampaignType)
export class CampaignEventsResolver {
  @FieldResolver(() => EventConnection, {
    description: "The campaign's recorded events. Needs the scope READ_EVENTS.",
  })
  async events(
    @Root() campaign: CampaignType,
    @Arg("types", () => [EventTypeEnum], {
      nullable: true,
      description: "Any of these types. Null: all; []: none.",
    })
    types: EventType[] | null,
    @Arg("occurredAt", () => DateTimeRangeInput, {
      nullable: true,
      description: "When they happened, to the microsecond. Left out: whenever.",
    })
    occurredAt: DateTimeRangeInput | null,
    @Arg("order", () => EventOrderEnum, { defaultValue: "NEWEST_FIRST", description: "Which come first." })
    order: EventOrderName,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<EventInterface>> {
    const tenant = context.require("READ_EVENTS");
    const range = checkedRangeOrNull(occurredAt, ["occurredAt"]);
    const { campaignId, sentAt: campaignSentAt } = campaign;
    const list = { types: types ?? null, occurredAt: range, campaignId, campaignSentAt, order };
    return readEvents(tenant, { ...list, recipientKey: null, metadata: null, traffic: null }, args);
  }
}
