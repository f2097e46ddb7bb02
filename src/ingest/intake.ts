/**
 * The door for events, whoever brings them: each is judged by itself, the good ones are durable before the answer, the
 * others are returned by index with the reason.
 */
import type { CampaignIdentities } from "../campaigns/campaign-identities.js";
import { PublicError } from "../errors.js";
import type { EventInput } from "../events/event.js";
import { withoutAddress } from "../events/erasures.js";
import { deriveEventId, eventKeyOf, recipientKeyIn, type RecipientKeys } from "../events/event-key.js";
import { isTooDeep } from "../events/metadata-depth.js";
import type { Lane } from "../events/outbox.js";
import { retainedFrom } from "../events/retention.js";
import type { RetentionFloor } from "../events/retention-floor.js";
import {
  type CampaignId,
  hashToUuid,
  type ReceiptId,
  type RecipientKey,
  type TenantId,
  uuidOfGlobalId,
  uuidv7,
} from "../ids.js";
import { orderedJson } from "../ordered-json.js";
import { faultOfText } from "../text-faults.js";
import type { EpochMicros } from "../time/instant.js";
import type { Backpressure } from "./backpressure/backpressure.js";
import type { Overload } from "./backpressure/high-water-marks.js";
import { type InboxEvent, type Mutable, writePayload } from "./inbox-payload.js";
import { type InboxWriter, type IntakeAnswer, keyReused } from "./inbox-writer.js";
import {
  type EventLimits,
  FIRST_INSTANT,
  judgeEvent,
  type JudgedEvent,
  type JudgingRules,
  Refusal,
} from "./judge-event.js";

export interface IntakeLimits extends EventLimits {
  readonly maxEventsPerCall: number;
  readonly maxFutureMinutes: number;
  /** Null: nothing is too old, but what lies before 2000. */
  readonly eventRetentionDays: number | null;
}

interface IntakeOptions {
  readonly campaigns: CampaignIdentities;
  readonly inbox: InboxWriter;
  readonly recipientKeys: RecipientKeys;
  readonly floor: RetentionFloor;
  readonly limits: IntakeLimits;
  /** False: what is stored has the recipients' keys alone. */
  readonly storeAddresses?: boolean;
  readonly now: () => EpochMicros;
  /** Without it calls are taken however much waits. */
  readonly backpressure?: Backpressure;
  /** Called when a call was refused because too much waits. */
  readonly onOverload?: (overload: Overload) => void;
  /** Called when events have become durable. */
  readonly onAccepted?: (count: number) => void;
}

export interface IntakeCall {
  readonly tenantId: TenantId;
  readonly lane: Lane;
  readonly events: readonly EventInput[];
  readonly idempotencyKey?: string | null;
  /** Called when `events` are not looked at again: who lets go of them now does not keep them alive while the call waits to be durable. */
  readonly onJudged?: () => void;
  /** Called when events of this call have become durable: not where it only repeats an earlier one. */
  readonly onStored?: (count: number) => void;
}

const MINUTE_MICROS = 60_000_000;
const MAX_IDEMPOTENCY_KEY_CHARS = 255;

