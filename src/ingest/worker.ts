/**
 * Moves accepted events from the inbox into the event log, batch by batch. One transaction claims a batch, records it and
 * removes it: a worker that dies at any point leaves the batch whole for the next one, and nothing counts twice.
 * Workers may run side by side, in one process and in many.
 */
import type { Pool, Session } from "../database/pool.js";
import { messageOf } from "../errors.js";
import { ErasedRecipients } from "../events/erasures.js";
import { type Lane, LANES } from "../events/outbox.js";
import type { Partitions } from "../events/partitions.js";
import type { Logger } from "../observability/logger.js";
import { beginAsWorker, writeAsWorker } from "../tenancy/transactions.js";
import type { EpochMicros } from "../time/instant.js";
import { WorkLoop } from "../work-loop.js";
import { failRow } from "./dead-letters/fail-row.js";
import { failureOf, isMissingPartition, isTransient } from "./dead-letters/failure.js";
import { claimFromLane, type InboxRow } from "./inbox.js";
import { claimAgain, claimDue, setRowsAside } from "./dead-letters/inbox-retries.js";
import { type BatchResult, eventsOf, recordBatch } from "./record-batch.js";
import { instantAfter, type RetryLimits, retryDelayMs } from "./dead-letters/retries.js";

export interface WorkerOptions {
  readonly events: Pool<"events">;
  readonly partitions: Partitions;
  readonly concurrency: number;
  readonly maxEventsPerBatch: number;
  readonly pollMs: number;
  readonly maxLinksPerCampaign: number;
  /** False: recipients are known by their keys alone. */
  readonly storeAddresses?: boolean;
  readonly retries: RetryLimits;
  readonly now: () => EpochMicros;
  /** Of [0, 1), for the jitter of retries. */
  readonly random?: () => number;
  readonly log: Logger;
  /** Called for each letter that was added to the dead ones. */
  readonly onBuried?: () => void;
  readonly onBatch?: (result: BatchResult & { readonly lane: Lane; readonly seconds: number }) => void;
}

/** So many batches go to the live lane before the bulk lane gets one although live events wait. */
const LIVE_BATCHES_PER_BULK_BATCH = 8;
/** Bulk batches are small, so that a live event that comes during one does not wait long. */
const BULK_SHARE = 0.4;
/** Every so many turns what failed before comes first: one row, so that retries cost the others little and never starve. */
const TURNS_PER_RETRY = 4;
/** Rows at fault that are looked for in one batch: where everything fails, others must not wait for each row of it. */
const MAX_FAULTS_PER_BATCH = 20;

