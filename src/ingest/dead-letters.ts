/**
 * A row of the inbox that cannot be recorded must not hold up the others. It is split until the event that is at fault
 * stands alone; the rest counts, and the one goes to the dead letters with its error.
 */
import { DatabaseUnreachable } from "../database/database-away.js";
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { messageOf } from "../errors.js";
import { type TenantId, uuidv7 } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { appendToInbox, type InboxRow, removeFromInbox } from "./inbox.js";
import { writeReceipts } from "./receipts.js";

const bury = defineStatement<
  "events",
  [
    TenantId,
    id: string,
    receipt: string,
    format: number,
    payload: string,
    receivedAt: string,
    now: string,
    error: string,
  ],
  never
>(
  "events",
  "dead_letters.bury",
  `insert into dead_letters (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error)
   values ($1, $2, $3, $4, 1, $5, $6, $7, $8)`,
);

/** Puts a row's events back one by one, or, where it holds one alone, buries it. Says what it did. */
export async function splitOrBury(
  session: Session<"events">,
  row: InboxRow,
  error: unknown,
  now: EpochMicros,
): Promise<"split" | "buried" | "gone"> {
  const { tenant_id: tenantId, receipt_id: receiptId, received_at: receivedAt, lane } = row;
  // Another worker may have had more luck with it meanwhile.
  if ((await removeFromInbox(session, [row])) === 0) return "gone";
  if (row.payload.length > 1) {
    const entries = row.payload.map((event) => ({
      receiptId,
      lane,
      eventCount: 1,
      receivedAt,
      payload: JSON.stringify([event]),
    }));
    await appendToInbox(session, tenantId, entries);
    return "split";
  }
  const payload = JSON.stringify(row.payload);
  const times = [formatInstant(receivedAt), formatInstant(now)] as const;
  await session.run(bury(tenantId, uuidv7(), receiptId, row.format, payload, ...times, messageOf(error)));
  await writeReceipts(
    session,
    [{ tenantId, id: receiptId, status: "DEAD", acceptedAt: receivedAt, recordedCount: 0, duplicateCount: 0 }],
    now,
  );
  return "buried";
}

/**
 * Whether trying again may help: the connection, the server, the schema or another transaction was at fault, not the data.
 * Classes 22 and 23 of PostgreSQL's errors are the data's, but for a partition that is missing; an error without a SQLSTATE
 * that is not of the network is a bug's, and another event may not meet it.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DatabaseUnreachable || isMissingPartition(error)) return true;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (/^[0-9A-Z]{5}$/.test(code)) return !/^(?:22|23)/.test(code);
  return code !== "" || /connection|timeout|terminat/i.test(error.message);
}

/** A partition that was known to exist is gone: dropped by retention, or by hand. */
export function isMissingPartition(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("no partition of relation");
}
