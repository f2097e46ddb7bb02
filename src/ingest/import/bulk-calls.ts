/**
 * An import's calls to intake: several in flight, so that one's events are judged while another's are stored, and no more,
 * so that a slow database or a full inbox slows the reading of the file down (accept-bulk.ts).
 */
import type { EventInput } from "../../events/event.js";
import { acceptBulk, type BulkOptions, isPassing } from "../accept-bulk.js";
import type { IntakeAnswer } from "../inbox-writer.js";

export interface Batch {
  readonly events: readonly EventInput[];
  /** Of each event, where it stands in the file. */
  readonly lines: readonly number[];
}

export interface BulkCallsOptions extends BulkOptions {
  readonly maxCallsInFlight: number;
  readonly onAnswer: (batch: Batch, answer: IntakeAnswer) => void;
}

export class BulkCalls {
  readonly #options: BulkCallsOptions;
  /** In the order of the file, from the first that is not stored; the stored ones behind it wait for it, without their events. */
  readonly #unsettled: { readonly lastLine: number; isStored: boolean }[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  #durableThroughLine = 0;

  constructor(options: BulkCallsOptions) {
    this.#options = options;
  }

  /** Up to here everything that was sent is durable or refused. */
  get durableThroughLine(): number {
    return this.#durableThroughLine;
  }

  /** Whether all that was sent is stored. */
  get isSettled(): boolean {
    return this.#unsettled.length === 0;
  }

  /** Resolves when there is room for the next call. Throws what an earlier one failed with. */
  async send(batch: Batch): Promise<void> {
    this.#throwFailure();
    const call = this.#deliver(batch);
    this.#inFlight.add(call);
    void call.finally(() => this.#inFlight.delete(call));
    while (this.#inFlight.size >= this.#options.maxCallsInFlight) await Promise.race(this.#inFlight);
    this.#throwFailure();
  }

  /** Waits for the calls in flight; never throws. */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** Waits for the calls in flight. Throws what one of them failed with. */
  async finish(): Promise<void> {
    await this.settle();
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Never rejects: the first failure is kept for the next send or finish. */
  async #deliver(batch: Batch): Promise<void> {
    const entry = { lastLine: batch.lines.at(-1) ?? 0, isStored: false };
    this.#unsettled.push(entry);
    try {
      this.#options.onAnswer(batch, await acceptBulk(this.#options, batch.events));
      entry.isStored = true;
    } catch (error) {
      // Cut short by whoever asked for the end: no failure, but not stored either.
      if (!(this.#options.signal?.aborted === true && isPassing(error))) this.#failure ??= { error };
    }
    while (this.#unsettled[0]?.isStored === true) {
      this.#durableThroughLine = this.#unsettled.shift()?.lastLine ?? this.#durableThroughLine;
    }
  }
}
