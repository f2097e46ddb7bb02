import { Field, ID, InputType, Int, ObjectType } from "type-graphql";
import type { BounceClass, EventInput, EventType, TrafficVerdict } from "../../events/event.js";
import type { ReceiptReason } from "../../ingest/dead-letters/dead-reason.js";
import type { ReceiptStatus } from "../../ingest/receipts.js";
import type { RefusalCode } from "../../ingest/judge-event.js";
import type { EpochMicros } from "../../time/instant.js";
import {
  BounceClassEnum,
  DeadReasonEnum,
  EventRefusalCodeEnum,
  EventTypeEnum,
  IngestStatusEnum,
  TrafficVerdictEnum,
} from "../enums.js";
import { BigIntScalar, DateTimeScalar, JsonObjectScalar } from "../scalars.js";
import { NodeType } from "./node-type.js";

@InputType("EventInput", {
  description: "One event. What its type does not carry is checked like everything else, and not kept.",
})
export class EventInputType implements EventInput {
  @Field(() => String, {
    nullable: true,
    description: "Makes the event idempotent within the tenant; derived from the content where it is left out.",
  })
  eventId?: string | null;

  @Field(() => EventTypeEnum, { description: "What happened." })
  type!: EventType;

  @Field(() => ID, { nullable: true, description: "The campaign's id. This or campaignExternalId, not both." })
  campaignId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: "The campaign's external id. One that is new makes a campaign of that name.",
  })
  campaignExternalId?: string | null;

  @Field(() => String, {
    description:
      "The address, at most 320 characters: trimmed, NFC-normalised, and lower-cased if it holds an @. Or a recipient's key, as events show it where addresses are not stored.",
  })
  recipient!: string;

  @Field(() => String, { nullable: true, description: "The sender's id of the message." })
  messageId?: string | null;

  @Field(() => String, {
    description:
      "ISO 8601 with an offset; kept to the microsecond. A string, so that one malformed time is refused by its index and does not fail the call.",
  })
  occurredAt!: string;

  @Field(() => String, { nullable: true, description: "DELIVERED: who runs the recipient's mailbox." })
  mailboxProvider?: string | null;

  @Field(() => String, { nullable: true, description: "DEFERRED, BOUNCED: what the mail server said." })
  diagnostic?: string | null;

  @Field(() => BounceClassEnum, {
    nullable: true,
    description: "BOUNCED: the class. Left out, the status code's first digit decides: 5 is HARD, 4 is SOFT.",
  })
  bounceClass?: BounceClass | null;

  @Field(() => String, { nullable: true, description: "BOUNCED: the SMTP status, such as 5.1.1 or 550." })
  statusCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description: "CLICKED, and needed there: the http or https URL, kept verbatim.",
  })
  url?: string | null;

  @Field(() => TrafficVerdictEnum, {
    nullable: true,
    description: "OPENED, CLICKED: who did it. UNKNOWN where it is left out.",
  })
  traffic?: TrafficVerdict | null;

  @Field(() => String, { nullable: true, description: "OPENED, CLICKED: the mail program or browser." })
  client?: string | null;

  @Field(() => String, { nullable: true, description: "OPENED, CLICKED: the kind of device." })
  device?: string | null;

  @Field(() => String, { nullable: true, description: "OPENED, CLICKED: the country, such as IE." })
  country?: string | null;

  @Field(() => String, { nullable: true, description: "UNSUBSCRIBED: by link or by list header." })
  method?: string | null;

  @Field(() => String, { nullable: true, description: "COMPLAINED: who passed the report on." })
  feedbackSource?: string | null;

  @Field(() => String, { nullable: true, description: "REJECTED: why." })
  reason?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'CONVERTED: a decimal such as "12.50", of at most 15 digits before the point and 6 after it.',
  })
  amount?: string | null;

  @Field(() => String, {
    nullable: true,
    description: "CONVERTED: the amount's currency (ISO 4217). Needed with an amount.",
  })
  currency?: string | null;

  @Field(() => String, { nullable: true, description: "CONVERTED: the donation or order in the source's system." })
  externalReference?: string | null;

  @Field(() => JsonObjectScalar, {
    nullable: true,
    description: "Whatever else is to be kept: a JSON object of at most 8 KB.",
  })
  metadata?: unknown;
}

@InputType("RecordEventsInput", { description: "A call's events." })
export class RecordEventsInput {
  @Field(() => String, {
    nullable: true,
    description:
      "For 24 hours a call with the same key and content gets the first answer again; with other content, an error. 1 to 255 characters.",
  })
  idempotencyKey?: string | null;

  @Field(() => [EventInputType], { description: "Up to 1,000, each judged by itself." })
  events!: EventInputType[];
}

@ObjectType("IngestReceipt", {
  simpleResolvers: true,
  implements: NodeType,
  description: "What became of a recordEvents call; node(id:) finds it for 7 days.",
})
export class IngestReceiptType extends NodeType {
  readonly __typename = "IngestReceipt";

  @Field(() => ID, { description: "Opaque; unique over all types." })
  declare id: string;

  @Field(() => IngestStatusEnum, { description: "How far the call has come." })
  status!: ReceiptStatus;

  @Field(() => DateTimeScalar, { description: "When its events became durable." })
  acceptedAt!: EpochMicros;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: "When the last of them was recorded; null while some wait.",
  })
  appliedAt!: EpochMicros | null;

  @Field(() => BigIntScalar, { description: "Events recorded so far: those that counted." })
  recordedCount!: number;

  @Field(() => BigIntScalar, { description: "Events met so far whose id had been recorded before." })
  duplicateCount!: number;

  @Field(() => DeadReasonEnum, { nullable: true, description: "Why the call is DEAD; null where it is not." })
  reasonCode!: ReceiptReason | null;

  @Field(() => String, { nullable: true, description: "The same for people; null where the call is not DEAD." })
  reason!: string | null;
}

@ObjectType("EventRefusal", {
  simpleResolvers: true,
  description: "Why one event of a call was not accepted. The others are not touched by it.",
})
export class EventRefusalType {
  @Field(() => Int, { description: "Its place in the call, from 0." })
  index!: number;

  @Field(() => EventRefusalCodeEnum, { description: "The kind of fault." })
  code!: RefusalCode;

  @Field(() => String, { nullable: true, description: "The field at fault." })
  field!: string | null;

  @Field(() => String, { description: "For people." })
  message!: string;
}

@ObjectType("RecordEventsPayload", {
  simpleResolvers: true,
  description: "The answer to recordEvents: what it accepted is durable.",
})
export class RecordEventsPayload {
  @Field(() => IngestReceiptType, { nullable: true, description: "Null where nothing was accepted." })
  receipt!: IngestReceiptType | null;

  @Field(() => Int, { description: "How many events were accepted." })
  acceptedCount!: number;

  @Field(() => [EventRefusalType], { description: "Those that were not, by index." })
  refused!: EventRefusalType[];
}
