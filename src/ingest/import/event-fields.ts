/** The fields of EventInput by name: the columns of a CSV file and the keys of an NDJSON line. */
import type { EventInput } from "../../events/event.js";

/** Checked by the compiler: a field that EventInput gains or loses must change here as well. */
const FIELDS: Readonly<Record<keyof EventInput, true>> = {
  eventId: true,
  type: true,
  campaignId: true,
  campaignExternalId: true,
  recipient: true,
  messageId: true,
  occurredAt: true,
  mailboxProvider: true,
  diagnostic: true,
  bounceClass: true,
  statusCode: true,
  url: true,
  traffic: true,
  client: true,
  device: true,
  country: true,
  method: true,
  feedbackSource: true,
  reason: true,
  amount: true,
  currency: true,
  externalReference: true,
  metadata: true,
};

const known: ReadonlySet<string> = new Set(Object.keys(FIELDS));

export const EVENT_FIELDS = [...known];

export function isEventField(name: string): name is keyof EventInput {
  return known.has(name);
}
