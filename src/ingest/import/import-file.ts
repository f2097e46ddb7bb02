/**
 * Bulk import of a file of any size in bounded memory, through the same door as all other events and in the lane behind the
 * live ones. It needs no bookkeeping: an import that was interrupted is run again as it is, and what the log holds already
 * counts once, by the ids that the file gives or that are derived from an event's content.
 */
import { PublicError } from "../../errors.js";
import type { TenantId } from "../../ids.js";
import type { Intake } from "../intake.js";
import { CsvReader } from "./csv-reader.js";
import type { FileFormat } from "./file-record.js";
import type { ImportProgress, ImportSummary } from "./import-progress.js";
import { ImportRun } from "./import-run.js";
import { formatOf, openSource } from "./import-source.js";
import { NdjsonReader } from "./ndjson-reader.js";

const DEFAULT_CALLS_IN_FLIGHT = 4;
const DEFAULT_RETRY_FOR_MS = 5 * 60_000;

export interface ImportOptions {
  /** "-" is standard input. What begins as gzip does is unpacked. */
  readonly path: string;
  readonly tenantId: TenantId;
  readonly intake: Intake;
  /** By the file's extension where it is left out. */
  readonly format?: FileFormat;
  readonly progress: ImportProgress;
  /** Stops reading; calls in flight are finished and the summary says how far the import came. */
  readonly signal?: AbortSignal;
  readonly maxCallsInFlight?: number;
  /** How long a call that cannot be stored is made again before the import stops. */
  readonly retryForMs?: number;
}

/**
 * Throws BAD_INPUT where the file cannot be read or its header is wrong (then nothing was recorded), and a PublicError that
 * names the last line that is surely durable where the import has to stop on its way.
 */
export async function importFile(options: ImportOptions): Promise<ImportSummary> {
  const format = options.format ?? formatOf(options.path);
  const source = await openSource(options.path);
  const stop = (): void => source.stop();
  options.signal?.addEventListener("abort", stop, { once: true });
  const run = new ImportRun({
    ...options,
    source,
    reader: format === "csv" ? new CsvReader() : new NdjsonReader(),
    maxCallsInFlight: options.maxCallsInFlight ?? DEFAULT_CALLS_IN_FLIGHT,
    retryForMs: options.retryForMs ?? DEFAULT_RETRY_FOR_MS,
  });
  try {
    await run.readAll();
  } catch (error) {
    await run.settle();
    throw stopped(error, run.summary);
  } finally {
    options.signal?.removeEventListener("abort", stop);
    source.stop();
    options.progress.done(run.summary);
  }
  return run.summary;
}

function stopped(error: unknown, { lines, durableThroughLine }: ImportSummary): PublicError {
  const [code, reason] =
    error instanceof PublicError
      ? [error.code, error.message]
      : (["INTERNAL", "Something unforeseen failed."] as const);
  // A file whose first lines cannot be read is better told without advice to run it again.
  if (lines === 0 && error instanceof PublicError) return error;
  const reached = `The import stopped; every line through ${durableThroughLine} is durable or refused`;
  return new PublicError(code, `${reason} ${reached}. Run it again as it is: nothing counts twice.`, { cause: error });
}
