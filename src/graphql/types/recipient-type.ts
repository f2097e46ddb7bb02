import { Field, ID, InputType, ObjectType } from "type-graphql";
import type { CampaignId, RecipientKey } from "../../ids.js";
import type { EpochMicros } from "../../time/instant.js";
import { BigIntScalar, DateTimeScalar, JsonObjectScalar } from "../scalars.js";
import { type ConnectionOf, type EdgeOf, PageInfoType } from "./connection-type.js";
import { NodeType } from "./node-type.js";
import { UserErrorType } from "./user-error-type.js";

@InputType("EraseRecipientInput", { description: "Whom to erase." })
export class EraseRecipientInput {
  @Field(() => String, {
    description: "The address, normalised as in EventInput; or the key as an export shows it.",
  })
  recipient!: string;
}

@ObjectType("RecipientErasure", {
  simpleResolvers: true,
  implements: NodeType,
  description:
    "A recipient who was erased. From requestedAt on nobody is told who it was, and no event brings the address back; every number stays as it was.",
})
export class RecipientErasureType extends NodeType {
  readonly __typename = "RecipientErasure";

  @Field(() => ID, { description: "Opaque; unique over all types. The same each time that the recipient is erased." })
  declare id: string;

  @Field(() => DateTimeScalar, { description: "When it was asked for first." })
  requestedAt!: EpochMicros;

  @Field(() => BigIntScalar, {
    description: "Recorded events that were emptied so far: of all that does not count, such as metadata.",
  })
  erasedEvents!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When nothing but what counts was left anywhere; null while a worker is at it.",
  })
  completedAt!: EpochMicros | null;
}

@ObjectType("EraseRecipientPayload", { simpleResolvers: true, description: "The erasure, or what is wrong." })
export class EraseRecipientPayload {
  @Field(() => RecipientErasureType, {
    nullable: true,
    description:
      "The erasure, also of somebody of whom nothing is held, or who was erased before; null where userErrors says why there is none.",
  })
  erasure!: RecipientErasureType | null;

  @Field(() => [UserErrorType], { description: "What is wrong with the input; empty where all went well." })
  userErrors!: UserErrorType[];
}

@ObjectType("RecipientLink", { simpleResolvers: true, description: "A link of a campaign that a recipient followed." })
class RecipientLinkType {
  @Field(() => String, { description: 'The URL; "(other links)" stands for those past the campaign\'s limit.' })
  url!: string;

  @Field(() => BigIntScalar, { description: "How often it was followed." })
  clicked!: number;

  @Field(() => BigIntScalar, { description: "How often not by a machine." })
  clickedHuman!: number;

  @Field(() => DateTimeScalar, { nullable: true, description: "When first; null where that was not kept then." })
  firstClickedAt!: EpochMicros | null;
}

@ObjectType("RecipientCampaign", {
  simpleResolvers: true,
  description: "What was counted of a recipient in a campaign. It stays where retention has dropped the events.",
})
export class RecipientCampaignType {
  /** For the resolver of the campaign. */
  campaignId!: CampaignId;

  @Field(() => DateTimeScalar, { description: "When the first event of the recipient in the campaign happened." })
  firstEventAt!: EpochMicros;

  @Field(() => JsonObjectScalar, {
    description:
      "When each thing happened first, how often each happened, and the revenue by currency; what never happened is left out.",
  })
  state!: Readonly<Record<string, unknown>>;

  @Field(() => [RecipientLinkType], { description: "The campaign's links that the recipient followed." })
  links!: readonly RecipientLinkType[];
}

@ObjectType("RecipientCampaignEdge", { simpleResolvers: true, description: "A recipient's campaign in a list." })
class RecipientCampaignEdge implements EdgeOf<RecipientCampaignType> {
  @Field(() => String, { description: "Where it stands in this list, for after and before." })
  cursor!: string;

  @Field(() => RecipientCampaignType, { description: "What was counted there." })
  node!: RecipientCampaignType;
}

@ObjectType("RecipientCampaignConnection", { simpleResolvers: true, description: "A page of a recipient's campaigns." })
export class RecipientCampaignConnection implements ConnectionOf<RecipientCampaignType> {
  @Field(() => [RecipientCampaignEdge], { description: "The page, with cursors." })
  edges!: readonly RecipientCampaignEdge[];

  @Field(() => [RecipientCampaignType], { description: "The page, without cursors." })
  nodes!: readonly RecipientCampaignType[];

  @Field(() => PageInfoType, { description: "Where the page lies in the list." })
  pageInfo!: PageInfoType;
}

@ObjectType("RecipientExport", {
  simpleResolvers: true,
  description:
    "All that is held of one recipient: the address, what was counted in each campaign, the recorded events, and those that are not recorded. Empty where nothing is held, or the recipient was erased.",
})
export class RecipientExportType {
  /** For the resolvers of what it holds. */
  key!: RecipientKey;

  @Field(() => String, {
    nullable: true,
    description: "The address; null where none is kept: nothing is held, it was erased, or addresses are not stored.",
  })
  address!: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      "The key that stands for the recipient in all that is stored, and can be given wherever a recipient is. Null where nothing was recorded, or it was erased.",
  })
  recipientKey!: string | null;
}
