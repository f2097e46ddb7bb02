/**
 * What a worker and a projector make of batches, in memory: fold, states, delta, message and rows as they make them, without
 * the log and the links, which need the database.
 */
import type { AcceptedEvent } from "../../src/events/event.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import { DeltaBuilder } from "../../src/rollups/delta.js";
import { copyState, emptyState, foldEvent, type RecipientState } from "../../src/rollups/recipient-state.js";
import { RollupChanges } from "../../src/rollups/rollup-changes.js";
import type { RollupPayload } from "../../src/rollups/rollup-message.js";
import { ROLLUP_TABLES, type RollupTable } from "../../src/rollups/rollup-tables.js";
import type { TimeZoneId } from "../../src/time/time-zone.js";
import {
  addRecord,
  type CountedEvent,
  disagreements,
  occurrencesOf,
  plainRollups,
  type RollupRecord,
} from "./plain-count.js";

const tenantId = uuidv7() as TenantId;

/** A tenant's states in memory, and what they were counted from. */
export class MemoryLedger {
  readonly recorded = new Map<string, AcceptedEvent>();
  readonly #states = new Map<string, RecipientState>();

  /** Folds a batch; what it says of ids that are known is left out. */
  record(batch: readonly AcceptedEvent[]): RollupPayload {
    const delta = new DeltaBuilder();
    const before = new Map<string, { campaignId: CampaignId; state: RecipientState }>();
    for (const event of batch) {
      if (this.recorded.has(event.key)) continue;
      this.recorded.set(event.key, event);
      delta.addEvent(event.campaignId, event);
      const whose = `${event.campaignId} ${event.recipientKey}`;
      const state = this.#states.get(whose) ?? emptyState();
      if (!before.has(whose)) before.set(whose, { campaignId: event.campaignId, state: copyState(state) });
      foldEvent(state, event);
      this.#states.set(whose, state);
    }
    for (const [whose, { campaignId, state }] of before) {
      delta.addStateChange(campaignId, state, this.#states.get(whose) ?? emptyState());
    }
    const cells = delta.cells();
    return {
      cells: cells.map((cell) => [cell.campaignId, cell.basis, cell.quarter, cell.measures, cell.revenue]),
      links: [],
      firstSent: [],
    };
  }
}

export type TableRecord = RollupRecord & { readonly table: RollupTable };

/** The rows of the tables after messages were applied, in any order and however many at a time. */
export function recordsOf(payloads: readonly RollupPayload[], zone: TimeZoneId): TableRecord[] {
  const changes = new RollupChanges();
  for (const payload of payloads) changes.add(tenantId, [zone], payload);
  return Array.from(changes.tables(), ([table, rows]) => {
    const { key, sums } = ROLLUP_TABLES[table];
    return rows.map((row) => ({
      table,
      ...Object.fromEntries([
        ...key.map((column, position) => [column, row.key[position]]),
        ...sums.map((column, position) => [column, row.sums[position]]),
      ]),
    }));
  }).flat() as TableRecord[];
}

export function sumsOf(records: readonly TableRecord[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const record of records) addRecord(sums, record.table, record);
  return sums;
}

/** When the quarter-hour of a record begins. */
export const startOf = (record: TableRecord): number => Date.parse(String(record["bucket_start"])) * 1000;

/** Where the rows differ from a plain count of what was recorded. Links are none of these. */
export function faultsOf(
  recorded: Iterable<CountedEvent>,
  payloads: readonly RollupPayload[],
  zone: TimeZoneId,
): string[] {
  const occurrences = occurrencesOf([...recorded]).filter(({ url }) => url === undefined);
  return disagreements(plainRollups(occurrences, zone), sumsOf(recordsOf(payloads, zone)));
}
