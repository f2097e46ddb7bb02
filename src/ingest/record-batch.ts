/**
 * What happens to a claimed batch, in the worker's one transaction: erased people are made out, duplicates fall out, the log, the
 * recipients' states and the links take the new events, the difference goes into the outbox, the receipts learn of it, and the inbox
 * forgets the batch. Tables are touched in this order by every worker, and rows within each in the order of their keys.
 */
import type { Session } from "../database/pool.js";
import { ErasedRecipients, withoutAddress } from "../events/erasures.js";
import { appendToLog, type ReceivedEvent, rememberAddresses, withoutDuplicates } from "../events/event-log.js";
import { appendToOutbox, LANES, type OutboxMessage } from "../events/outbox.js";
import { type CampaignId, type TenantId, uuidv7 } from "../ids.js";
import { DeltaBuilder } from "../rollups/delta.js";
import { LinkDeltaBuilder } from "../rollups/links/link-delta.js";
import { applyToLinks } from "../rollups/links/link-store.js";
import { applyToStates, type StateChange } from "../rollups/recipient-state-store.js";
import type { RollupPayload } from "../rollups/rollup-message.js";
import type { EpochMicros } from "../time/instant.js";
import { type InboxRow, removeFromInbox } from "./inbox.js";
import { readPayload } from "./inbox-payload.js";
import { type ReceiptProgress, writeReceipts } from "./receipts.js";

export interface BatchResult {
  readonly recorded: number;
  readonly duplicates: number;
}

export interface RecordOptions {
  readonly maxLinksPerCampaign: number;
  /** False: recipients are known by their keys alone. */
  readonly storeAddresses?: boolean;
  /** Who is known to be erased, from batch to batch. */
  readonly erased?: ErasedRecipients;
  readonly now: EpochMicros;
}

/** The events of claimed rows, in the order of arrival. Throws UnreadableRow. */
export function eventsOf(rows: readonly InboxRow[]): ReceivedEvent[] {
  return rows.flatMap((row) =>
    readPayload(row.format, row.payload).map((event) => ({
      tenantId: row.tenant_id,
      receiptId: row.receipt_id,
      receivedAt: row.received_at,
      event,
    })),
  );
}

/** Records claimed rows with their events (eventsOf). The partitions that these need must exist. */
export async function recordBatch(
  session: Session<"events">,
  rows: readonly InboxRow[],
  events: readonly ReceivedEvent[],
  options: RecordOptions,
): Promise<BatchResult> {
  const { storeAddresses = true, erased = new ErasedRecipients() } = options;
  const kept = await erased.takeOut(session, storeAddresses ? events : events.map(keyed));
  const fresh = await withoutDuplicates(session, kept);
  if (fresh.length > 0) {
    // Before the states: from there on, other workers that bring events of the same recipients wait for this transaction. Clicks come
    // after the links, which may have to be counted from those that the log had before.
    const { clicks = [], others = [] } = Object.groupBy(fresh, ({ event }) =>
      event.type === "CLICKED" ? "clicks" : "others",
    );
    await appendToLog(session, others);
    const changes = await applyToStates(session, fresh);
    const links = await applyToLinks(session, changes, options.maxLinksPerCampaign);
    // Once a campaign, by the first event that has the address: a source may name a recipient by the key before.
    const met = changes.flatMap((change) =>
      change.isNew ? (change.events.find(({ event }) => event.address !== undefined) ?? []) : [],
    );
    const messages = messagesOf(rows, fresh, changes, links);
    await Promise.all([
      rememberAddresses(session, met),
      appendToLog(session, clicks),
      appendToOutbox(session, messages),
    ]);
  }
  await Promise.all([writeReceipts(session, progressOf(rows, fresh), options.now), removeFromInbox(session, rows)]);
  return { recorded: fresh.length, duplicates: events.length - fresh.length };
}

/** What was accepted before addresses were no longer to be stored. */
function keyed(item: ReceivedEvent): ReceivedEvent {
  return item.event.address === undefined ? item : { ...item, event: withoutAddress(item.event) };
}

/** One message per tenant. */
function messagesOf(
  rows: readonly InboxRow[],
  fresh: readonly ReceivedEvent[],
  changes: readonly StateChange[],
  links: ReadonlyMap<TenantId, LinkDeltaBuilder>,
): OutboxMessage[] {
  const rowsOfTenant = Map.groupBy(rows, (row) => row.tenant_id);
  const changesOfTenant = Map.groupBy(changes, (change) => change.tenantId);
  return Array.from(Map.groupBy(fresh, (item) => item.tenantId)).map(([tenantId, events]) => {
    const tenantRows = rowsOfTenant.get(tenantId) ?? [];
    const rollup = payloadOf(
      events,
      changesOfTenant.get(tenantId) ?? [],
      links.get(tenantId) ?? new LinkDeltaBuilder(),
    );
    return {
      id: uuidv7(),
      tenantId,
      lane: tenantRows.some((row) => row.lane === LANES.LIVE) ? LANES.LIVE : LANES.BULK,
      eventCount: events.length,
      receivedAt: Math.min(...events.map((item) => item.receivedAt)) as EpochMicros,
      payload: { rollup },
    };
  });
}

function payloadOf(
  events: readonly ReceivedEvent[],
  changes: readonly StateChange[],
  links: LinkDeltaBuilder,
): RollupPayload {
  const delta = new DeltaBuilder();
  const firstSent = new Map<CampaignId, number>();
  for (const { event } of events) {
    delta.addEvent(event.campaignId, event);
    if (event.type !== "SENT") continue;
    const known = firstSent.get(event.campaignId);
    if (known === undefined || event.occurredAt < known) firstSent.set(event.campaignId, event.occurredAt);
  }
  for (const change of changes) delta.addStateChange(change.campaignId, change.before, change.after);
  return {
    cells: delta.cells().map((cell) => [cell.campaignId, cell.basis, cell.quarter, cell.measures, cell.revenue]),
    links: links.totals().map(({ campaignId, linkKey, url, clicks }) => [campaignId, linkKey, url, ...clicks]),
    linkCells: links.cells().map((cell) => [cell.campaignId, cell.linkKey, cell.basis, cell.quarter, cell.clicks]),
    firstSent: [...firstSent],
  };
}

function progressOf(rows: readonly InboxRow[], fresh: readonly ReceivedEvent[]): ReceiptProgress[] {
  const progress = new Map<string, ReceiptProgress>();
  for (const row of rows) {
    const id = `${row.tenant_id}${row.receipt_id}`;
    const known = progress.get(id);
    if (known === undefined) {
      progress.set(id, {
        tenantId: row.tenant_id,
        id: row.receipt_id,
        status: "APPLIED",
        acceptedAt: row.received_at,
        recordedCount: 0,
        duplicateCount: row.event_count,
      });
    } else known.duplicateCount += row.event_count;
  }
  for (const item of fresh) {
    const known = progress.get(`${item.tenantId}${item.receiptId}`);
    if (known === undefined) throw new Error("A recorded event belongs to none of the claimed rows");
    known.recordedCount += 1;
    known.duplicateCount -= 1;
  }
  return [...progress.values()];
}
