/**
 * What waits to be recorded, or could not be, of people who were erased: the events stay, and count when they are recorded; what
 * says who it was goes. Where an event cannot be read, nothing of it is kept.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { ErasedRecipients, erasedEvent } from "../../events/erasures.js";
import type { AcceptedEvent } from "../../events/event.js";
import { type DeadLetterId, isUuid, type RecipientKey, type TenantId } from "../../ids.js";
import type { InboxRow } from "../inbox.js";
import { readPayload, rewritePayload } from "../inbox-payload.js";
import { type PayloadPlace, readPayloads } from "./row-payloads.js";

/** Rows that are rewritten together: a row may be a whole call's payload. */
const ROWS_PER_STEP = 20;

interface InboxPlace extends PayloadPlace {
  readonly lane: number;
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
const lockLetters = defineStatement<"events", [TenantId, RecipientKey, after: string], PayloadPlace>(
  "events",
  "dead_letters.lock_of_recipient",
  `select id::text as id, null as lane, event_count from dead_letters
   where tenant_id = $1 and discarded_at is null and strpos(payload::text, $2) > 0 and id > $3::uuid
   order by dead_letters.id limit ${ROWS_PER_STEP}
   for update`,
);

const lockInbox = defineStatement<"events", [TenantId, RecipientKey, after: string, acceptedBy: string], InboxPlace>(
  "events",
  "inbox.lock_of_recipient",
  `select id::text as id, lane, event_count from inbox
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
  const places = await session.run(lockLetters(tenantId, recipientKey, after));
  for await (const row of readPayloads(session, tenantId, places)) {
    const events = eventsIn(row);
    const erased =
      events === null ? { format: row.format, payload: "null" } : withoutPerson(row.format, events, recipientKey);
    if (erased === null) continue;
    await session.run(rewriteLetter(tenantId, row.id, erased.format, erased.payload, events !== null));
  }
  return places.length < ROWS_PER_STEP ? null : (places.at(-1)?.id ?? null);
}

/** Rows of the inbox that hold events of a person and came before `acceptedBy`; those that a worker is recording are left out. */
export async function eraseInbox(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  after: string,
  acceptedBy: string,
): Promise<Place> {
  const places = await session.run(lockInbox(tenantId, recipientKey, after, acceptedBy));
  for await (const row of readPayloads(session, tenantId, places)) {
    const events = eventsIn(row);
    const erased = events === null ? null : withoutPerson(row.format, events, recipientKey);
    if (erased !== null) await session.run(rewriteRow(tenantId, row.lane, row.id, erased.format, erased.payload));
  }
  return places.length < ROWS_PER_STEP ? null : (places.at(-1)?.id ?? null);
}

const findInbox = defineStatement<"events", [TenantId, RecipientKey, acceptedBy: string], InboxPlace>(
  "events",
  "inbox.find_of_recipient",
  `select id::text as id, lane, event_count from inbox
   where lane in (0, 1, 2, 3) and tenant_id = $1 and received_at <= $3::timestamptz and strpos(payload::text, $2) > 0`,
);

/** Whether the inbox still holds what says who the person is: in rows that workers were at, or that nobody can read. */
export async function stillWaits(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  acceptedBy: string,
): Promise<boolean> {
  const places = await session.run(findInbox(tenantId, recipientKey, acceptedBy));
  let seen = 0;
  for await (const row of readPayloads(session, tenantId, places)) {
    const events = eventsIn(row);
    if (events === null || holdsPerson(row.format, events, recipientKey)) return true;
    seen += 1;
  }
  // Who took one away may have put its events back in other rows, which nobody has looked at.
  return seen < places.length;
}

type Payload = Pick<InboxRow, "format" | "payload">;

/** The keys of the people whose events a row holds; none where it cannot be read, as nothing of it is shown either. */
export function recipientsOf(row: Payload): RecipientKey[] {
  return (eventsIn(row) ?? []).map(({ recipientKey }) => recipientKey).filter((key) => isUuid(key));
}

/** The row with nothing but what counts of the events of these people. */
export function emptied<Row extends Payload>(row: Row, erased: ReadonlySet<RecipientKey>): Row {
  try {
    const kept = (eventsIn(row) ?? []).map((event) => (erased.has(event.recipientKey) ? erasedEvent(event) : event));
    return { ...row, ...rewritePayload(row.format, kept) };
  } catch {
    // Values that nobody expects there: nothing can be told of it.
    return { ...row, payload: "null" };
  }
}

/** Null where there is nothing to take out. */
function withoutPerson(format: number, events: readonly AcceptedEvent[], recipientKey: RecipientKey) {
  if (!holdsPerson(format, events, recipientKey)) return null;
  const kept = events.map((event) => (event.recipientKey === recipientKey ? erasedEvent(event) : event));
  return rewritePayload(format, kept);
}

/** Whether any of the events says who the person is: who has been erased is written the same again. */
function holdsPerson(format: number, events: readonly AcceptedEvent[], recipientKey: RecipientKey): boolean {
  const own = events.filter((event) => event.recipientKey === recipientKey);
  return rewritePayload(format, own.map(erasedEvent)).payload !== rewritePayload(format, own).payload;
}

function eventsIn(row: Payload): readonly AcceptedEvent[] | null {
  try {
    return readPayload(row.format, row.payload);
  } catch {
    return null;
  }
}
