/** Reading dead letters: pages by keyset, newest first, and one by its id. Ids are made when a letter is, and sort by that. */
import { Parameters } from "../../database/parameters.js";
import type { Session } from "../../database/pool.js";
import { defineStatement, type Statement } from "../../database/statement.js";
import type { DeadLetterId, ReceiptId, RecipientKey, TenantId } from "../../ids.js";
import type { CursorBinding, Cursors } from "../../pages/cursors.js";
import { type Page, pageOf, readBounds, rowsToFetch } from "../../pages/page.js";
import type { PageRequest } from "../../pages/page-arguments.js";
import { DEAD_LETTER_COLUMNS, type DeadLetterRow } from "./dead-letter.js";
import { emptied, recipientsOf } from "./erase-waiting.js";

type LetterPosition = readonly [id: DeadLetterId];

/** A tenant's letters, or those of one call. Throws BAD_CURSOR for a cursor of another list. */
export async function readDeadLetterPage(
  session: Session<"events">,
  tenantId: TenantId,
  receiptId: ReceiptId | null,
  page: PageRequest,
  cursors: Cursors,
): Promise<Page<DeadLetterRow>> {
  const binding: CursorBinding = { tenantId, list: "dead_letters", filter: { receiptId }, order: "NEWEST_FIRST" };
  const { after, before } = readBounds<LetterPosition>(cursors, binding, page);
  const parameters = new Parameters();
  const conditions = [`letter.tenant_id = ${parameters.add(tenantId)}`, "letter.discarded_at is null"];
  if (receiptId !== null) conditions.push(`letter.receipt_id = ${parameters.add(receiptId)}`);
  if (after !== null) conditions.push(`letter.id < ${parameters.add(after[0])}`);
  if (before !== null) conditions.push(`letter.id > ${parameters.add(before[0])}`);
  const text =
    `select ${DEAD_LETTER_COLUMNS} from dead_letters as letter where ${conditions.join(" and ")} ` +
    `order by letter.id ${page.direction === "FORWARD" ? "desc" : "asc"} limit ${parameters.add(rowsToFetch(page))}`;
  const statement: Statement<"events", DeadLetterRow> = {
    database: "events",
    name: "dead_letters.page",
    text,
    values: parameters.values,
    // Asked seldom, and in eight shapes.
    isPrepared: false,
  };
  const rows = await withoutErased(session, tenantId, await session.run(statement));
  return pageOf(rows, page, binding, (node) => ({ position: [node.id], node }));
}

const find = defineStatement<"events", [TenantId, DeadLetterId], DeadLetterRow>(
  "events",
  "dead_letters.find",
  `select ${DEAD_LETTER_COLUMNS} from dead_letters as letter
   where letter.tenant_id = $1 and letter.id = $2 and letter.discarded_at is null`,
);

/** The letter, or null where the tenant has none of this id that is left. */
export async function findDeadLetter(
  session: Session<"events">,
  tenantId: TenantId,
  id: DeadLetterId,
): Promise<DeadLetterRow | null> {
  const [row] = await withoutErased(session, tenantId, await session.run(find(tenantId, id)));
  return row ?? null;
}

const findErased = defineStatement<"events", [TenantId, readonly RecipientKey[]], { key: RecipientKey }>(
  "events",
  "dead_letters.find_erased",
  "select recipient_key as key from erasures where tenant_id = $1 and recipient_key = any ($2::uuid[])",
);

/** From when it is asked for, nobody is told who an erased person was: a worker empties the letters themselves a little later. */
async function withoutErased(
  session: Session<"events">,
  tenantId: TenantId,
  rows: readonly DeadLetterRow[],
): Promise<DeadLetterRow[]> {
  const people = rows.map((row) => recipientsOf(row));
  if (people.every((keys) => keys.length === 0)) return [...rows];
  const erased = new Set((await session.run(findErased(tenantId, people.flat()))).map(({ key }) => key));
  return rows.map((row, at) => (people[at]?.some((key) => erased.has(key)) === true ? emptied(row, erased) : row));
}
