/**
 * What a row of the inbox, or a dead letter, holds: events as JSON. A change of what is written is a new format; the old ones are
 * read for good, and a program leaves what has a newer format to newer programs.
 *
 * 1 is a list of AcceptedEvent, each with its address and none with a linkKey; in 2 addresses may be absent and linkKeys there.
 * 3 is packed: an event is a list of values without their names, in the order that `packed` has them, and the campaigns stand beside the
 * events. A call of 100 events has 17 kB in place of 32, which the server writes, PostgreSQL checks and stores, and a worker reads.
 */
import { DETAILS_BY_TYPE, type AcceptedEvent, type EventDetails } from "../events/event.js";
import { eventKeyOf } from "../events/event-key.js";
import type { CampaignId, EventKey } from "../ids.js";
import { UnreadableRow } from "./dead-letters/failure.js";

/** The newest format that this program reads, and the one that it writes. */
export const INBOX_FORMAT = 3;
const LISTS_OF_OBJECTS = 2;

/** An event on its way into the inbox. Its key may be left to whoever reads it: it follows from the id, but not for erased people. */
export type InboxEvent = Omit<AcceptedEvent, "key"> & Partial<Pick<AcceptedEvent, "key">>;

interface PackedEvents {
  readonly campaigns: readonly CampaignId[];
  readonly events: readonly (readonly unknown[])[];
}

/** Of INBOX_FORMAT. A recipient's key stands in it as it is: whoever is to be erased is looked for by it. */
export function writePayload(events: readonly InboxEvent[]): string {
  const places = new Map<CampaignId, number>();
  const rows = events.map((event) => {
    let place = places.get(event.campaignId);
    if (place === undefined) places.set(event.campaignId, (place = places.size));
    return packed(event, place);
  });
  return JSON.stringify({ campaigns: [...places.keys()], events: rows } satisfies PackedEvents);
}

/**
 * The same for events that were read from a row, in a format that programs which could read it can: what is wrong with the values
 * stays as it is.
 */
export function rewritePayload(
  format: number,
  events: readonly InboxEvent[],
): { readonly format: number; readonly payload: string } {
  return format <= LISTS_OF_OBJECTS
    ? { format: LISTS_OF_OBJECTS, payload: JSON.stringify(events) }
    : { format: INBOX_FORMAT, payload: writePayload(events) };
}

/** JSON makes null of what is absent. */
function packed(event: InboxEvent, campaign: number): unknown[] {
  const { type, recipientKey, occurredAt, eventId, address, messageId, metadata, linkKey, key } = event;
  const values: unknown[] = [
    type,
    campaign,
    recipientKey,
    occurredAt,
    eventId,
    address,
    messageId,
    metadata,
    linkKey,
    key,
  ];
  for (const field of detailsOf(type)) values.push((event as EventDetails)[field]);
  return values;
}

const COMMON_VALUES = 10;

const DETAILS = new Map<unknown, readonly (keyof EventDetails)[]>(Object.entries(DETAILS_BY_TYPE));

/** None where there is no such type: somebody else has written to the row. */
function detailsOf(type: unknown): readonly (keyof EventDetails)[] {
  return DETAILS.get(type) ?? [];
}

/** Throws UnreadableRow where there are no events. */
export function readPayload(format: number, payload: string): readonly AcceptedEvent[] {
  if (format < 1 || format > INBOX_FORMAT) throw new UnreadableRow(`No program knows the format ${format}`);
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch (error) {
    throw new UnreadableRow("The payload is no JSON", { cause: error });
  }
  return format <= LISTS_OF_OBJECTS ? listOfObjects(value) : unpacked(value);
}

function listOfObjects(events: unknown): readonly AcceptedEvent[] {
  if (!Array.isArray(events)) throw new UnreadableRow("The payload is no array of events");
  if (!events.every((event) => typeof event === "object" && event !== null)) throw holdsNoEvent();
  return events as AcceptedEvent[];
}

function unpacked(value: unknown): readonly AcceptedEvent[] {
  if (!isPacked(value)) throw new UnreadableRow("The payload is no packed list of events");
  const { campaigns, events } = value;
  return events.map((values) => {
    if (!Array.isArray(values)) throw holdsNoEvent();
    return unpackedEvent(values, campaigns);
  });
}

/** What is wrong with the values fails where it is used, as in the formats before: the events beside them are none the worse. */
function unpackedEvent(values: readonly unknown[], campaigns: readonly CampaignId[]): AcceptedEvent {
  const [type, place, recipientKey, occurredAt, eventId, address, messageId, metadata, linkKey, key] =
    values as PackedValues;
  const event: Mutable<AcceptedEvent> = {
    key: (key ?? (typeof eventId === "string" ? eventKeyOf(eventId) : null)) as EventKey,
    eventId: eventId as string,
    type,
    campaignId: (typeof place === "number" ? campaigns[place] : place) as CampaignId,
    recipientKey,
    occurredAt,
  };
  if (isThere(address)) event.address = address;
  if (isThere(messageId)) event.messageId = messageId;
  if (isThere(metadata)) event.metadata = metadata;
  if (isThere(linkKey)) event.linkKey = linkKey;
  let at = COMMON_VALUES;
  for (const field of detailsOf(type)) {
    const detail = values[at++];
    if (isThere(detail)) (event as Record<string, unknown>)[field] = detail;
  }
  return event;
}

function isThere<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

/** For what is made piece by piece. */
export type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };

type PackedValues = [
  type: AcceptedEvent["type"],
  place: unknown,
  recipientKey: AcceptedEvent["recipientKey"],
  occurredAt: AcceptedEvent["occurredAt"],
  eventId: unknown,
  address: string | null,
  messageId: string | null,
  metadata: NonNullable<AcceptedEvent["metadata"]> | null,
  linkKey: NonNullable<AcceptedEvent["linkKey"]> | null,
  key: AcceptedEvent["key"] | null,
];

function isPacked(value: unknown): value is PackedEvents {
  if (typeof value !== "object" || value === null || !("campaigns" in value) || !("events" in value)) return false;
  return Array.isArray(value.campaigns) && Array.isArray(value.events);
}

function holdsNoEvent(): UnreadableRow {
  return new UnreadableRow("The payload holds what is no event");
}
