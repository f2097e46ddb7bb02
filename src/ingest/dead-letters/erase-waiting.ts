/**
 * What waits to be recorded, or could not be, of people who were erased: the events stay, and count when they are recorded; what
 * says who it was goes. Where an event cannot be read, nothing of it is kept.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { ErasedRecipients, erasedEvent } from "../../events/erasures.js";
import type { AcceptedEvent } from "../../events/event.js";
import type { DeadLetterId, RecipientKey, TenantId } from "../../ids.js";
import type { InboxRow } from "../inbox.js";
import { readPayload, rewritePayload } from "../inbox-payload.js";

/** Rows that are rewritten together: a row may be a whole call's payload. */
const ROWS_PER_STEP = 20;

interface WaitingRow {
  readonly id: string;
  readonly lane: number;
  readonly format: number;
  readonly payload: string;
}

const rewriteLetter = defineStatement<
  "events",
  [TenantId, id: string, format: number, payload: string, isLegible: boolean],
  never
>(
  "events",
  "dead_letters.erase",
  // The error may quote a value. An event that cannot be read is given up, as somebody would have to in the end.
  `update dead_letters set format = $3, payload = $4::json, error = '',
     discarded_at = case when $5 then discarded_at else coalesce(discarded_at, died_at) end
   where tenant_id = $1 and id = $2::uuid`,
);

/** A letter that was just made of this row. */
export async function eraseBuried(session: Session<"events">, row: InboxRow, id: DeadLetterId): Promise<void> {
  const events = eventsIn(row);
  // Nobody can tell whose it is; its row was looked for by the key while it waited, as letters are.
  if (events === null) return;
  const items = events.map((event) => ({ tenantId: row.tenant_id, event }));
  const kept = await new ErasedRecipients().takeOut(session, items);
  if (kept.every(({ event }, at) => event === events[at])) return;
  const { format, payload } = rewritePayload(
    row.format,
    kept.map(({ event }) => event),
  );
  await session.run(rewriteLetter(row.tenant_id, id, format, payload, true));
}

// The key is a hash: where its text stands, it is meant.
const lockLetters = defineStatement<"events", [TenantId, RecipientKey, after: string], WaitingRow>(
  "events",
  "dead_letters.lock_of_recipient",
  `select id::text as id, 0 as lane, format, payload::text as payload from dead_letters
   where tenant_id = $1 and discarded_at is null and strpos(payload::text, $2) > 0 and id > $3::uuid
   order by dead_letters.id limit ${ROWS_PER_STEP}
   for update`,
);

const lockInbox = defineStatement<"events", [TenantId, RecipientKey, after: string, acceptedBy: string], WaitingRow>(
  "events",
  "inbox.lock_of_recipient",
  `select id::text as id, lane, format, payload::text as payload from inbox
   where lane in (0, 1, 2, 3) and tenant_id = $1 and id > $3::bigint and received_at <= $4::timestamptz
     and strpos(payload::text, $2) > 0
   order by inbox.id limit ${ROWS_PER_STEP}
   for update skip locked`,
);

const rewriteRow = defineStatement<
  "events",
  [TenantId, lane: number, id: string, format: number, payload: string],
  never
>(
  "events",
  "inbox.erase",
  `update inbox set format = $4, payload = $5::json where lane = $2 and tenant_id = $1 and id = $3::bigint`,
);

/** What a step has done: where the next one goes on, null where there is nothing left. */
type Place = string | null;

/** Letters of a person, some of them, oldest first. `after`: "00000000-…" at first. */
export async function eraseLetters(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  after: string,
): Promise<Place> {
  const rows = await session.run(lockLetters(tenantId, recipientKey, after));
  for (const row of rows) {
    const events = eventsIn(row);
    const erased =
      events === null ? { format: row.format, payload: "null" } : withoutPerson(row.format, events, recipientKey);
    if (erased === null) continue;
    await session.run(rewriteLetter(tenantId, row.id, erased.format, erased.payload, events !== null));
  }
  return rows.length < ROWS_PER_STEP ? null : (rows.at(-1)?.id ?? null);
}

/** Rows of the inbox that hold events of a person and came before `acceptedBy`; those that a worker is recording are left out. */
export async function eraseInbox(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  after: string,
  acceptedBy: string,
): Promise<Place> {
  const rows = await session.run(lockInbox(tenantId, recipientKey, after, acceptedBy));
  for (const row of rows) {
    const events = eventsIn(row);
    const erased = events === null ? null : withoutPerson(row.format, events, recipientKey);
    if (erased !== null) await session.run(rewriteRow(tenantId, row.lane, row.id, erased.format, erased.payload));
  }
  return rows.length < ROWS_PER_STEP ? null : (rows.at(-1)?.id ?? null);
}

const findInbox = defineStatement<
  "events",
  [TenantId, RecipientKey, acceptedBy: string],
  { format: number; payload: string }
>(
  "events",
  "inbox.find_of_recipient",
  `select format, payload::text as payload from inbox
   where lane in (0, 1, 2, 3) and tenant_id = $1 and received_at <= $3::timestamptz and strpos(payload::text, $2) > 0`,
);

/** Whether the inbox still holds what says who the person is: in rows that workers were at, or that nobody can read. */
export async function stillWaits(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  acceptedBy: string,
): Promise<boolean> {
  const rows = await session.run(findInbox(tenantId, recipientKey, acceptedBy));
  return rows.some((row) => {
    const events = eventsIn(row);
    return events === null || withoutPerson(row.format, events, recipientKey) !== null;
  });
}

/** Null where there is nothing to take out. */
function withoutPerson(format: number, events: readonly AcceptedEvent[], recipientKey: RecipientKey) {
  const kept = events.map((event) => (event.recipientKey === recipientKey ? erasedEvent(event) : event));
  const after = rewritePayload(format, kept);
  // Who has been erased is written the same again.
  return after.payload === rewritePayload(format, events).payload ? null : after;
}

function eventsIn(row: Pick<InboxRow, "format" | "payload">): readonly AcceptedEvent[] | null {
  try {
    return readPayload(row.format, row.payload);
  } catch {
    return null;
  }
}
