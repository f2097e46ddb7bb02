/**
 * Judges one event by itself: what is wrong with it is said with a code, the field and a reason, and no other event is
 * touched by it. What comes out is normalised and may be trusted from here on.
 */
import { MAX_EXTERNAL_ID_CHARS } from "../campaigns/campaign-identities.js";
import { isDecimal } from "../decimal.js";
import {
  BOUNCE_CLASSES,
  type BounceClass,
  DETAILS_BY_TYPE,
  EVENT_TYPES,
  type EventDetails,
  type EventInput,
  type EventType,
  TRAFFIC_VERDICTS,
  type TrafficVerdict,
} from "../events/event.js";
import { normalizeAddress } from "../events/event-key.js";
import { isTooDeep, MAX_METADATA_DEPTH } from "../events/metadata-depth.js";
import { faultOfText } from "../text-faults.js";
import { type EpochMicros, formatInstant, parseInstant } from "../time/instant.js";

export const REFUSAL_CODES = ["INVALID", "UNKNOWN_CAMPAIGN", "TOO_OLD", "IN_FUTURE", "TOO_LARGE"] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** Why an event was not accepted. */
export class Refusal {
  readonly code: RefusalCode;
  readonly field: keyof EventInput | null;
  readonly message: string;

  constructor(code: RefusalCode, field: keyof EventInput | null, message: string) {
    this.code = code;
    this.field = field;
    this.message = message;
  }
}

/** An event found good as far as can be told without the database: its campaign is not looked up yet. */
export interface JudgedEvent {
  readonly eventId: string | null;
  readonly type: EventType;
  readonly campaign: { readonly id: string } | { readonly externalId: string };
  readonly address: string;
  readonly occurredAt: EpochMicros;
  readonly messageId: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
  readonly details: EventDetails;
}

export interface JudgingRules {
  /** Nothing older is taken: the operator's retention, and never before 2000. */
  readonly earliest: EpochMicros;
  readonly latest: EpochMicros;
  readonly limits: EventLimits;
}

export interface EventLimits {
  readonly maxAddressChars: number;
  readonly maxMetadataBytes: number;
  readonly maxUrlChars: number;
  readonly maxTextChars: number;
}

/** Never before this, whatever the retention: 2000-01-01. */
export const FIRST_INSTANT = 946_684_800_000_000;

const STATUS_CODE = /^[245](?:\.\d{1,3}\.\d{1,3}|\d\d)?(?:\s.*)?$/;

/** Throws a Refusal for the first thing that is wrong. */
export function judgeEvent(input: EventInput, rules: JudgingRules): JudgedEvent {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new Refusal("INVALID", null, "An event is an object.");
  }
  const type = oneOf(input, "type", EVENT_TYPES);
  if (type === undefined) throw new Refusal("INVALID", "type", `type is required: one of ${EVENT_TYPES.join(", ")}.`);
  return {
    eventId: text(input, "eventId", rules.limits.maxTextChars) ?? null,
    type,
    campaign: judgeCampaign(input, rules),
    address: judgeAddress(input, rules),
    occurredAt: judgeTime(input, rules),
    messageId: text(input, "messageId", rules.limits.maxTextChars),
    metadata: judgeMetadata(input, rules),
    details: carriedBy(type, judgeDetails(type, input, rules)),
  };
}

