import { Arg, Args, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from "type-graphql";
import { actorOf } from "../../access/principal.js";
import { textOfRecipientKey } from "../../events/event-key.js";
import { encodeGlobalId } from "../../ids.js";
import { readPageArguments } from "../../pages/page-arguments.js";
import { eraseRecipient, nameRecipient } from "../../privacy/erase-recipient.js";
import { type Erasure, findErasure } from "../../privacy/erasure.js";
import { findHeldRecipient, findUnrecordedEvents, readRecipientCampaigns } from "../../privacy/recipient-record.js";
import { checkedRangeOrNull } from "../checked-range.js";
import { campaignOf } from "../campaign-node.js";
import { connectionOf } from "../connection.js";
import type { RequestContext } from "../context.js";
import { EventOrderEnum, type EventOrderName } from "../enums.js";
import { JsonObjectScalar } from "../scalars.js";
import { CampaignType } from "../types/campaign-type.js";
import { type ConnectionOf, PageArgs } from "../types/connection-type.js";
import { DateTimeRangeInput } from "../types/date-time-range-input.js";
import { EventConnection, type EventInterface } from "../types/event-type.js";
import {
  EraseRecipientInput,
  EraseRecipientPayload,
  RecipientCampaignConnection,
  RecipientCampaignType,
  RecipientErasureType,
  RecipientExportType,
} from "../types/recipient-type.js";
import { withUserErrors } from "../user-errors.js";
import { readEvents } from "./event-resolver.js";

/** Said, and asked for, in each field of what an export holds, though nobody else comes by one. */
const NEEDS = "Needs the scope MANAGE_RECIPIENTS.";

export function erasureOf({ recipientKey, requestedAt, erasedEvents, completedAt }: Erasure): RecipientErasureType {
  const id = encodeGlobalId("RecipientErasure", recipientKey);
  return Object.assign(new RecipientErasureType(), { id, requestedAt, erasedEvents, completedAt });
}

@Resolver()
export class RecipientResolver {
  @Mutation(() => EraseRecipientPayload, {
    description: `Makes a recipient unrecognisable for good, while every number stays as it was. ${NEEDS}`,
  })
  async eraseRecipient(
    @Arg("input", () => EraseRecipientInput, { description: "Whom." }) input: EraseRecipientInput,
    @Ctx() context: RequestContext,
  ): Promise<EraseRecipientPayload> {
    const { services, tenantId, principal, now } = context.require("MANAGE_RECIPIENTS");
    const { result, userErrors } = await withUserErrors(async () => {
      const named = nameRecipient(services.recipientKeys, tenantId, input.recipient, ["input", "recipient"]);
      return eraseRecipient(services, tenantId, named, actorOf(principal), now);
    });
    return { erasure: result === null ? null : erasureOf(result), userErrors };
  }

  @Query(() => RecipientExportType, {
    description: `All that is held of one recipient, page by page. ${NEEDS}`,
  })
  async exportRecipient(
    @Arg("recipient", () => String, {
      description: "The address, normalised as in EventInput; or the key as an export shows it.",
    })
    recipient: string,
    @Ctx() context: RequestContext,
  ): Promise<RecipientExportType> {
    const { services, events, tenantId } = context.require("MANAGE_RECIPIENTS");
    const { recipientKey: key } = nameRecipient(services.recipientKeys, tenantId, recipient, ["recipient"]);
    const { address, isKnown } = await findHeldRecipient(events, tenantId, key);
    const recipientKey = isKnown ? textOfRecipientKey(key) : null;
    return Object.assign(new RecipientExportType(), { key, address, recipientKey });
  }
}

@Resolver(() => RecipientExportType)
export class RecipientExportResolver {
  @FieldResolver(() => RecipientErasureType, {
    nullable: true,
    description: `The erasure; null where the recipient was not erased. ${NEEDS}`,
  })
  async erasure(
    @Root() { key }: RecipientExportType,
    @Ctx() context: RequestContext,
  ): Promise<RecipientErasureType | null> {
    const { events, tenantId } = context.require("MANAGE_RECIPIENTS");
    const erasure = await findErasure(events, tenantId, key);
    return erasure === null ? null : erasureOf(erasure);
  }

  @FieldResolver(() => RecipientCampaignConnection, {
    description: `What was counted of the recipient in each campaign, in the order in which these were made. ${NEEDS}`,
  })
  async campaigns(
    @Root() { key }: RecipientExportType,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: RequestContext,
  ): Promise<ConnectionOf<RecipientCampaignType>> {
    const { events, tenantId, services } = context.require("MANAGE_RECIPIENTS");
    const page = await readRecipientCampaigns(events, tenantId, key, readPageArguments(args), services.cursors);
    return connectionOf(page, (row) => Object.assign(new RecipientCampaignType(), row), services.cursors);
  }

  @FieldResolver(() => EventConnection, { description: `The recipient's recorded events. ${NEEDS}` })
  events(
    @Root() { key }: RecipientExportType,
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
    const range = checkedRangeOrNull(occurredAt, ["occurredAt"]);
    const list = { types: null, occurredAt: range, campaignId: null, recipientKey: key, metadata: null, traffic: null };
    return readEvents(context.require("MANAGE_RECIPIENTS"), { ...list, order }, args);
  }

  @FieldResolver(() => [JsonObjectScalar], {
    description: `Accepted events that are not in the log, as recordEvents takes them: those that wait to be recorded, and dead letters. The oldest thousand. ${NEEDS}`,
  })
  unrecordedEvents(
    @Root() { key }: RecipientExportType,
    @Ctx() context: RequestContext,
  ): Promise<Readonly<Record<string, unknown>>[]> {
    const { events, tenantId } = context.require("MANAGE_RECIPIENTS");
    return findUnrecordedEvents(events, tenantId, key);
  }
}

@Resolver(() => RecipientCampaignType)
export class RecipientCampaignResolver {
  @FieldResolver(() => CampaignType, { description: `The campaign. ${NEEDS}` })
  async campaign(@Root() { campaignId }: RecipientCampaignType, @Ctx() context: RequestContext): Promise<CampaignType> {
    const campaign = await context.require("MANAGE_RECIPIENTS").loaders.campaign.load(campaignId);
    if (campaign === null) throw new Error("A recipient's campaign is in neither database");
    return campaignOf(campaign);
  }
}
