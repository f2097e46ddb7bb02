import type { Logger } from "./logger.js";

const INTERVAL_MS = 10_000;
/** More kinds than there are messages of ours: none of them is a client's to make up. */
const MAX_KINDS = 100;

/**
 * Warnings of what every request meets while a part is away: one of a kind in ten seconds, which tells how many there were since the
 * one before. A stack trace for each would fill the disk when there is trouble enough.
 */
export class SparseWarnings {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #kinds = new Map<string, { nextAt: number; unsaid: number }>();

  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** `message` tells the kind. */
  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    const now = this.#now();
    const kind = this.#kinds.get(message);
    if (kind !== undefined && now < kind.nextAt) {
      kind.unsaid++;
      return;
    }
    if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
    this.#kinds.set(message, { nextAt: now + INTERVAL_MS, unsaid: 0 });
    const unsaid = kind?.unsaid ?? 0;
    this.#log.warn({ ...fields, ...(unsaid > 0 && { unsaidBefore: unsaid }) }, message);
  }
}
