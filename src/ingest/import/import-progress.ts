import type { RefusalReason } from "./file-record.js";

/** Lines are records here: blank lines and a CSV file's header are none. */
export interface ImportSummary {
  readonly lines: number;
  /** Durable when this is told. Those that the log holds already are among them, and count once all the same. */
  readonly accepted: number;
  readonly refused: number;
  /** Every line of the file up to this one (its number) is durable or refused; 0 where none is. */
  readonly durableThroughLine: number;
  /** Stopped by the signal before the end of the file. */
  readonly interrupted: boolean;
}

export interface ImportState {
  /** Of the file as it lies there, packed or not. */
  readonly bytesRead: number;
  /** Null where it is not known beforehand: standard input. */
  readonly totalBytes: number | null;
  readonly lines: number;
  readonly accepted: number;
  readonly refused: number;
  /** Too much waits to be recorded: the import rests until there is room. */
  readonly isInboxFull: boolean;
}

/** Who is told how an import goes. `done` comes once and last, also where the import fails. */
export interface ImportProgress {
  update(state: ImportState): void;
  /** Lines may come out of order: several calls are in flight. */
  refused(line: number, refusal: RefusalReason): void;
  done(summary: ImportSummary): void;
}
