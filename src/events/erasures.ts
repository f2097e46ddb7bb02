/**
 * People who were erased, as those who record events have to know them.
 *
 * The address itself needs no care: a recipient's row without one stays, and nobody replaces it. What else an event says of the
 * person must not come into the log after the erasure has swept it. So whoever records holds a lock of the tenant that erasures
 * want for themselves: an event is in the log before its person is erased, and swept, or its recorder sees the erasure.
 * The lock is taken before any row of the log is touched, and of several tenants in the order of their ids.
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { hashToUuid, type LinkKey, type RecipientKey, type TenantId } from "../ids.js";
import { addressPattern, replaceInJson, WITHHELD_ADDRESS } from "./address-in-text.js";
import { type AcceptedEvent, COUNTED_DETAILS, type EventDetails } from "./event.js";
import type { ReceivedEvent } from "./event-log.js";
import { ERASED_RECIPIENT } from "./event-row.js";

const LOCK = "hashtextextended('mailtally.erasures ' || tenant_id, 0)";

const lockShared = defineStatement<"events", [readonly TenantId[]], never>(
  "events",
  "erasures.lock_shared",
  `select pg_advisory_xact_lock_shared(${LOCK}) from unnest($1::text[]) as tenant (tenant_id)`,
);

const lockAlone = defineStatement<"events", [TenantId], never>(
  "events",
  "erasures.lock_alone",
  `select pg_advisory_xact_lock(${LOCK}) from (select $1::text as tenant_id) as tenant`,
);

const findLater = defineStatement<
  "events",
  [readonly TenantId[], numbers: readonly number[]],
  { tenant_id: TenantId; recipient_key: RecipientKey; number: number }
>(
  "events",
  "erasures.find_later",
  `select tenant_id, recipient_key, erasures.number
   from unnest($1::uuid[], $2::integer[]) as known (tenant_id, number)
   join erasures using (tenant_id)
   where erasures.number > known.number`,
);

/** Until the end of the transaction nobody records events of the tenant. */
export async function lockForErasing(session: Session<"events">, tenantId: TenantId): Promise<void> {
  await session.run(lockAlone(tenantId));
}

type Item = Pick<ReceivedEvent, "tenantId" | "event">;

/**
 * Keeps in mind who was erased, so that a batch asks for those alone who were since: looking each of its recipients up takes
 * 20 ms for 5,000. Erasures are never taken back.
 */
export class ErasedRecipients {
  readonly #tenants = new Map<TenantId, { number: number; readonly keys: Set<RecipientKey> }>();

  /**
   * The same events in their order, those of erased people without what says who they are. Until the end of the transaction
   * nobody else of these tenants is erased.
   */
  async takeOut<Received extends Item>(
    session: Session<"events">,
    items: readonly Received[],
  ): Promise<readonly Received[]> {
    const tenants = [...new Set(items.map(({ tenantId }) => tenantId))].toSorted();
    if (tenants.length === 0) return items;
    const numbers = tenants.map((tenantId) => this.#tenants.get(tenantId)?.number ?? 0);
    // Two statements: one that waited for the lock would see what was before.
    const [, later] = await Promise.all([session.run(lockShared(tenants)), session.run(findLater(tenants, numbers))]);
    for (const row of later) {
      let known = this.#tenants.get(row.tenant_id);
      if (known === undefined) this.#tenants.set(row.tenant_id, (known = { number: 0, keys: new Set() }));
      known.keys.add(row.recipient_key);
      known.number = Math.max(known.number, row.number);
    }
    if (!tenants.some((tenantId) => this.#tenants.has(tenantId))) return items;
    return items.map((item) =>
      this.#tenants.get(item.tenantId)?.keys.has(item.event.recipientKey) === true
        ? { ...item, event: erasedEvent(item.event) }
        : item,
    );
  }
}

/** What counts of an event, and nothing else. Its id is the ledger's hash; its link keeps its key where the URL is replaced. */
export function erasedEvent(event: AcceptedEvent): AcceptedEvent {
  const { key, type, campaignId, recipientKey, occurredAt, address } = event;
  const counted: Record<string, unknown> = {};
  for (const field of COUNTED_DETAILS as ReadonlySet<keyof EventDetails>) {
    if (event[field] !== undefined) counted[field] = event[field];
  }
  const bare = { key, eventId: key, type, campaignId, recipientKey, occurredAt, ...counted };
  const link = event.url === undefined || address === undefined ? null : erasedLink(event.url, address);
  if (link !== null) return { ...bare, ...link };
  return event.linkKey === undefined ? bare : { ...bare, linkKey: event.linkKey };
}

/** A URL without the address that it holds, and the key that it goes on counting under; null where it holds none. */
export function erasedLink(url: string, address: string): { readonly url: string; readonly linkKey: LinkKey } | null {
  const pattern = addressPattern(address);
  const replaced = pattern === null ? url : url.replace(pattern, ERASED_RECIPIENT);
  return replaced === url ? null : { url: replaced, linkKey: hashToUuid(url) as LinkKey };
}

/** The event for an installation that keeps no addresses: without it, wherever its source has put it. */
export function withoutAddress<Event extends Pick<AcceptedEvent, "address">>(event: Event): Event {
  const { address, ...rest } = event;
  const pattern = address === undefined ? null : addressPattern(address);
  return (pattern === null ? rest : replaceInJson(rest, pattern, WITHHELD_ADDRESS)) as Event;
}
