import { registerEnumType } from "type-graphql";
import { type Scope, SCOPES } from "../access/scope.js";
import type { AuditAction, AuditActor } from "../audit/audit-entry.js";
import {
  BOUNCE_CLASSES,
  type BounceClass,
  EVENT_TYPES,
  type EventType,
  TRAFFIC_VERDICTS,
  type TrafficVerdict,
} from "../events/event.js";
import { DEAD_REASONS } from "../ingest/dead-letters/dead-reason.js";
import { REFUSAL_CODES, type RefusalCode } from "../ingest/judge-event.js";
import { recordOf } from "../record-of.js";

/** Registers an enum whose values are their own names, each with its description. */
function defineEnum<Value extends string>(
  name: string,
  description: string,
  values: readonly Value[],
  descriptions: Readonly<Record<Value, string>>,
): Record<Value, Value> {
  const enumObject = recordOf(values, (value) => value) as Record<Value, Value>;
  registerEnumType(enumObject, {
    name,
    description,
    valuesConfig: recordOf(values, (value) => ({ description: descriptions[value] })),
  });
  return enumObject;
}

function keysOf<Value extends string>(descriptions: Readonly<Record<Value, string>>): Value[] {
  return Object.keys(descriptions) as Value[];
}

const scopes: Record<Scope, string> = {
  READ_METRICS: "campaign(s), metrics, series, links, kpis, freshness.",
  READ_EVENTS: "Events of all kinds, and recipients' addresses.",
  WRITE_EVENTS: "recordEvents, and the receipts of calls.",
  MANAGE_CAMPAIGNS: "The campaign mutations, whose payloads show the campaign, and campaigns' audit trails.",
  MANAGE_KEYS: "The API key mutations, and the audit trails of keys and of the tenant.",
  OPERATE: "deadLetters and their mutations; what a letter's event holds needs READ_EVENTS beside it.",
  MANAGE_RECIPIENTS: "eraseRecipient, and exportRecipient with all that it shows of one person.",
};
export const ScopeEnum = defineEnum("Scope", "What a key may do.", SCOPES, scopes);

const eventTypes: Record<EventType, string> = {
  SENT: "Handed over for delivery.",
  DELIVERED: "Accepted by the recipient's mail server.",
  DEFERRED: "A temporary refusal, still being tried; never a bounce.",
  BOUNCED: "Finally not delivered.",
  OPENED: "The tracking pixel was fetched.",
  CLICKED: "A tracked link was followed.",
  COMPLAINED: "Reported as spam.",
  UNSUBSCRIBED: "Opted out, by link or list header.",
  CONVERTED: "Did what the campaign was for: a donation, a purchase.",
  REJECTED: "Dropped before sending: suppressed, invalid.",
};
export const EventTypeEnum = defineEnum(
  "EventType",
  "What happened to one message or by one recipient.",
  EVENT_TYPES,
  eventTypes,
);

const bounceClasses: Record<BounceClass, string> = {
  HARD: "Permanent (status 5.x.x).",
  SOFT: "Temporary, given up at last (status 4.x.x).",
  BLOCK: "Refused by policy or for reputation.",
  UNDETERMINED: "The source does not say.",
};
export const BounceClassEnum = defineEnum(
  "BounceClass",
  "Why a message finally was not delivered.",
  BOUNCE_CLASSES,
  bounceClasses,
);

const verdicts: Record<TrafficVerdict, string> = {
  HUMAN: "A person.",
  MACHINE: "A prefetch, privacy proxy or security scanner.",
  UNKNOWN: "The source says nothing; counts as human until it is judged.",
};
export const TrafficVerdictEnum = defineEnum("TrafficVerdict", "Who opened or clicked.", TRAFFIC_VERDICTS, verdicts);

const refusalCodes: Record<RefusalCode, string> = {
  INVALID: "Malformed, or it contradicts itself.",
  UNKNOWN_CAMPAIGN: "There is no campaign of this id.",
  TOO_OLD: "It occurred before what is kept.",
  IN_FUTURE: "It occurred too far ahead of now.",
  TOO_LARGE: "A text or the metadata is longer than may be.",
};
export const EventRefusalCodeEnum = defineEnum(
  "EventRefusalCode",
  "Why an event was refused.",
  REFUSAL_CODES,
  refusalCodes,
);

export const BASIS = {
  EVENT: "What happened in the range.",
  SEND: "What became of the mail sent in the range, whenever it happened: all events of a recipient in a campaign stand at the time of the first SENT there (of the first event, where no SENT is known yet).",
};
export type BasisName = keyof typeof BASIS;
export const BasisEnum = defineEnum("Basis", "What a range of dates is about.", keysOf(BASIS), BASIS);

const traffic = {
  ALL: "Everything that was counted.",
  HUMAN:
    "Leaves out opens and clicks that were judged MACHINE, and what is derived from them. UNKNOWN counts as human.",
};
export type TrafficName = keyof typeof traffic;
export const TrafficEnum = defineEnum("Traffic", "Which opens and clicks count.", keysOf(traffic), traffic);

