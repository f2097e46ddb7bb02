/**
 * Rows of the inbox that failed. Each waits by itself until its next try is due, outside of the lanes of fresh rows: it
 * holds up neither its tenant nor others, and what it has been through lies in the table and outlives every worker.
 * A change is made only where the row still stands as it was claimed: another worker may have had more luck meanwhile.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { Lane } from "../../events/outbox.js";
import type { TenantId } from "../../ids.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import { INBOX_ROW_COLUMNS, type InboxRow, laneInTable } from "../inbox.js";
import { INBOX_FORMAT, readPayload, rewritePayload } from "../inbox-payload.js";

/** The tenants with a row that is due, found by skipping from one to the next in the index of what failed. */
const findDue = defineStatement<"events", [now: string], { tenant_id: TenantId }>(
  "events",
  "inbox.find_due",
  `with recursive retrying as (
     (select tenant_id from inbox where not_before is not null order by tenant_id limit 1)
     union all
     select (
       select tenant_id from inbox where not_before is not null and tenant_id > retrying.tenant_id
       order by tenant_id limit 1
     )
     from retrying where retrying.tenant_id is not null
   )
   select tenant_id from retrying
   where exists (select from inbox where tenant_id = retrying.tenant_id and not_before <= $1::timestamptz)`,
);

const lockDue = defineStatement<"events", [TenantId, now: string], InboxRow>(
  "events",
  "inbox.lock_due",
  `select ${INBOX_ROW_COLUMNS} from inbox
   where tenant_id = $1 and not_before <= $2::timestamptz and format <= ${INBOX_FORMAT}
   order by not_before, id
   limit 1
   for update skip locked`,
);

/**
 * The row that has waited longest for its next try, of the tenant whose turn it is: one alone, since it failed before, and
 * would take what comes with it down.
 */
export async function claimDue(session: Session<"events">, now: EpochMicros, turn: number): Promise<InboxRow[]> {
  const due = (await session.run(findDue(formatInstant(now)))).map((row) => row.tenant_id);
  const start = due.length === 0 ? 0 : turn % due.length;
  for (const tenantId of [...due.slice(start), ...due.slice(0, start)]) {
    const rows = await session.run(lockDue(tenantId, formatInstant(now)));
    if (rows.length > 0) return rows;
  }
  return [];
}

const lockAgain = defineStatement<"events", [readonly number[], readonly TenantId[], readonly number[]], InboxRow>(
  "events",
  "inbox.lock_again",
  `select ${INBOX_ROW_COLUMNS}
   from unnest($1::smallint[], $2::uuid[], $3::bigint[]) as wanted (lane, tenant_id, id)
   join inbox on inbox.lane = wanted.lane and inbox.tenant_id = wanted.tenant_id and inbox.id = wanted.id
   for update of inbox skip locked`,
);

/** Those of the rows that are still there and that nobody else has, in the order of arrival. */
export async function claimAgain(session: Session<"events">, rows: readonly InboxRow[]): Promise<InboxRow[]> {
  const found = await session.run(
    lockAgain(
      rows.map((row) => laneInTable(row)),
      rows.map((row) => row.tenant_id),
      rows.map((row) => row.id),
    ),
  );
  return found.toSorted((a, b) => a.id - b.id);
}

const postpone = defineStatement<
  "events",
  [lane: number, TenantId, id: number, attempts: number, own: Lane, notBefore: string, now: string],
  { id: number }
>(
  "events",
  "inbox.postpone",
  `update inbox set lane = $5 + 2, attempts = $4 + 1, not_before = $6::timestamptz,
     first_failed_at = coalesce(first_failed_at, $7::timestamptz)
   where lane = $1 and tenant_id = $2 and id = $3 and attempts = $4
   returning id`,
);

/** Counts the try that failed and has the row wait for the next one. False where the row is no longer as it was claimed. */
export async function postponeRow(
  session: Session<"events">,
  row: InboxRow,
  notBefore: EpochMicros,
  now: EpochMicros,
): Promise<boolean> {
  const { tenant_id: tenantId, id, attempts, lane } = row;
  const times = [formatInstant(notBefore), formatInstant(now)] as const;
  return (await session.run(postpone(laneInTable(row), tenantId, id, attempts, lane, ...times))).length > 0;
}

const setAside = defineStatement<
  "events",
  [readonly number[], readonly TenantId[], readonly number[], notBefore: string],
  never
>(
  "events",
  "inbox.set_aside",
  `update inbox set lane = inbox.lane + 2, not_before = $4::timestamptz
   from unnest($1::smallint[], $2::uuid[], $3::bigint[]) as failed (lane, tenant_id, id)
   where inbox.lane = failed.lane and inbox.tenant_id = failed.tenant_id and inbox.id = failed.id and inbox.lane < 2`,
);

/** Has fresh rows that failed together wait, each by itself from now on. Which of them is at fault is not known: no try counts. */
export async function setRowsAside(
  session: Session<"events">,
  rows: readonly InboxRow[],
  notBefore: EpochMicros,
): Promise<void> {
  // Workers may hold rows of these that they claimed meanwhile: locked in one order, nobody waits in a circle.
  const free = await claimAgain(session, rows);
  await session.run(
    setAside(
      free.map((row) => laneInTable(row)),
      free.map((row) => row.tenant_id),
      free.map((row) => row.id),
      formatInstant(notBefore),
    ),
  );
}

const split = defineStatement<
  "events",
  [
    lane: number,
    TenantId,
    id: number,
    attempts: number,
    own: Lane,
    counts: readonly number[],
    payloads: readonly string[],
    now: string,
    formats: readonly number[],
  ],
  { id: number }
>(
  "events",
  "inbox.split",
  // The payloads as texts: as a value within JSON an escaped NUL would be refused, and the row that holds one never split.
  `with whole as (
     delete from inbox where lane = $1 and tenant_id = $2 and id = $3 and attempts = $4 returning inbox.*
   )
   insert into inbox (tenant_id, lane, receipt_id, format, event_count, received_at, payload, attempts, not_before,
     first_failed_at)
   select whole.tenant_id, $5 + 2, whole.receipt_id, part.format, part.event_count, whole.received_at,
     part.payload::json, whole.attempts, $8::timestamptz, coalesce(whole.first_failed_at, $8::timestamptz)
   from whole cross join unnest($6::integer[], $7::text[], $9::smallint[]) as part (event_count, payload, format)
   returning id`,
);

export interface RowPart {
  readonly eventCount: number;
  readonly format: number;
  readonly payload: string;
}

/** The two halves of a row's events; null where they are not several, or cannot be read. */
export function halvesOf(row: InboxRow): readonly RowPart[] | null {
  try {
    const events = readPayload(row.format, row.payload);
    if (events.length < 2) return null;
    const middle = Math.ceil(events.length / 2);
    return [events.slice(0, middle), events.slice(middle)].map((half) => ({
      eventCount: half.length,
      ...rewritePayload(row.format, half),
    }));
  } catch {
    return null;
  }
}

/** Puts parts in a row's place, all due at once. False where the row is no longer as it was claimed. */
export async function splitRow(
  session: Session<"events">,
  row: InboxRow,
  parts: readonly RowPart[],
  now: EpochMicros,
): Promise<boolean> {
  const { tenant_id: tenantId, id, attempts, lane } = row;
  const counts = parts.map(({ eventCount }) => eventCount);
  const payloads = parts.map(({ payload }) => payload);
  const formats = parts.map(({ format }) => format);
  const place = [laneInTable(row), tenantId, id, attempts, lane] as const;
  return (await session.run(split(...place, counts, payloads, formatInstant(now), formats))).length > 0;
}
