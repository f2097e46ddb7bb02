import { Field, ID, InputType, InterfaceType, ObjectType } from "type-graphql";
import type { BounceClass, EventType, TrafficVerdict } from "../../events/event.js";
import type { CampaignId } from "../../ids.js";
import type { EpochMicros } from "../../time/instant.js";
import { BounceClassEnum, EventTypeEnum, TrafficVerdictEnum } from "../enums.js";
import { DateTimeScalar, JsonObjectScalar } from "../scalars.js";
import { type ConnectionOf, type EdgeOf, PageInfoType } from "./connection-type.js";
import { DateTimeRangeInput } from "./date-time-range-input.js";
import { MoneyType } from "./metrics-type.js";
import { NodeType } from "./node-type.js";

@InterfaceType("Event", {
  implements: NodeType,
  description: "A recorded event: one that counted.",
})
export abstract class EventInterface extends NodeType {
  abstract readonly __typename: string;
  /** For the resolver of its campaign. */
  campaignId!: CampaignId;

  @Field(() => ID, { description: "Opaque; unique over all types." })
  declare id: string;

  @Field(() => String, { description: "The source's id of the event; derived from the content where it gave none." })
  eventId!: string;

  @Field(() => EventTypeEnum, { description: "What happened." })
  type!: EventType;

  @Field(() => String, {
    description:
      'The address, as normalised; "(erased)" of whoever was erased; "key:" and the recipient\'s key where addresses are not stored.',
  })
  recipient!: string;

  @Field(() => String, { nullable: true, description: "The sender's id of the message." })
  messageId!: string | null;

  @Field(() => DateTimeScalar, { description: "When it happened." })
  occurredAt!: EpochMicros;

  @Field(() => DateTimeScalar, { description: "When it was accepted here." })
  receivedAt!: EpochMicros;

  @Field(() => JsonObjectScalar, { description: "Whatever else the source gave; {} where it gave nothing." })
  metadata!: Readonly<Record<string, unknown>>;
}

@ObjectType("SentEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Handed over for delivery.",
})
class SentEvent extends EventInterface {
  readonly __typename = "SentEvent";
}

@ObjectType("DeliveredEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Accepted by the recipient's mail server.",
})
class DeliveredEvent extends EventInterface {
  readonly __typename = "DeliveredEvent";

  @Field(() => String, { nullable: true, description: "Who runs the recipient's mailbox." })
  mailboxProvider!: string | null;
}

@ObjectType("DeferredEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Temporarily refused, still being tried.",
})
class DeferredEvent extends EventInterface {
  readonly __typename = "DeferredEvent";

  @Field(() => String, { nullable: true, description: "What the mail server said." })
  diagnostic!: string | null;
}

@ObjectType("BouncedEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Finally not delivered.",
})
class BouncedEvent extends EventInterface {
  readonly __typename = "BouncedEvent";

  @Field(() => BounceClassEnum, { description: "Why: as the source said, else by the status code's first digit." })
  bounceClass!: BounceClass;

  @Field(() => String, { nullable: true, description: "The SMTP status, such as 5.1.1." })
  statusCode!: string | null;

  @Field(() => String, { nullable: true, description: "What the mail server said." })
  diagnostic!: string | null;
}

@ObjectType("OpenedEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Tracking pixel fetched.",
})
class OpenedEvent extends EventInterface {
  readonly __typename = "OpenedEvent";

  @Field(() => TrafficVerdictEnum, { description: "Who fetched it." })
  traffic!: TrafficVerdict;

  @Field(() => String, { nullable: true, description: "The mail program or browser." })
  client!: string | null;

  @Field(() => String, { nullable: true, description: "The kind of device." })
  device!: string | null;

  @Field(() => String, { nullable: true, description: "The country." })
  country!: string | null;
}

@ObjectType("ClickedEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Tracked link followed.",
})
class ClickedEvent extends EventInterface {
  readonly __typename = "ClickedEvent";

  @Field(() => String, { description: "The URL, verbatim." })
  url!: string;

