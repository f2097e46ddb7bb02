import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { NIL_UUID, type RecipientKey, type TenantId } from "../ids.js";
import { writeAsWorker } from "../tenancy/transactions.js";

const ADDRESSES_PER_STEP = 5_000;

const forget = defineStatement<
  "events",
  [TenantId, after: RecipientKey],
  { seen: number; forgotten: number; last: RecipientKey | null }
>(
  "events",
  "recipients.forget_addresses",
  // Without an address a row says that its person was erased: those stay.
  `with page as (
     select recipient_key from recipients
     where tenant_id = $1 and recipient_key > $2 order by recipient_key limit ${ADDRESSES_PER_STEP}
   ),
   forgotten as (
     delete from recipients using page
     where recipients.tenant_id = $1 and recipients.recipient_key = page.recipient_key and recipients.address is not null
     returning recipients.recipient_key
   )
   select (select count(*) from page) as seen, (select count(*) from forgotten) as forgotten,
     (select recipient_key from page order by recipient_key desc limit 1) as last`,
);

/** Deletes a tenant's addresses, in short transactions; recipients are called by their keys from then on. Returns how many. */
export async function forgetAddresses(events: Pool<"events">, tenantId: TenantId): Promise<number> {
  let forgotten = 0;
  for (let after = NIL_UUID as RecipientKey; ;) {
    const from = after;
    const [row] = await writeAsWorker(events, (session) => session.run(forget(tenantId, from)));
    if (row === undefined || row.last === null) return forgotten;
    forgotten += row.forgotten;
    if (row.seen < ADDRESSES_PER_STEP) return forgotten;
    after = row.last;
  }
}