/** A well-formed text, undefined where there is none; blank counts as none. */
function text(input: EventInput, field: keyof EventInput, maxChars: number): string | undefined {
  const value = input[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new Refusal("INVALID", field, `${field} is not a text.`);
  const problem = faultOfText(value);
  if (problem !== null) throw new Refusal("INVALID", field, `${field} holds ${problem}.`);
  if (value.length > maxChars) {
    throw new Refusal("TOO_LARGE", field, `${field} has ${value.length} characters; at most ${maxChars} are taken.`);
  }
  return value.trim() === "" ? undefined : value;
}

function oneOf<const Value extends string>(
  input: EventInput,
  field: keyof EventInput,
  values: readonly Value[],
): Value | undefined {
  const value = text(input, field, Number.POSITIVE_INFINITY);
  if (value === undefined) return undefined;
  const found = values.find((known) => known === value);
  if (found === undefined) throw new Refusal("INVALID", field, `${field} is not one of ${values.join(", ")}.`);
  return found;
}

function judgeCampaign(input: EventInput, rules: JudgingRules): JudgedEvent["campaign"] {
  const id = text(input, "campaignId", rules.limits.maxTextChars);
  // Longer, and the whole call would fail in the database, again and again.
  const externalId = text(input, "campaignExternalId", Math.min(MAX_EXTERNAL_ID_CHARS, rules.limits.maxTextChars));
  if (id !== undefined && externalId !== undefined) {
    throw new Refusal("INVALID", "campaignId", "Give campaignId or campaignExternalId, not both.");
  }
  if (id !== undefined) return { id };
  if (externalId !== undefined) return { externalId };
  throw new Refusal("INVALID", "campaignExternalId", "campaignId or campaignExternalId is required.");
}

function judgeAddress(input: EventInput, rules: JudgingRules): string {
  const recipient = text(input, "recipient", Number.POSITIVE_INFINITY);
  if (recipient === undefined) throw new Refusal("INVALID", "recipient", "recipient is required.");
  const address = normalizeAddress(recipient);
  if (address.length > rules.limits.maxAddressChars) {
    const max = rules.limits.maxAddressChars;
    throw new Refusal(
      "TOO_LARGE",
      "recipient",
      `recipient has ${address.length} characters; at most ${max} are taken.`,
    );
  }
  return address;
}

function judgeTime(input: EventInput, rules: JudgingRules): EpochMicros {
  const given = text(input, "occurredAt", rules.limits.maxTextChars);
  if (given === undefined) throw new Refusal("INVALID", "occurredAt", "occurredAt is required.");
  const occurredAt = parseInstant(given);
  if (occurredAt === null) {
    const example = "2026-11-20T12:00:00Z";
    throw new Refusal(
      "INVALID",
      "occurredAt",
      `occurredAt is not an ISO 8601 time with an offset, such as ${example}.`,
    );
  }
  if (occurredAt < rules.earliest) {
    throw new Refusal("TOO_OLD", "occurredAt", `occurredAt lies before ${formatInstant(rules.earliest)}.`);
  }
  if (occurredAt > rules.latest) {
    throw new Refusal("IN_FUTURE", "occurredAt", `occurredAt lies after ${formatInstant(rules.latest)}.`);
  }
  return occurredAt;
}

function judgeMetadata(input: EventInput, rules: JudgingRules): JudgedEvent["metadata"] {
  const { metadata } = input;
  if (metadata === undefined || metadata === null) return undefined;
  if (typeof metadata !== "object" || Array.isArray(metadata)) {
    throw new Refusal("INVALID", "metadata", "metadata is not a JSON object.");
  }
  const json = jsonOf(metadata);
  const bytes = Buffer.byteLength(json);
  if (bytes > rules.limits.maxMetadataBytes) {
    const max = rules.limits.maxMetadataBytes;
    throw new Refusal("TOO_LARGE", "metadata", `metadata has ${bytes} bytes as JSON; at most ${max} are taken.`);
  }
  // JSON.stringify escapes exactly the characters that are looked for, a level has two brackets, and a number that is not kept exactly
  // sixteen digits or an exponent, so that most metadata needs no second look.
  if (json.includes("\\u") || json.length > 2 * MAX_METADATA_DEPTH || LONG_NUMBER.test(json)) {
    const problem = isTooDeep(metadata) ? TOO_DEEP : faultWithin(metadata);
    if (problem !== null) throw new Refusal("INVALID", "metadata", `metadata holds ${problem}.`);
  }
  return json === "{}" ? undefined : (metadata as Readonly<Record<string, unknown>>);
}

const LONG_NUMBER = /\d{16}|\de\+/;
const INEXACT = "a number past 2^53 - 1, which would not be kept as it is: write it as a text";
const TOO_DEEP = `more than ${MAX_METADATA_DEPTH} levels`;

function jsonOf(metadata: object): string {
  try {
    return JSON.stringify(metadata);
  } catch (error) {
    // The stack's end, some thousands of levels down.
    if (error instanceof RangeError) throw new Refusal("INVALID", "metadata", `metadata holds ${TOO_DEEP}.`);
    throw error;
  }
}

function faultWithin(value: unknown): string | null {
  if (typeof value === "string") return faultOfText(value);
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value) ? INEXACT : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    const problem = faultOfText(key) ?? faultWithin(inner);
    if (problem !== null) return problem;
  }
  return null;
}

