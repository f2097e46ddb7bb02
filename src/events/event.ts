/** What an event is (docs/kpis.md, "Events"): ten types, what all carry, and what each carries beside. */
import type { CampaignId, EventKey, LinkKey, RecipientKey } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";

export const EVENT_TYPES = [
  "SENT",
  "DELIVERED",
  "DEFERRED",
  "BOUNCED",
  "OPENED",
  "CLICKED",
  "COMPLAINED",
  "UNSUBSCRIBED",
  "CONVERTED",
  "REJECTED",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const BOUNCE_CLASSES = ["HARD", "SOFT", "BLOCK", "UNDETERMINED"] as const;
export type BounceClass = (typeof BOUNCE_CLASSES)[number];

export const TRAFFIC_VERDICTS = ["HUMAN", "MACHINE", "UNKNOWN"] as const;
export type TrafficVerdict = (typeof TRAFFIC_VERDICTS)[number];

/** An event as a caller gives it. Nothing in it is checked yet. */
export interface EventInput {
  eventId?: string | null;
  type: string;
  campaignId?: string | null;
  campaignExternalId?: string | null;
  recipient: string;
  messageId?: string | null;
  occurredAt: string;
  mailboxProvider?: string | null;
  diagnostic?: string | null;
  bounceClass?: string | null;
  statusCode?: string | null;
  url?: string | null;
  traffic?: string | null;
  client?: string | null;
  device?: string | null;
  country?: string | null;
  method?: string | null;
  feedbackSource?: string | null;
  reason?: string | null;
  amount?: string | null;
  currency?: string | null;
  externalReference?: string | null;
  metadata?: unknown;
}

/** What a type carries beside what all events carry; absent where the source gave nothing. */
export interface EventDetails {
  mailboxProvider?: string;
  diagnostic?: string;
  bounceClass?: BounceClass;
  statusCode?: string;
  url?: string;
  traffic?: TrafficVerdict;
  client?: string;
  device?: string;
  country?: string;
  method?: string;
  feedbackSource?: string;
  reason?: string;
  amount?: string;
  currency?: string;
  externalReference?: string;
}

/**
 * The names of what each type carries: the columns of its table and the fields of its GraphQL type. The order is that of packed events in
 * the inbox, too: another one, or another name anywhere but at the end, is a new format there (ingest/inbox-payload.ts).
 */
export const DETAILS_BY_TYPE = {
  SENT: [],
  DELIVERED: ["mailboxProvider"],
  DEFERRED: ["diagnostic"],
  BOUNCED: ["bounceClass", "statusCode", "diagnostic"],
  OPENED: ["traffic", "client", "device", "country"],
  CLICKED: ["url", "traffic", "client", "device", "country"],
  COMPLAINED: ["feedbackSource"],
  UNSUBSCRIBED: ["method"],
  CONVERTED: ["amount", "currency", "externalReference"],
  REJECTED: ["reason"],
} as const satisfies Record<EventType, readonly (keyof EventDetails)[]>;

/** Those of them that the counts are made of. The rest may go, and no number changes. */
export const COUNTED_DETAILS: ReadonlySet<keyof EventDetails> = new Set<keyof EventDetails>([
  "bounceClass",
  "url",
  "traffic",
  "amount",
  "currency",
]);

/** An event that was judged good. What lies in the inbox is made of it: a change here is one there (ingest/inbox-payload.ts). */
export interface AcceptedEvent extends EventDetails {
  readonly key: EventKey;
  readonly eventId: string;
  readonly type: EventType;
  readonly campaignId: CampaignId;
  readonly recipientKey: RecipientKey;
  /** The recipient as normalised: goes into the table of addresses and nowhere else. Absent where no address is to be kept. */
  readonly address?: string;
  readonly occurredAt: EpochMicros;
  readonly messageId?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** The link that a click counts as, where its URL was replaced; else that of the URL. */
  readonly linkKey?: LinkKey;
}
