/**
 * Moves accepted events from the inbox into the event log, batch by batch. One transaction claims a batch, records it and
 * removes it: a worker that dies at any point leaves the batch whole for the next one, and nothing counts twice.
 * Workers may run side by side, in one process and in many.
 */
import type { Pool, Session } from "../database/pool.js";
import { type Lane, LANES } from "../events/outbox.js";
import type { Partitions } from "../events/partitions.js";
import type { Logger } from "../observability/logger.js";
import { beginAsWorker, writeAsWorker } from "../tenancy/transactions.js";
import type { EpochMicros } from "../time/instant.js";
import { WorkLoop } from "../work-loop.js";
import { isMissingPartition, isTransient, splitOrBury } from "./dead-letters.js";
import { claimFromLane, type InboxRow } from "./inbox.js";
import { type BatchResult, eventsOf, recordBatch } from "./record-batch.js";

export interface WorkerOptions {
  readonly events: Pool<"events">;
  readonly partitions: Partitions;
  readonly concurrency: number;
  readonly maxEventsPerBatch: number;
  readonly pollMs: number;
  readonly maxLinksPerCampaign: number;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** Called for each event that went to the dead letters. */
  readonly onBuried?: () => void;
  readonly onBatch?: (result: BatchResult & { readonly lane: Lane; readonly seconds: number }) => void;
}

/** So many batches go to the live lane before the bulk lane gets one although live events wait. */
const LIVE_BATCHES_PER_BULK_BATCH = 8;
/** Bulk batches are small, so that a live event that comes during one does not wait long. */
const BULK_SHARE = 0.4;

export class Worker {
  readonly #options: WorkerOptions;
  readonly #loops: readonly WorkLoop[];
  #turn = 0;
  /** Rows that are recorded one at a time because a batch with them failed. */
  #careful = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { pollMs: idleMs, log, concurrency } = options;
    this.#loops = Array.from(
      { length: concurrency },
      (_, index) => new WorkLoop({ name: `worker ${index + 1}`, step: () => this.#step(), idleMs, log }),
    );
  }

  /** Says that events came in. */
  wake(): void {
    for (const loop of this.#loops) loop.wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  async #step(): Promise<boolean> {
    const started = performance.now();
    const transaction = await beginAsWorker(this.#options.events);
    let rows: readonly InboxRow[] = [];
    try {
      rows = await this.#claim(transaction);
      const [first] = rows;
      if (first === undefined) {
        await transaction.rollback();
        return false;
      }
      const result = await this.#record(transaction, rows);
      await transaction.commit();
      this.#options.onBatch?.({ ...result, lane: first.lane, seconds: (performance.now() - started) / 1000 });
      return true;
    } catch (error) {
      await transaction.rollback();
      if (isMissingPartition(error)) this.#options.partitions.forget();
      if (rows.length === 0 || isTransient(error)) throw error;
      await this.#isolate(rows, error);
      return true;
    }
  }

  async #claim(session: Session<"events">): Promise<InboxRow[]> {
    this.#turn += 1;
    const bulkFirst = this.#turn % (LIVE_BATCHES_PER_BULK_BATCH + 1) === 0;
    for (const lane of bulkFirst ? [LANES.BULK, LANES.LIVE] : [LANES.LIVE, LANES.BULK]) {
      const share = lane === LANES.BULK ? BULK_SHARE : 1;
      const maxEvents = Math.ceil(this.#options.maxEventsPerBatch * share);
      const rows = await claimFromLane(session, lane, maxEvents, this.#turn);
      if (rows.length === 0) continue;
      if (this.#careful === 0) return rows;
      this.#careful -= 1;
      return rows.slice(0, 1);
    }
    return [];
  }

  async #record(session: Session<"events">, rows: readonly InboxRow[]): Promise<BatchResult> {
    const { partitions, maxLinksPerCampaign, now } = this.#options;
    await partitions.ensureFor(eventsOf(rows).map(({ event }) => event.occurredAt));
    return recordBatch(session, rows, { maxLinksPerCampaign, now: now() });
  }

  /** After a batch failed for its data's sake: many rows are tried one at a time, a lone row is split or buried. */
  async #isolate(rows: readonly InboxRow[], error: unknown): Promise<void> {
    const { events, log, now } = this.#options;
    const [only] = rows;
    if (rows.length > 1 || only === undefined) {
      log.warn({ err: error, rows: rows.length }, "a batch failed; its rows are recorded one at a time");
      this.#careful = Math.max(this.#careful, rows.length);
      return;
    }
    log.error({ err: error, receiptId: only.receipt_id, events: only.event_count }, "a row cannot be recorded");
    const done = await writeAsWorker(events, (session) => splitOrBury(session, only, error, now()));
    if (done === "buried") this.#options.onBuried?.();
  }
}
