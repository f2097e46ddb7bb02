/** Reading dead letters: pages by keyset, newest first, and one by its id. Ids are made when a letter is, and sort by that. */
import { Parameters } from "../../database/parameters.js";
import type { Session } from "../../database/pool.js";
import { defineStatement, type Statement } from "../../database/statement.js";
import type { DeadLetterId, ReceiptId, TenantId } from "../../ids.js";
import type { CursorBinding, Cursors } from "../../pages/cursors.js";
import { type Page, pageOf, readBounds, rowsToFetch } from "../../pages/page.js";
import type { PageRequest } from "../../pages/page-arguments.js";
import { DEAD_LETTER_COLUMNS, type DeadLetterRow } from "./dead-letter.js";

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
  const rows = await session.run(statement);
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
  const [row] = await session.run(find(tenantId, id));
  return row ?? null;
}
