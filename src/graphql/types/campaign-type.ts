import { Field, ID, InputType, ObjectType } from "type-graphql";
import type { CampaignId } from "../../ids.js";
import type { EpochMicros } from "../../time/instant.js";
import { CampaignOrderFieldEnum, type CampaignOrderFieldName, DirectionEnum, type DirectionName } from "../enums.js";
import { DateTimeScalar } from "../scalars.js";
import { type ConnectionOf, type EdgeOf, PageInfoType } from "./connection-type.js";
import { DateTimeRangeInput } from "./date-time-range-input.js";
import { TallyType } from "./metrics-type.js";
import { NodeType } from "./node-type.js";
import { UserErrorType } from "./user-error-type.js";

@ObjectType("Campaign", {
  simpleResolvers: true,
  implements: NodeType,
  description: "A mailing. A recurring one is a campaign per run: the unit of unique counts is (campaign, recipient).",
})
export class CampaignType extends NodeType {
  readonly __typename = "Campaign";
  /** For the resolvers of its fields. */
  campaignId!: CampaignId;

  @Field(() => ID, { description: "Opaque; unique over all types." })
  declare id: string;

  @Field(() => String, {
    nullable: true,
    description: "The campaign's id in the sender's system; unique among those that are not archived.",
  })
  externalId!: string | null;

  @Field(() => String, {
    description: "What it is called; its external id, where an event made it and nobody named it.",
  })
  name!: string;

  @Field(() => String, { nullable: true, description: "The subject line." })
  subject!: string | null;

  @Field(() => [String], { description: "Whatever groups campaigns; filters match any of those named." })
  tags!: readonly string[];

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When it was sent: as set, else its earliest SENT; null while it has none.",
  })
  sentAt!: EpochMicros | null;

  @Field(() => DateTimeScalar, { description: "When it was made here." })
  createdAt!: EpochMicros;

  @Field(() => DateTimeScalar, { description: "When somebody last changed what is said of it; events do not." })
  updatedAt!: EpochMicros;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When it was archived; null: it is not. Late events still count.",
  })
  archivedAt!: EpochMicros | null;
}

@ObjectType("CampaignEdge", { simpleResolvers: true, description: "A campaign in a list." })
export class CampaignEdge implements EdgeOf<CampaignType> {
  @Field(() => String, { description: "Where it stands in this list, for after and before." })
  cursor!: string;

  @Field(() => CampaignType, { description: "The campaign." })
  node!: CampaignType;
}

@ObjectType("CampaignConnection", { simpleResolvers: true, description: "A page of campaigns." })
export class CampaignConnection implements ConnectionOf<CampaignType> {
  @Field(() => [CampaignEdge], { description: "The page, with cursors." })
  edges!: readonly CampaignEdge[];

  @Field(() => [CampaignType], { description: "The page, without cursors." })
  nodes!: readonly CampaignType[];

  @Field(() => PageInfoType, { description: "Where the page lies in the list." })
  pageInfo!: PageInfoType;

  /** For the resolver of totalCount, which costs a statement only where it is asked for. */
  filter!: CampaignFilterInput | null;
}

@InputType("CampaignFilter", {
  description: "Which campaigns: all that is given must hold. Null is no filter, [] is nothing.",
})
export class CampaignFilterInput {
  @Field(() => String, { nullable: true, description: "A case-insensitive part of name, subject or external id." })
  search?: string | null;

  @Field(() => [String], { nullable: true, description: "Any of these tags." })
  tags?: string[] | null;

  @Field(() => [String], { nullable: true, description: "Any of these external ids." })
  externalIds?: string[] | null;

  @Field(() => DateTimeRangeInput, { nullable: true, description: "Made in this range." })
  createdAt?: DateTimeRangeInput | null;

  @Field(() => DateTimeRangeInput, { nullable: true, description: "Sent in this range." })
  sentAt?: DateTimeRangeInput | null;

