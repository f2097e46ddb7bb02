import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { messageOf, PublicError } from "../../errors.js";
import { FILE_FORMATS, type FileFormat } from "./file-record.js";

const CHUNK_BYTES = 128 * 1024;

export interface ImportSource {
  readonly totalBytes: number | null;
  readonly bytesRead: number;
  /** The content, unpacked where it begins as gzip does. Throws BAD_INPUT where the file cannot be read. */
  chunks(): AsyncGenerator<Buffer, void, undefined>;
  /** Ends the reading, also one that waits for more: chunks() then throws. */
  stop(): void;
}

/** "-" is standard input. */
export async function openSource(path: string): Promise<ImportSource> {
  if (path === "-") return sourceOf(process.stdin, path, null);
  try {
    const { size } = await stat(path);
    return sourceOf(createReadStream(path, { highWaterMark: CHUNK_BYTES }), path, size);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** By extension, before one of .gz: .csv; .ndjson or .jsonl. Throws BAD_INPUT for any other. */
export function formatOf(path: string): FileFormat {
  const extension = /\.(csv|ndjson|jsonl)(?:\.gz)?$/i.exec(path)?.[1]?.toLowerCase();
  if (extension === undefined) {
    const where = path === "-" ? "Standard input" : JSON.stringify(path);
    throw new PublicError("BAD_INPUT", `${where} has no known extension: say the format (${FILE_FORMATS.join(", ")}).`);
  }
  return extension === "csv" ? "csv" : "ndjson";
}

function sourceOf(stream: Readable, path: string, totalBytes: number | null): ImportSource {
  let bytesRead = 0;
  async function* raw(): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytesRead += chunk.length;
      yield chunk;
    }
  }
  async function* chunks(): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* unpacked(raw());
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      stream.destroy();
    }
  }
  return {
    totalBytes,
    get bytesRead() {
      return bytesRead;
    },
    chunks,
    stop: () => stream.destroy(),
  };
}

/** Told by its first two bytes, with which no text begins. */
async function* unpacked(raw: AsyncGenerator<Buffer, void, undefined>): AsyncGenerator<Buffer, void, undefined> {
  let start: Buffer = Buffer.alloc(0);
  while (start.length < 2) {
    const next = await raw.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  if (start.length === 0) return;
  if (start[0] === 0x1f && start[1] === 0x8b) {
    async function* packed() {
      yield start;
      yield* raw;
    }
    // The error of either end reaches the loop over what comes out.
    yield* pipeline(packed, createGunzip({ chunkSize: CHUNK_BYTES }), () => undefined) as AsyncIterable<Buffer>;
    return;
  }
  yield start;
  yield* raw;
}

function unreadable(path: string, error: unknown): PublicError {
  const name = path === "-" ? "standard input" : path;
  return new PublicError("BAD_INPUT", `Cannot read ${name}: ${messageOf(error)}.`, { cause: error });
}