interface Faults {
  left: number;
  /** Whether partitions that were known were looked for again: what still finds none waits apart, and is never buried. */
  partitionsSought: boolean;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #loops: readonly WorkLoop[];
  readonly #erased = new ErasedRecipients();
  #turn = 0;
  #retryTurn = 0;
  #stopping = false;

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
    this.#stopping = true;
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  async #step(): Promise<boolean> {
    return this.#attempt((session) => this.#claim(session));
  }

  /** One transaction with the rows that it claims; what fails for its data's sake is seen to. False: there were none. */
  async #attempt(
    claim: (session: Session<"events">) => Promise<readonly InboxRow[]>,
    faults: Faults = { left: MAX_FAULTS_PER_BATCH, partitionsSought: false },
  ): Promise<boolean> {
    const started = performance.now();
    const transaction = await beginAsWorker(this.#options.events);
    let rows: readonly InboxRow[] = [];
    try {
      rows = await claim(transaction);
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
      if (rows.length > 0 && isMissingPartition(error)) {
        this.#options.partitions.forget();
        if (!faults.partitionsSought) {
          faults.partitionsSought = true;
          return this.#attempt((session) => claimAgain(session, rows), faults);
        }
      } else if (rows.length === 0 || isTransient(error)) throw error;
      await this.#isolate(rows, error, faults);
      return true;
    }
  }

  async #claim(session: Session<"events">): Promise<readonly InboxRow[]> {
    this.#turn += 1;
    const claimRetry = () => claimDue(session, this.#options.now(), (this.#retryTurn += 1));
    const retriesFirst = this.#turn % TURNS_PER_RETRY === 0;
    if (retriesFirst) {
      const rows = await claimRetry();
      if (rows.length > 0) return rows;
    }
    const bulkFirst = this.#turn % (LIVE_BATCHES_PER_BULK_BATCH + 1) === 0;
    for (const lane of bulkFirst ? [LANES.BULK, LANES.LIVE] : [LANES.LIVE, LANES.BULK]) {
      const share = lane === LANES.BULK ? BULK_SHARE : 1;
      const maxEvents = Math.ceil(this.#options.maxEventsPerBatch * share);
      const rows = await claimFromLane(session, lane, maxEvents, this.#turn);
      if (rows.length > 0) return rows;
    }
    return retriesFirst ? [] : claimRetry();
  }

  async #record(session: Session<"events">, rows: readonly InboxRow[]): Promise<BatchResult> {
    const { partitions, maxLinksPerCampaign, storeAddresses, now } = this.#options;
    const events = eventsOf(rows);
    await partitions.ensureFor(events.map(({ event }) => event.occurredAt));
    const shared = { maxLinksPerCampaign, erased: this.#erased, now: now() };
    return recordBatch(session, rows, events, { ...shared, ...(storeAddresses === false && { storeAddresses }) });
  }

  /**
   * After rows failed together: half of them and the other half are tried at once, tenants from tenants first, and so on down
   * to the rows at fault, so that all others count as if they had come without them. After too many faults what fails together
   * waits together: of one tenant, never another's rows beside them.
   */
  async #isolate(rows: readonly InboxRow[], error: unknown, faults: Faults): Promise<void> {
    const { log } = this.#options;
    const tenants = [...Map.groupBy(rows, (row) => row.tenant_id).values()];
    if (tenants.length === 1) {
      if (faults.left <= 0) return this.#setAside(rows, error);
      const [only] = rows;
      if (rows.length === 1 && only !== undefined) {
        faults.left -= 1;
        return this.#fail(only, error);
      }
    }
    log.debug({ error: messageOf(error), rows: rows.length }, "a batch failed; its halves are recorded apart");
    const halves = tenants.length > 1 ? inHalves(tenants).map((half) => half.flat()) : inHalves(rows);
    for (const half of halves) {
      // What is left waits where it was.
      if (this.#stopping) return;
      await this.#attempt((session) => claimAgain(session, half), faults);
    }
  }

  async #setAside(rows: readonly InboxRow[], error: unknown): Promise<void> {
    const { events, log, now, retries, random = Math.random } = this.#options;
    const notBefore = instantAfter(now(), retryDelayMs(1, retries, random()));
    await writeAsWorker(events, (session) => setRowsAside(session, rows, notBefore));
    log.error({ error: messageOf(error), rows: rows.length }, "many rows fail; these will be tried one at a time");
  }

  async #fail(row: InboxRow, error: unknown): Promise<void> {
    const { events, log, now, retries: limits, random = Math.random } = this.#options;
    const maxAttempts = isMissingPartition(error) ? Number.POSITIVE_INFINITY : limits.maxAttempts;
    const options = { limits: { ...limits, maxAttempts }, now: now(), random: random() };
    const fate = await writeAsWorker(events, (session) => failRow(session, row, error, options));
    const { sqlState, ...failure } = failureOf(error);
    // PostgreSQL's error quotes whole rows in its detail; a fault of the program is only found by its stack.
    const what = sqlState === null ? { err: error } : { sqlState, ...failure };
    const context = { ...what, receiptId: row.receipt_id, events: row.event_count, attempts: row.attempts + 1 };
    if (fate === "buried") {
      log.error(context, "an event cannot be recorded and went to the dead letters");
      this.#options.onBuried?.();
    } else log.warn({ ...context, fate }, "events could not be recorded");
  }
}

function inHalves<T>(items: readonly T[]): (readonly T[])[] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}
