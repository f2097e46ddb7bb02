/**
 * The registered documents as a server knows them. An id keeps its document until that is removed, so what was read can be wrong
 * in one way only: that it was removed since, whether or not the id has been given another one. It is therefore read again after a
 * minute, and used on for as long as the database is away.
 *
 * Made-up ids must not take the database's connections from others: whatever is asked for while a look-up is under way goes
 * into the next one, and none begins before the last has ended, so that one connection is all that they can hold. While one
 * takes too long nobody waits for it: it is an outage for whoever asks.
 */
import { LRUCache } from "lru-cache";
import { DatabaseUnreachable, isDatabaseAway } from "../database/database-away.js";
import type { Pool } from "../database/pool.js";
import { PublicError } from "../errors.js";
import { growingLru } from "../growing-lru.js";
import { readWithoutTenant } from "../tenancy/transactions.js";
import { withinTime } from "../within-time.js";
import type { DocumentId } from "./document-id.js";
import { findDocuments, type TrustedDocument } from "./trusted-documents.js";

export interface FoundDocument {
  readonly document: string;
  /** From then on it is looked for again, in milliseconds since the Unix epoch. */
  readonly endsAt: number;
}

interface DirectoryOptions {
  readonly metrics: Pool<"metrics">;
  /** How long a document may be answered with that was removed. */
  readonly maxAgeMs?: number;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
}

type Reading = PromiseWithResolvers<FoundDocument | null>;

const DEFAULT_MAX_AGE_MS = 60_000;
/** Short, as a document is often registered just before it is asked for. */
const ABSENT_TTL_MS = 1_000;
const MAX_BYTES = 16_000_000;
const BYTES_PER_ENTRY = 500;
const MAX_ABSENT = 20_000;
const MAX_TOGETHER = 500;
const LOOKUP_TIMEOUT_MS = 2_000;
/** After a failure the database is left alone this long by whoever has an old reading to go on with. */
const OUTAGE_PAUSE_MS = 1_000;

export class DocumentDirectory {
  readonly #metrics: Pool<"metrics">;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  readonly #known = new LRUCache<DocumentId, FoundDocument>({ maxSize: MAX_BYTES });
  readonly #absent = growingLru<DocumentId, true>(MAX_ABSENT, { ttlMs: ABSENT_TTL_MS });
  readonly #waiting = new Map<DocumentId, Reading>();
  #isReading = false;
  /** Whether the one under way takes longer than anybody should wait. */
  #isOverdue = false;
  #failedAt = -Infinity;

  constructor({ metrics, maxAgeMs = DEFAULT_MAX_AGE_MS, now = () => Date.now() }: DirectoryOptions) {
    this.#metrics = metrics;
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  /** Null where none is registered under the id. Throws UNAVAILABLE where that cannot be told at the moment. */
  async find(id: DocumentId): Promise<FoundDocument | null> {
    const known = this.#known.get(id);
    const left = (known?.endsAt ?? 0) - this.#now();
    // A clock that was turned back makes it too old rather than fresh for long.
    if (known !== undefined && left > 0 && left <= this.#maxAgeMs) return known;
    if (this.#absent.has(id)) return null;
    if (known !== undefined && Math.abs(this.#now() - this.#failedAt) < OUTAGE_PAUSE_MS) return known;
    try {
      return await this.#read(id);
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      this.#failedAt = this.#now();
      if (known !== undefined) return known;
      const message = "Documents cannot be looked up right now; try again.";
      throw new PublicError("UNAVAILABLE", message, { cause: error, retryAfterSeconds: 1 });
    }
  }

  #read(id: DocumentId): Promise<FoundDocument | null> {
    if (this.#isOverdue) return Promise.reject(new DatabaseUnreachable("A look-up takes too long"));
    let reading = this.#waiting.get(id);
    if (reading === undefined) this.#waiting.set(id, (reading = Promise.withResolvers()));
    if (!this.#isReading) void this.#readWaiting();
    return reading.promise;
  }

  async #readWaiting(): Promise<void> {
    this.#isReading = true;
    while (this.#waiting.size > 0) {
      const readings = this.#takeWaiting(MAX_TOGETHER);
      const reading = this.#answer(readings);
      try {
        await withinTime(reading, LOOKUP_TIMEOUT_MS, (message) => new DatabaseUnreachable(message));
      } catch (error) {
        this.#isOverdue = true;
        for (const each of [...readings.values(), ...this.#takeWaiting().values()]) each.reject(error);
        await reading;
        this.#isOverdue = false;
      }
    }
    this.#isReading = false;
  }

  #takeWaiting(most = Infinity): ReadonlyMap<DocumentId, Reading> {
    const taken = new Map([...this.#waiting].slice(0, most));
    for (const id of taken.keys()) this.#waiting.delete(id);
    return taken;
  }

  /** Never rejects. What came too late for those who asked is still kept for the next. */
  async #answer(readings: ReadonlyMap<DocumentId, Reading>): Promise<void> {
    const endsAt = this.#now() + this.#maxAgeMs;
    try {
      const rows = await this.#query([...readings.keys()]);
      const documents = new Map(rows.map(({ id, document }) => [id, document]));
      for (const [id, reading] of readings) reading.resolve(this.#keep(id, documents.get(id), endsAt));
    } catch (error) {
      for (const reading of readings.values()) reading.reject(error);
    }
  }

  async #query(ids: readonly DocumentId[]): Promise<readonly TrustedDocument[]> {
    const run = () => readWithoutTenant(this.#metrics, (session) => findDocuments(session, ids));
    try {
      return await run();
    } catch (error) {
      // After a restart of the database the pool still holds dead connections: one of them is no outage.
      if (!isDatabaseAway(error)) throw error;
      return run();
    }
  }

  #keep(id: DocumentId, document: string | undefined, endsAt: number): FoundDocument | null {
    if (document === undefined) {
      this.#known.delete(id);
      this.#absent.set(id, true);
      return null;
    }
    const found: FoundDocument = { document, endsAt };
    this.#known.set(id, found, { size: BYTES_PER_ENTRY + document.length });
    return found;
  }
}