const PLAIN_DETAILS = [
  "mailboxProvider",
  "diagnostic",
  "client",
  "device",
  "country",
  "method",
  "feedbackSource",
  "reason",
  "externalReference",
] as const;

/** All details that are given, whatever the type: a fault in any of them is one. */
function judgeDetails(type: EventType, input: EventInput, rules: JudgingRules): EventDetails {
  const { maxTextChars, maxUrlChars } = rules.limits;
  // One object that grows: merging one for each part took as long as all the checks together.
  const details: EventDetails = {};
  for (const field of PLAIN_DETAILS) {
    const value = text(input, field, maxTextChars);
    if (value !== undefined) details[field] = value;
  }
  judgeBounce(details, input, maxTextChars);
  judgeUrl(details, type, input, maxUrlChars);
  judgeMoney(details, input);
  details.traffic = oneOf(input, "traffic", TRAFFIC_VERDICTS) ?? ("UNKNOWN" satisfies TrafficVerdict);
  return details;
}

/** An explicit class wins; else the status code's first digit decides. */
function judgeBounce(details: EventDetails, input: EventInput, maxTextChars: number): void {
  const statusCode = text(input, "statusCode", maxTextChars)?.trim();
  if (statusCode !== undefined) {
    if (!STATUS_CODE.test(statusCode)) {
      throw new Refusal("INVALID", "statusCode", "statusCode is not an SMTP status such as 5.1.1 or 550.");
    }
    details.statusCode = statusCode;
  }
  details.bounceClass = oneOf(input, "bounceClass", BOUNCE_CLASSES) ?? classOfStatus(statusCode);
}

function classOfStatus(statusCode: string | undefined): BounceClass {
  if (statusCode?.startsWith("5") === true) return "HARD";
  return statusCode?.startsWith("4") === true ? "SOFT" : "UNDETERMINED";
}

function judgeUrl(details: EventDetails, type: EventType, input: EventInput, maxUrlChars: number): void {
  const url = text(input, "url", maxUrlChars);
  if (url === undefined) {
    if (type === "CLICKED") throw new Refusal("INVALID", "url", "A CLICKED needs the url that was followed.");
    return;
  }
  if (!isWebUrl(url)) throw new Refusal("INVALID", "url", "url is not a valid http or https URL.");
  details.url = url;
}

function isWebUrl(url: string): boolean {
  // The common spelling needs no URL object to know its scheme.
  if (url.startsWith("https://") || url.startsWith("http://")) return URL.canParse(url);
  const protocol = URL.parse(url)?.protocol;
  return protocol === "http:" || protocol === "https:";
}

function judgeMoney(details: EventDetails, input: EventInput): void {
  const amount = text(input, "amount", 64);
  const currency = text(input, "currency", 64);
  if (amount === undefined) {
    if (currency !== undefined) throw new Refusal("INVALID", "amount", "A currency needs an amount.");
    return;
  }
  if (!isDecimal(amount)) {
    const form = "at most 15 digits before the point and 6 after it, without sign or exponent";
    throw new Refusal("INVALID", "amount", `amount is not a decimal such as "12.50": ${form}.`);
  }
  if (currency === undefined) throw new Refusal("INVALID", "currency", "An amount needs its currency.");
  if (!/^[A-Za-z]{3}$/.test(currency)) {
    throw new Refusal("INVALID", "currency", "currency is not a code of three letters (ISO 4217), such as USD.");
  }
  details.amount = amount;
  details.currency = currency.toUpperCase();
}

/** What the type carries. A field that belongs to other types is checked like any other, and not kept. */
function carriedBy(type: EventType, details: EventDetails): EventDetails {
  const carried: Record<string, string | undefined> = {};
  for (const field of DETAILS_BY_TYPE[type]) if (details[field] !== undefined) carried[field] = details[field];
  return carried;
}
