import type { RefusalReason } from "./file-record.js";
import type { LineFault } from "./line-splitter.js";

/** No event comes near it: what it may hold at most adds up to some 40,000 characters. */
export const MAX_LINE_BYTES = 1_000_000;

export const LINE_FAULTS: Readonly<Record<LineFault, RefusalReason>> = {
  TOO_LONG: { code: "TOO_LARGE", field: null, message: `The line is longer than ${MAX_LINE_BYTES} bytes.` },
  NOT_UTF8: { code: "INVALID", field: null, message: "The line is not UTF-8." },
};
