/** A dead letter as it is read, with what can be made out of its event. */
import { EVENT_TYPES, type EventType } from "../../events/event.js";
import { textOfRecipientKey } from "../../events/event-key.js";
import type { Lane } from "../../events/outbox.js";
import {
  type CampaignId,
  type DeadLetterId,
  encodeGlobalId,
  isUuid,
  type ReceiptId,
  type RecipientKey,
  type TenantId,
} from "../../ids.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import type { DeadReason } from "./dead-reason.js";
import { readPayload } from "../inbox-payload.js";

export interface DeadLetterRow {
  readonly tenantId: TenantId;
  readonly id: DeadLetterId;
  readonly receiptId: ReceiptId;
  readonly lane: Lane;
  readonly format: number;
  readonly eventCount: number;
  /** JSON. */
  readonly payload: string;
  readonly receivedAt: EpochMicros;
  /** Null: of before tries were counted. */
  readonly firstFailedAt: EpochMicros | null;
  readonly diedAt: EpochMicros;
  readonly attempts: number;
  readonly reason: DeadReason;
  readonly error: string;
  readonly sqlState: string | null;
  readonly constraint: string | null;
  readonly table: string | null;
  readonly statement: string | null;
}

/** A DeadLetterRow of the table that the statement calls `letter`. */
export const DEAD_LETTER_COLUMNS = `letter.tenant_id as "tenantId", letter.id, letter.receipt_id as "receiptId", letter.lane,
  letter.format, letter.event_count as "eventCount", letter.payload::text as payload, letter.received_at as "receivedAt",
  letter.first_failed_at as "firstFailedAt", letter.died_at as "diedAt", letter.attempts, letter.reason, letter.error,
  letter.sqlstate as "sqlState", letter.constraint_name as "constraint", letter.table_name as "table", letter.statement`;

/** A letter's event, as far as it can be read: whatever is malformed is null. */
export interface DeadEvent {
  readonly type: EventType | null;
  readonly eventId: string | null;
  readonly campaignId: CampaignId | null;
  readonly occurredAt: EpochMicros | null;
  /** As recordEvents takes it (with the recipient's address, or key where none is kept), so that it can be mended and sent again; null: unreadable. */
  readonly input: Readonly<Record<string, unknown>> | null;
}

const UNREADABLE: DeadEvent = { type: null, eventId: null, campaignId: null, occurredAt: null, input: null };

export function readDeadEvent({ format, payload }: Pick<DeadLetterRow, "format" | "payload">): DeadEvent {
  const event = onlyEventOf(format, payload);
  return event === null ? UNREADABLE : describeEvent(event);
}

/** An event that is not in the log, whatever is wrong with it. */
export function describeEvent(event: Readonly<Record<string, unknown>>): DeadEvent {
  // The keys are this program's, and it makes them anew.
  const { key: _key, recipientKey, linkKey: _linkKey, address, ...rest } = event;
  const isKey = typeof recipientKey === "string" && isUuid(recipientKey);
  const { type, eventId, campaignId, occurredAt } = event;
  const time = writtenInstant(occurredAt);
  const isCampaign = typeof campaignId === "string" && isUuid(campaignId);
  return {
    type: EVENT_TYPES.find((known) => known === type) ?? null,
    eventId: typeof eventId === "string" ? eventId : null,
    campaignId: isCampaign ? (campaignId as CampaignId) : null,
    occurredAt: time === null ? null : (occurredAt as EpochMicros),
    input: {
      ...rest,
      campaignId: isCampaign ? encodeGlobalId("Campaign", campaignId) : (campaignId ?? null),
      recipient: address ?? (isKey ? textOfRecipientKey(recipientKey as RecipientKey) : null),
      occurredAt: time ?? occurredAt ?? null,
    },
  };
}

function onlyEventOf(format: number, payload: string): Readonly<Record<string, unknown>> | null {
  try {
    const [event, ...others] = readPayload(format, payload);
    return event === undefined || others.length > 0 ? null : { ...event };
  } catch {
    return null;
  }
}

function writtenInstant(value: unknown): string | null {
  try {
    return typeof value === "number" ? formatInstant(value as EpochMicros) : null;
  } catch {
    return null;
  }
}