  @Field(() => TrafficVerdictEnum, { description: "Who followed it." })
  traffic!: TrafficVerdict;

  @Field(() => String, { nullable: true, description: "The mail program or browser." })
  client!: string | null;

  @Field(() => String, { nullable: true, description: "The kind of device." })
  device!: string | null;

  @Field(() => String, { nullable: true, description: "The country." })
  country!: string | null;
}

@ObjectType("ComplainedEvent", { simpleResolvers: true, implements: EventInterface, description: "Reported as spam." })
class ComplainedEvent extends EventInterface {
  readonly __typename = "ComplainedEvent";

  @Field(() => String, { nullable: true, description: "Who passed the report on." })
  feedbackSource!: string | null;
}

@ObjectType("UnsubscribedEvent", { simpleResolvers: true, implements: EventInterface, description: "Opted out." })
class UnsubscribedEvent extends EventInterface {
  readonly __typename = "UnsubscribedEvent";

  @Field(() => String, { nullable: true, description: "By link or by list header." })
  method!: string | null;
}

@ObjectType("ConvertedEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Did what the campaign was for.",
})
class ConvertedEvent extends EventInterface {
  readonly __typename = "ConvertedEvent";

  @Field(() => MoneyType, { nullable: true, description: "The donation or purchase; null where none was given." })
  amount!: MoneyType | null;

  @Field(() => String, { nullable: true, description: "The donation or order in the source's system." })
  externalReference!: string | null;
}

@ObjectType("RejectedEvent", {
  simpleResolvers: true,
  implements: EventInterface,
  description: "Dropped before sending.",
})
class RejectedEvent extends EventInterface {
  readonly __typename = "RejectedEvent";

  @Field(() => String, { nullable: true, description: "Why." })
  reason!: string | null;
}

export const EVENT_OBJECT_TYPES = [
  SentEvent,
  DeliveredEvent,
  DeferredEvent,
  BouncedEvent,
  OpenedEvent,
  ClickedEvent,
  ComplainedEvent,
  UnsubscribedEvent,
  ConvertedEvent,
  RejectedEvent,
] as const;

@ObjectType("EventEdge", { simpleResolvers: true, description: "An event in a list." })
export class EventEdge implements EdgeOf<EventInterface> {
  @Field(() => String, { description: "Where it stands in this list, for after and before." })
  cursor!: string;

  @Field(() => EventInterface, { description: "The event." })
  node!: EventInterface;
}

@ObjectType("EventConnection", {
  simpleResolvers: true,
  description: "A page of events. It costs the same however deep it lies.",
})
export class EventConnection implements ConnectionOf<EventInterface> {
  @Field(() => [EventEdge], { description: "The page, with cursors." })
  edges!: readonly EventEdge[];

  @Field(() => [EventInterface], { description: "The page, without cursors." })
  nodes!: readonly EventInterface[];

  @Field(() => PageInfoType, { description: "Where the page lies in the list." })
  pageInfo!: PageInfoType;
}

@InputType("EventFilter", {
  description: "Which events: all that is given must hold. Null is no filter, [] is nothing.",
})
export class EventFilterInput {
  @Field(() => DateTimeRangeInput, { description: "When they happened, to the microsecond." })
  occurredAt!: DateTimeRangeInput;

  @Field(() => [EventTypeEnum], { nullable: true, description: "Any of these types." })
  types?: EventType[] | null;

  @Field(() => ID, { nullable: true, description: "Of this campaign." })
  campaignId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      "Of this recipient: the address, normalised as in EventInput, or the key as events show it. Whoever was erased is found no more.",
  })
  recipient?: string | null;

  @Field(() => JsonObjectScalar, {
    nullable: true,
    description: "Whose metadata contains this object. Needs campaignId or recipient beside it.",
  })
  metadata?: unknown;

  @Field(() => TrafficVerdictEnum, {
    nullable: true,
    description: "Of exactly this verdict; leaves opens and clicks only.",
  })
  traffic?: TrafficVerdict | null;
}
