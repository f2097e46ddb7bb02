import type { EventRow } from "../events/event-row.js";
import { encodeGlobalId } from "../ids.js";
import type { EventInterface } from "./types/event-type.js";

const TYPE_NAMES: Readonly<Record<EventRow["type"], string>> = {
  SENT: "SentEvent",
  DELIVERED: "DeliveredEvent",
  DEFERRED: "DeferredEvent",
  BOUNCED: "BouncedEvent",
  OPENED: "OpenedEvent",
  CLICKED: "ClickedEvent",
  COMPLAINED: "ComplainedEvent",
  UNSUBSCRIBED: "UnsubscribedEvent",
  CONVERTED: "ConvertedEvent",
  REJECTED: "RejectedEvent",
};

/** An event as GraphQL shows it. Its id says where it lies, so that it is found again without a search. */
export function eventOf(row: EventRow): EventInterface {
  const { type, occurredAt, key, amount = null, currency = null } = row;
  return {
    ...row,
    __typename: TYPE_NAMES[type],
    id: encodeGlobalId("Event", type, String(occurredAt), key),
    amount: amount === null || currency === null ? null : { amount, currency },
  } as EventInterface;
}