const rateProfiles = {
  DEFAULT: "Engagement is divided by delivered.",
  PER_SENT: "Every rate that DEFAULT divides by delivered is divided by sent.",
};
export type RateProfileName = keyof typeof rateProfiles;
export const RateProfileEnum = defineEnum(
  "RateProfile",
  "What rates are divided by.",
  keysOf(rateProfiles),
  rateProfiles,
);

const granularities = {
  QUARTER_HOUR: "15 minutes (UTC).",
  HOUR: "From whole hour to whole hour in the zone.",
  DAY: "A local day in the zone, of 23 or 25 hours when the clocks change.",
  WEEK: "An ISO week: from Monday to Monday.",
  MONTH: "A calendar month.",
};
export type GranularityName = keyof typeof granularities;
export const GranularityEnum = defineEnum(
  "Granularity",
  "The length of a series' buckets.",
  keysOf(granularities),
  granularities,
);

const comparisons = {
  PREVIOUS_PERIOD:
    "The same number of local days before, where both ends are midnights in the tenant's zone; else the same duration before.",
  PREVIOUS_YEAR: "The same local wall clock a year before; 29 February becomes the 28th.",
};
export type ComparisonName = keyof typeof comparisons;
export const ComparisonEnum = defineEnum(
  "Comparison",
  "What a range is compared to.",
  keysOf(comparisons),
  comparisons,
);

const eventOrders = {
  NEWEST_FIRST: "The latest occurredAt first.",
  OLDEST_FIRST: "The earliest occurredAt first.",
};
export type EventOrderName = keyof typeof eventOrders;
export const EventOrderEnum = defineEnum("EventOrder", "The order of events.", keysOf(eventOrders), eventOrders);

const receiptStatuses = {
  QUEUED: "Durable, and not all of it recorded yet.",
  APPLIED: "In the event log.",
  DEAD: "An event of the call could not be recorded: it is a dead letter, or was one and was discarded. The others count.",
};
export const IngestStatusEnum = defineEnum(
  "IngestStatus",
  "What became of a call.",
  keysOf(receiptStatuses),
  receiptStatuses,
);

export const DeadReasonEnum = defineEnum(
  "DeadReason",
  "Why an event could not be recorded.",
  keysOf(DEAD_REASONS),
  DEAD_REASONS,
);

const campaignOrderFields = {
  CREATED_AT: "When the campaign was made.",
  SENT_AT: "When it was sent; campaigns not sent yet come last.",
  NAME: "By name, in the order of code points.",
  SENT: "By SENT events, everything so far.",
  OPEN_RATE: "By open rate (unique opens / delivered), everything so far.",
  CLICK_RATE: "By click rate (unique clicks / delivered), everything so far.",
  BOUNCE_RATE: "By bounce rate (bounced / sent), everything so far.",
  REVENUE: "By revenue in the currency named, everything so far.",
};
export type CampaignOrderFieldName = keyof typeof campaignOrderFields;
export const CampaignOrderFieldEnum = defineEnum(
  "CampaignOrderField",
  "What campaigns are ordered by. Where the value changes between pages, a campaign may be met twice or missed; by CREATED_AT, SENT_AT and NAME never.",
  keysOf(campaignOrderFields),
  campaignOrderFields,
);

const auditActions: Record<AuditAction, string> = {
  TENANT_CREATED: "The tenant was made.",
  TENANT_UPDATED: "The tenant's name or zone changed.",
  RECIPIENT_ERASED: "A recipient, who is named by the key alone, was erased.",
  API_KEY_CREATED: "The key was made.",
  API_KEY_ROTATED: "The key got another secret.",
  API_KEY_REVOKED: "The key was ended for good.",
  CAMPAIGN_CREATED: "The campaign was made.",
  CAMPAIGN_UPDATED: "What is said of the campaign changed.",
  CAMPAIGN_ARCHIVED: "The campaign was taken out of lists.",
  CAMPAIGN_RESTORED: "The campaign was taken out of the archive.",
};
export const AuditActionEnum = defineEnum("AuditAction", "What was done.", keysOf(auditActions), auditActions);

const auditActors: Record<AuditActor["kind"], string> = {
  API_KEY: "Whoever holds the API key.",
  USER: "Somebody who signed in with a token.",
  OPERATOR: "Whoever runs this installation, on its command line.",
  SYSTEM: "Nobody by name: an event named a campaign that there was not.",
};
export const AuditActorKindEnum = defineEnum(
  "AuditActorKind",
  "Who may have made a change.",
  keysOf(auditActors),
  auditActors,
);

const directions = { ASC: "Smallest first; nulls last.", DESC: "Largest first; nulls last." };
export type DirectionName = keyof typeof directions;
export const DirectionEnum = defineEnum("Direction", "The direction of an order.", keysOf(directions), directions);
