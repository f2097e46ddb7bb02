/**
 * An import's calls to intake: several in flight, so that one's events are judged while another's are stored, and no more,
 * so that a slow database slows the reading of the file down. A call that fails because a part is away is made again, with
 * growing pauses, for a bounded time; making it again counts nothing twice, since every event has an id of its own or one
 * derived from its content.
 */
import { setTimeout as pause } from "node:timers/promises";
import { PublicError } from "../../errors.js";
import type { EventInput } from "../../events/event.js";
import { LANES } from "../../events/outbox.js";
import type { TenantId } from "../../ids.js";
import type { IntakeAnswer } from "../inbox-writer.js";
import type { Intake } from "../intake.js";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

export interface Batch {
  readonly events: readonly EventInput[];
  /** Of each event, where it stands in the file. */
  readonly lines: readonly number[];
}

export interface BulkCallsOptions {
  readonly intake: Intake;
  readonly tenantId: TenantId;
  readonly maxCallsInFlight: number;
  /** How long one call is made again and again before it counts as failed. */
  readonly retryForMs: number;
  /** Ends the pauses: what cannot be stored at the first attempt is left. */
  readonly signal?: AbortSignal | undefined;
  readonly onAnswer: (batch: Batch, answer: IntakeAnswer) => void;
}

export class BulkCalls {
  readonly #options: BulkCallsOptions;
  /** In the order of the file, from the first that is not stored; the stored ones behind it wait for it. */
  readonly #unsettled: { readonly batch: Batch; isStored: boolean }[] = [];
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
    const entry = { batch, isStored: false };
    this.#unsettled.push(entry);
    try {
      this.#options.onAnswer(batch, await this.#acceptPatiently(batch));
      entry.isStored = true;
    } catch (error) {
      // Cut short by whoever asked for the end: no failure, but not stored either.
      if (!(this.#options.signal?.aborted === true && isPassing(error))) this.#failure ??= { error };
    }
    while (this.#unsettled[0]?.isStored === true) {
      this.#durableThroughLine = this.#unsettled.shift()?.batch.lines.at(-1) ?? this.#durableThroughLine;
    }
  }

  async #acceptPatiently(batch: Batch): Promise<IntakeAnswer> {
    const { intake, tenantId, retryForMs, signal } = this.#options;
    const deadline = performance.now() + retryForMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await intake.accept({ tenantId, lane: LANES.BULK, events: batch.events });
      } catch (error) {
        if (!isPassing(error) || signal?.aborted === true || performance.now() >= deadline) throw error;
        // Jitter, so that the calls in flight and other imports do not come back all at once.
        const waitMs = Math.max(pauseMs, (error.retryAfterSeconds ?? 0) * 1000) * (0.75 + Math.random() / 2);
        await pause(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      }
    }
  }
}

function isPassing(error: unknown): error is PublicError {
  return error instanceof PublicError && (error.code === "UNAVAILABLE" || error.code === "OVERLOADED");
}
