/**
 * Events that could not be recorded, each alone with its error. A letter leaves by being replayed, which puts its event
 * back into the inbox under its receipt, or by being discarded, which empties it: it then stays for as long as a receipt
 * does, so that the receipt can say so. What a receipt says follows from which letters there are, and from nothing else.
 * Both ways lock the letters first, in the order of their ids, so that of two operators one comes too late.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { Lane } from "../../events/outbox.js";
import { PublicError } from "../../errors.js";
import { type DeadLetterId, type TenantId, uuidv7 } from "../../ids.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import type { DeadReason } from "./dead-reason.js";
import type { Failure } from "./failure.js";
import { type InboxRow, laneInTable } from "../inbox.js";
import { eraseBuried } from "./erase-waiting.js";
import { writeReceipts } from "../receipts.js";

const bury = defineStatement<
  "events",
  [
    lane: number,
    TenantId,
    id: number,
    attempts: number,
    letter: string,
    now: string,
    own: Lane,
    DeadReason,
    error: string,
    sqlState: string | null,
    constraint: string | null,
    table: string | null,
    statement: string | null,
  ],
  { id: DeadLetterId }
>(
  "events",
  "dead_letters.bury",
  // The payload goes from table to table: what this program cannot read it could not write either.
  `with row as (
     delete from inbox where lane = $1 and tenant_id = $2 and id = $3 and attempts = $4 returning inbox.*
   )
   insert into dead_letters (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, lane, attempts,
     first_failed_at, reason, error, sqlstate, constraint_name, table_name, statement)
   select row.tenant_id, $5, row.receipt_id, row.format, row.event_count, row.payload, row.received_at, $6::timestamptz,
     $7, row.attempts + 1, coalesce(row.first_failed_at, $6::timestamptz), $8, $9, $10, $11, $12, $13
   from row
   returning id`,
);

/** Moves a row of the inbox to the dead letters. False where the row is no longer as it was claimed. */
export async function buryRow(
  session: Session<"events">,
  row: InboxRow,
  failure: Failure,
  now: EpochMicros,
): Promise<boolean> {
  const { tenant_id: tenantId, receipt_id: id, received_at: acceptedAt } = row;
  const { reason, error, sqlState, constraint, table, statement } = failure;
  const place = [laneInTable(row), tenantId, row.id, row.attempts] as const;
  const context = [reason, error, sqlState, constraint, table, statement] as const;
  // Letters are paged by id, newest first: it has to say the same time as the letter.
  const letterId = uuidv7(Math.floor(now / 1000)) as DeadLetterId;
  const buried = await session.run(bury(...place, letterId, formatInstant(now), row.lane, ...context));
  if (buried.length === 0) return false;
  await eraseBuried(session, row, letterId);
  // For programs that read the status here alone.
  const progress = { tenantId, id, status: "DEAD", acceptedAt, recordedCount: 0, duplicateCount: 0 } as const;
  await writeReceipts(session, [progress], now);
  return true;
}

const lock = defineStatement<"events", [TenantId, readonly DeadLetterId[]], { id: DeadLetterId }>(
  "events",
  "dead_letters.lock",
  `select id from dead_letters
   where tenant_id = $1 and id = any ($2::uuid[]) and discarded_at is null
   order by id
   for update`,
);

/** What becomes of a call where not all of its letters are left: nothing, with NOT_FOUND, or the others go alone. */
export type IfMissing = "refuse" | "skip";

async function lockLeft(
  session: Session<"events">,
  tenantId: TenantId,
  ids: readonly DeadLetterId[],
  ifMissing: IfMissing,
): Promise<DeadLetterId[]> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return [];
  const locked = (await session.run(lock(tenantId, wanted))).map(({ id }) => id);
  if (locked.length < wanted.length && ifMissing === "refuse") {
    const message = "Not all of these are dead letters, or no longer: nothing was changed.";
    throw new PublicError("NOT_FOUND", message, { field: ["input", "ids"] });
  }
  return locked;
}

const replay = defineStatement<"events", [TenantId, readonly DeadLetterId[]], { id: number }>(
  "events",
  "dead_letters.replay",
  `with letter as (
     delete from dead_letters
     where tenant_id = $1 and id = any ($2::uuid[]) and discarded_at is null
     returning dead_letters.*
   )
   insert into inbox (tenant_id, lane, receipt_id, format, event_count, received_at, payload, is_replay)
   select tenant_id, lane, receipt_id, format, event_count, received_at, payload, true from letter order by id
   returning id`,
);

/** Puts a tenant's letters back into the inbox under their receipts. Returns how many. */
export async function replayDeadLetters(
  session: Session<"events">,
  tenantId: TenantId,
  ids: readonly DeadLetterId[],
  ifMissing: IfMissing = "refuse",
): Promise<number> {
  const locked = await lockLeft(session, tenantId, ids, ifMissing);
  return locked.length === 0 ? 0 : (await session.run(replay(tenantId, locked))).length;
}

const discard = defineStatement<"events", [TenantId, readonly DeadLetterId[], now: string], { id: DeadLetterId }>(
  "events",
  "dead_letters.discard",
  `update dead_letters set discarded_at = $3::timestamptz, payload = 'null', error = ''
   where tenant_id = $1 and id = any ($2::uuid[]) and discarded_at is null
   returning id`,
);

/** Gives a tenant's letters up, whose events are gone with that. Returns how many. */
export async function discardDeadLetters(
  session: Session<"events">,
  tenantId: TenantId,
  ids: readonly DeadLetterId[],
  now: EpochMicros,
  ifMissing: IfMissing = "refuse",
): Promise<number> {
  const locked = await lockLeft(session, tenantId, ids, ifMissing);
  return locked.length === 0 ? 0 : (await session.run(discard(tenantId, locked, formatInstant(now)))).length;
}
