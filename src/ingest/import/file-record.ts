/** What a file holds, record by record: an event to hand in, or why there is none. */
import type { EventInput } from "../../events/event.js";
import type { RefusalCode } from "../judge-event.js";
import type { Line } from "./line-splitter.js";

/** Why a record was not taken; in the words of intake, which judges those that can be read. */
export interface RefusalReason {
  readonly code: RefusalCode;
  /** The field at fault, or null where it is the whole record. */
  readonly field: string | null;
  readonly message: string;
}

/** `line` is the record's in the file, from 1; the first one of a record that spans several. */
export type FileRecord =
  | { readonly line: number; readonly event: EventInput }
  | { readonly line: number; readonly refusal: RefusalReason };

/** Reads one format. Fed with every line of the file in order; a record may come out later than its first line went in. */
export interface RecordReader {
  read(lines: readonly Line[]): FileRecord[];
  /** What is left when the file has ended. */
  end(): FileRecord[];
}

export const FILE_FORMATS = ["csv", "ndjson"] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];