  @Field(() => Boolean, { nullable: true, description: "Archived ones too. Left out: without them." })
  includeArchived?: boolean | null;
}

@InputType("CampaignOrder", { description: "The order of campaigns; equal ones by id." })
export class CampaignOrderInput {
  @Field(() => CampaignOrderFieldEnum, { description: "What they are ordered by." })
  field!: CampaignOrderFieldName;

  @Field(() => DirectionEnum, { description: "Smallest or largest first; nulls come last in both." })
  direction!: DirectionName;

  @Field(() => String, { nullable: true, description: "For REVENUE alone, and needed there (ISO 4217)." })
  currency?: string | null;
}

@InputType("CreateCampaignInput", { description: "A new campaign." })
export class CreateCampaignInput {
  @Field(() => String, {
    nullable: true,
    description: "Its id in the sender's system; no live campaign may have it. At most 255 characters.",
  })
  externalId?: string | null;

  @Field(() => String, { description: "What it is called, 1 to 255 characters." })
  name!: string;

  @Field(() => String, { nullable: true, description: "The subject line, at most 998 characters." })
  subject?: string | null;

  @Field(() => [String], { nullable: true, description: "At most 50 tags of 1 to 100 characters." })
  tags?: string[] | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When it was or will be sent. Left out: its earliest SENT.",
  })
  sentAt?: EpochMicros | null;
}

@InputType("UpdateCampaignInput", {
  description: "What is left out stays as it is; null empties a field that may be empty.",
})
export class UpdateCampaignInput {
  @Field(() => ID, { description: "The campaign." })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: "Its id in the sender's system; no other live campaign may have it.",
  })
  externalId?: string | null;

  @Field(() => String, { nullable: true, description: "What it is called, 1 to 255 characters." })
  name?: string | null;

  @Field(() => String, { nullable: true, description: "The subject line, at most 998 characters." })
  subject?: string | null;

  @Field(() => [String], { nullable: true, description: "All its tags: at most 50, of 1 to 100 characters." })
  tags?: string[] | null;

  @Field(() => DateTimeScalar, { nullable: true, description: "When it was or will be sent; null: its earliest SENT." })
  sentAt?: EpochMicros | null;
}

@ObjectType("CampaignPayload", { simpleResolvers: true, description: "The campaign as it is now." })
export class CampaignPayload {
  @Field(() => CampaignType, { nullable: true, description: "Null where userErrors says why." })
  campaign!: CampaignType | null;

  @Field(() => [UserErrorType], { description: "What is wrong with the input; empty where all went well." })
  userErrors!: UserErrorType[];
}

@ObjectType("Link", {
  simpleResolvers: true,
  description: "A link of a campaign. Links past the 1,000th are counted together as (other links).",
})
export class LinkType {
  @Field(() => String, { description: "The URL, verbatim." })
  url!: string;

  @Field(() => TallyType, {
    description:
      "Clicks on it. Unique: recipients who clicked this link; over several links they do not sum to the campaign's.",
  })
  clicks!: TallyType;

  @Field(() => TallyType, { description: "The same without those that were judged MACHINE." })
  humanClicks!: TallyType;
}

@ObjectType("LinkEdge", { simpleResolvers: true, description: "A link in a list." })
export class LinkEdge implements EdgeOf<LinkType> {
  @Field(() => String, { description: "Where it stands in this list, for after and before." })
  cursor!: string;

  @Field(() => LinkType, { description: "The link." })
  node!: LinkType;
}

@ObjectType("LinkConnection", { simpleResolvers: true, description: "A page of links, most unique clicks first." })
export class LinkConnection implements ConnectionOf<LinkType> {
  @Field(() => [LinkEdge], { description: "The page, with cursors." })
  edges!: readonly LinkEdge[];

  @Field(() => [LinkType], { description: "The page, without cursors." })
  nodes!: readonly LinkType[];

  @Field(() => PageInfoType, { description: "Where the page lies in the list." })
  pageInfo!: PageInfoType;
}
