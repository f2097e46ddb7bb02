import { Field, ID, InputType, Int, ObjectType } from "type-graphql";
import type { EventType } from "../../events/event.js";
import type { DeadReason } from "../../ingest/dead-letters/dead-reason.js";
import type { EpochMicros } from "../../time/instant.js";
import { DeadReasonEnum, EventTypeEnum } from "../enums.js";
import { DateTimeScalar } from "../scalars.js";
import { type ConnectionOf, type EdgeOf, PageInfoType } from "./connection-type.js";
import { NodeType } from "./node-type.js";
import { UserErrorType } from "./user-error-type.js";

@ObjectType("DeadLetter", {
  simpleResolvers: true,
  implements: NodeType,
  description:
    "An accepted event that could not be recorded, however often it was tried. It does not count until it is replayed with success.",
})
export class DeadLetterType extends NodeType {
  readonly __typename = "DeadLetter";
  /** For the resolver of the event, which not everybody may see. */
  input!: Readonly<Record<string, unknown>> | null;

  @Field(() => ID, { description: "Opaque; unique over all types." })
  declare id: string;

  @Field(() => ID, { description: "The receipt of the call that brought the event." })
  receiptId!: string;

  @Field(() => DeadReasonEnum, { description: "Why it could not be recorded." })
  reasonCode!: DeadReason;

  @Field(() => String, { description: "The same for people." })
  reason!: string;

  @Field(() => Int, { description: "How often it was tried." })
  attempts!: number;

  @Field(() => Int, { description: "How many events it is: 1, but where what was accepted cannot be read." })
  eventCount!: number;

  @Field(() => DateTimeScalar, { description: "When its call was accepted." })
  receivedAt!: EpochMicros;

  @Field(() => DateTimeScalar, { nullable: true, description: "When it failed first; null where that was not kept." })
  firstFailedAt!: EpochMicros | null;

  @Field(() => DateTimeScalar, { description: "When it was given up." })
  diedAt!: EpochMicros;

  @Field(() => EventTypeEnum, { nullable: true, description: "What happened; null where it cannot be read." })
  type!: EventType | null;

  @Field(() => String, { nullable: true, description: "The source's id of the event; null where it cannot be read." })
  eventId!: string | null;

  @Field(() => ID, { nullable: true, description: "The event's campaign; null where it cannot be read." })
  campaignId!: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: "When it happened; null where it cannot be read." })
  occurredAt!: EpochMicros | null;
}

@ObjectType("DeadLetterEdge", { simpleResolvers: true, description: "A dead letter in a list." })
class DeadLetterEdge implements EdgeOf<DeadLetterType> {
  @Field(() => String, { description: "Where it stands in this list, for after and before." })
  cursor!: string;

  @Field(() => DeadLetterType, { description: "The dead letter." })
  node!: DeadLetterType;
}

@ObjectType("DeadLetterConnection", { simpleResolvers: true, description: "A page of dead letters." })
export class DeadLetterConnection implements ConnectionOf<DeadLetterType> {
  @Field(() => [DeadLetterEdge], { description: "The page, with cursors." })
  edges!: readonly DeadLetterEdge[];

  @Field(() => [DeadLetterType], { description: "The page, without cursors." })
  nodes!: readonly DeadLetterType[];

  @Field(() => PageInfoType, { description: "Where the page lies in the list." })
  pageInfo!: PageInfoType;
}

@InputType("ReplayDeadLettersInput", { description: "Which dead letters to try again." })
export class ReplayDeadLettersInput {
  @Field(() => [ID], { description: "At most 100. All are replayed, or none." })
  ids!: string[];
}

@ObjectType("ReplayDeadLettersPayload", {
  simpleResolvers: true,
  description: "What is tried again; its receipts are QUEUED meanwhile.",
})
export class ReplayDeadLettersPayload {
  @Field(() => Int, { nullable: true, description: "How many; null where userErrors says why none." })
  replayedCount!: number | null;

  @Field(() => [UserErrorType], { description: "What is wrong with the input; empty where all went well." })
  userErrors!: UserErrorType[];
}

@InputType("DiscardDeadLettersInput", { description: "Which dead letters to give up." })
export class DiscardDeadLettersInput {
  @Field(() => [ID], { description: "At most 100. All are discarded, or none." })
  ids!: string[];
}

@ObjectType("DiscardDeadLettersPayload", {
  simpleResolvers: true,
  description: "What was given up; its receipts stay DEAD and say so.",
})
export class DiscardDeadLettersPayload {
  @Field(() => Int, { nullable: true, description: "How many; null where userErrors says why none." })
  discardedCount!: number | null;

  @Field(() => [UserErrorType], { description: "What is wrong with the input; empty where all went well." })
  userErrors!: UserErrorType[];
}