export class Intake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  get limits(): IntakeLimits {
    return this.#options.limits;
  }

  /** Throws a PublicError where the call as a whole cannot be taken; then nothing of it was recorded. */
  async accept(call: IntakeCall): Promise<IntakeAnswer> {
    this.#checkCall(call);
    const admission = await this.#options.backpressure?.admit(call.tenantId, call.lane, call.events.length);
    if (admission === undefined) return (await this.#take(call)).given;
    // Before anything is judged, looked up or made.
    if (admission.overload !== null) return this.#firstAnswerOr(call, admission.overload);
    let storedCount = 0;
    try {
      const taken = await this.#take(call);
      ({ storedCount } = taken);
      return taken.given;
    } finally {
      admission.end(storedCount);
    }
  }

  async #take(call: IntakeCall): Promise<{ readonly given: IntakeAnswer; readonly storedCount: number }> {
    const { answer, entry, idempotency } = await this.#judge(call);
    call.onJudged?.();
    // Nothing to store: the answer stands by itself.
    if (entry === null && idempotency === null) return { given: answer, storedCount: 0 };
    const given = await this.#options.inbox.write(call.tenantId, answer, entry, idempotency);
    const storedCount = given === answer ? answer.acceptedCount : 0;
    this.#options.onAccepted?.(storedCount);
    call.onStored?.(storedCount);
    return { given, storedCount };
  }

  /** A method of its own, so that nothing made here on the way lives until the call is durable. */
  async #judge(call: IntakeCall) {
    const acceptedAt = this.#options.now();
    const rules = await this.#rulesAt(acceptedAt);
    const judged = call.events.map((event) => judgeOrRefuse(event, rules));
    const events = await this.#complete(call.tenantId, judged);
    const accepted = events.filter((event): event is InboxEvent => !(event instanceof Refusal));
    const receiptId = accepted.length > 0 ? (uuidv7() as ReceiptId) : null;
    const answer: IntakeAnswer = {
      receiptId,
      acceptedAt,
      acceptedCount: accepted.length,
      refused: events.flatMap((event, index) =>
        event instanceof Refusal ? [{ index, code: event.code, field: event.field, message: event.message }] : [],
      ),
    };
    const entry = receiptId === null ? null : entryOf(receiptId, call.lane, acceptedAt, accepted);
    return { answer, entry, idempotency: idempotencyOf(call) };
  }

  /** A call that was accepted before adds nothing to what waits: its repetition is answered like the first time. */
  async #firstAnswerOr(call: IntakeCall, overload: Overload): Promise<IntakeAnswer> {
    const { inbox, now, onOverload } = this.#options;
    const key = call.idempotencyKey ?? null;
    const first = key === null ? null : await inbox.findFirst(call.tenantId, key, now());
    if (first === null) {
      onOverload?.(overload);
      throw overload;
    }
    if (first.contentHash !== contentHashOf(call)) throw keyReused(first.key);
    return first.answer;
  }

  #checkCall(call: IntakeCall): void {
    const { maxEventsPerCall } = this.#options.limits;
    if (call.events.length > maxEventsPerCall) {
      const message = `A call takes at most ${maxEventsPerCall} events; this one has ${call.events.length}.`;
      throw new PublicError("TOO_LARGE", message, { field: ["input", "events"] });
    }
    const key = call.idempotencyKey;
    if (key === undefined || key === null) return;
    if (key === "" || key.length > MAX_IDEMPOTENCY_KEY_CHARS || faultOfText(key) !== null) {
      const message = `An idempotency key is a text of 1 to ${MAX_IDEMPOTENCY_KEY_CHARS} characters.`;
      throw new PublicError("BAD_INPUT", message, { field: ["input", "idempotencyKey"] });
    }
  }

  async #rulesAt(now: EpochMicros): Promise<JudgingRules> {
    const { limits, floor } = this.#options;
    const retained = limits.eventRetentionDays === null ? 0 : retainedFrom(limits.eventRetentionDays, now);
    const dropped = (await floor.read().catch(refuseForNow)) ?? 0;
    return {
      earliest: Math.max(FIRST_INSTANT, retained, dropped) as EpochMicros,
      latest: (now + limits.maxFutureMinutes * MINUTE_MICROS) as EpochMicros,
      limits,
    };
  }

  /** Finds the campaigns, makes those that are new, and gives every event its keys. */
  async #complete(tenantId: TenantId, judged: readonly (JudgedEvent | Refusal)[]): Promise<(InboxEvent | Refusal)[]> {
    const ids = new Set<CampaignId>();
    const externalIds = new Set<string>();
    for (const event of judged) {
      if (event instanceof Refusal) continue;
      if ("externalId" in event.campaign) externalIds.add(event.campaign.externalId);
      else {
        const id = uuidOfGlobalId("Campaign", event.campaign.id);
        if (id !== null) ids.add(id as CampaignId);
      }
    }
    const { existing, resolved } = await this.#findCampaigns(tenantId, [...ids], [...externalIds]);
    // A call names the same people again and again, and a key is two hashes.
    const recipientKeys = new Map<string, RecipientKey>();
    const keyOf = (address: string): RecipientKey => {
      let key = recipientKeys.get(address);
      if (key === undefined) recipientKeys.set(address, (key = this.#options.recipientKeys.keyOf(tenantId, address)));
      return key;
    };
    return judged.map((event) => {
      if (event instanceof Refusal) return event;
      const campaignId =
        "externalId" in event.campaign
          ? resolved.get(event.campaign.externalId)
          : (uuidOfGlobalId("Campaign", event.campaign.id) as CampaignId | null);
      if (campaignId === undefined || campaignId === null || ("id" in event.campaign && !existing.has(campaignId))) {
        return new Refusal("UNKNOWN_CAMPAIGN", "campaignId", "There is no such campaign.");
      }
      return this.#withKeys(campaignId, keyOf(event.address), event);
    });
  }

  async #findCampaigns(tenantId: TenantId, ids: readonly CampaignId[], externalIds: readonly string[]) {
    const { campaigns } = this.#options;
    try {
      const existing = await campaigns.findExisting(tenantId, ids);
      return { existing, resolved: await campaigns.resolve(tenantId, externalIds) };
    } catch (error) {
      return refuseForNow(error);
    }
  }

  #withKeys(campaignId: CampaignId, recipientKey: RecipientKey, event: JudgedEvent): InboxEvent {
    const { type, occurredAt, messageId, address, metadata, details } = event;
    const eventId = event.eventId ?? deriveEventId({ type, campaignId, recipientKey, occurredAt, messageId }, details);
    const fields: Mutable<InboxEvent> = { eventId, type, campaignId, recipientKey, occurredAt };
    if (recipientKeyIn(address) === null) fields.address = address;
    if (messageId !== undefined) fields.messageId = messageId;
    if (metadata !== undefined) fields.metadata = metadata;
    const judged = Object.assign(fields, details);
    if (this.#options.storeAddresses !== false) return judged;
    // Of the id that its source gave: the address may stand in that, too.
    return { key: eventKeyOf(eventId), ...withoutAddress(judged) };
  }
}

/** As where the events cannot be stored: callers who know to come again on UNAVAILABLE come again here, too. */
function refuseForNow(cause: unknown): never {
  const message = "The call could not be judged for now. Nothing of it was recorded; send it again.";
  throw new PublicError("UNAVAILABLE", message, { cause, retryAfterSeconds: 1 });
}

function judgeOrRefuse(event: EventInput, rules: JudgingRules): JudgedEvent | Refusal {
  try {
    return judgeEvent(event, rules);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function entryOf(receiptId: ReceiptId, lane: Lane, receivedAt: EpochMicros, events: readonly InboxEvent[]) {
  return { receiptId, lane, eventCount: events.length, receivedAt, payload: writePayload(events) };
}

function idempotencyOf(call: IntakeCall): { key: string; contentHash: string } | null {
  const key = call.idempotencyKey;
  if (key === undefined || key === null) return null;
  return { key, contentHash: contentHashOf(call) };
}

function contentHashOf({ events }: IntakeCall): string {
  // An event that is too deep to be written is refused, whatever else it holds.
  const written = events.map((event) => (isTooDeep(event.metadata) ? { ...event, metadata: null } : event));
  return hashToUuid(orderedJson(written, { withoutNulls: true }));
}
