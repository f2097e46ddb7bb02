/** One import on its way: chunks become lines, lines records, records calls. Memory holds a chunk and the calls in flight. */
import type { EventInput } from "../../events/event.js";
import type { TenantId } from "../../ids.js";
import type { IntakeAnswer } from "../inbox-writer.js";
import type { Intake } from "../intake.js";
import { type Batch, BulkCalls } from "./bulk-calls.js";
import type { FileRecord, RecordReader } from "./file-record.js";
import type { ImportProgress, ImportSummary } from "./import-progress.js";
import type { ImportSource } from "./import-source.js";
import { MAX_LINE_BYTES } from "./line-faults.js";
import { LineSplitter } from "./line-splitter.js";

/** A call is made before it is full where its events are that long: memory is bounded by bytes, not only by events. */
const MAX_BATCH_BYTES = 4_000_000;

interface ImportRunOptions {
  readonly source: ImportSource;
  readonly reader: RecordReader;
  readonly tenantId: TenantId;
  readonly intake: Intake;
  readonly progress: ImportProgress;
  readonly signal?: AbortSignal | undefined;
  readonly maxCallsInFlight: number;
  readonly retryForMs: number;
}

export class ImportRun {
  readonly #options: ImportRunOptions;
  readonly #calls: BulkCalls;
  #events: EventInput[] = [];
  #lines: number[] = [];
  #batchBytes = 0;
  #lastLine = 0;
  #isComplete = false;
  #recordCount = 0;
  #acceptedCount = 0;
  #refusedCount = 0;
  #isInboxFull = false;

  constructor(options: ImportRunOptions) {
    this.#options = options;
    this.#calls = new BulkCalls({
      ...options,
      onAnswer: (batch, answer) => this.#settleBatch(batch, answer),
      onFull: () => this.#noteFull(),
    });
  }

  get summary(): ImportSummary {
    return {
      lines: this.#recordCount,
      accepted: this.#acceptedCount,
      refused: this.#refusedCount,
      durableThroughLine: this.#isComplete ? this.#lastLine : this.#calls.durableThroughLine,
      interrupted: this.#isInterrupted && !this.#isComplete,
    };
  }

  get #isInterrupted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  /** Reads and hands in the whole file, or as much as the signal allows. Throws what ends it before. */
  async readAll(): Promise<void> {
    const { source, reader } = this.#options;
    const splitter = new LineSplitter(MAX_LINE_BYTES);
    try {
      for await (const chunk of source.chunks()) {
        if (this.#isInterrupted) break;
        await this.#take(reader.read(splitter.push(chunk)));
        this.#batchBytes += chunk.length;
        if (this.#batchBytes >= MAX_BATCH_BYTES) await this.#send();
        this.#report();
      }
    } catch (error) {
      // The signal ends the reading by destroying the stream; what a call failed with is thrown below as well.
      if (!this.#isInterrupted) throw error;
    }
    const isWhole = !this.#isInterrupted;
    if (isWhole) {
      await this.#take([...reader.read(splitter.end()), ...reader.end()]);
      await this.#send();
    }
    await this.#calls.finish();
    this.#isComplete = isWhole && this.#events.length === 0 && this.#calls.isSettled;
    this.#report();
  }

  /** Waits for the calls in flight; never throws. */
  settle(): Promise<void> {
    return this.#calls.settle();
  }

  async #take(records: readonly FileRecord[]): Promise<void> {
    const { maxEventsPerCall } = this.#options.intake.limits;
    for (const record of records) {
      this.#recordCount++;
      this.#lastLine = record.line;
      if ("refusal" in record) {
        this.#refusedCount++;
        this.#options.progress.refused(record.line, record.refusal);
        continue;
      }
      this.#events.push(record.event);
      this.#lines.push(record.line);
      if (this.#events.length >= maxEventsPerCall) await this.#send();
    }
  }

  async #send(): Promise<void> {
    if (this.#events.length === 0 || this.#isInterrupted) return;
    const batch: Batch = { events: this.#events, lines: this.#lines };
    this.#events = [];
    this.#lines = [];
    this.#batchBytes = 0;
    await this.#calls.send(batch);
  }

  #noteFull(): void {
    this.#isInboxFull = true;
    this.#report();
  }

  #settleBatch(batch: Batch, answer: IntakeAnswer): void {
    this.#isInboxFull = false;
    this.#acceptedCount += answer.acceptedCount;
    this.#refusedCount += answer.refused.length;
    for (const { index, code, field, message } of answer.refused) {
      this.#options.progress.refused(batch.lines[index] ?? 0, { code, field, message });
    }
    this.#report();
  }

  #report(): void {
    const { bytesRead, totalBytes } = this.#options.source;
    this.#options.progress.update({
      bytesRead,
      totalBytes,
      lines: this.#recordCount,
      accepted: this.#acceptedCount,
      refused: this.#refusedCount,
      isInboxFull: this.#isInboxFull,
    });
  }
}
