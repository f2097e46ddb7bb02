import { LRUCache } from "lru-cache";
import type { RedisLayer } from "../cache/redis-layer.js";

/** Of the documents in the process, about. */
const MAX_BYTES = 4_000_000;
const BYTES_PER_ENTRY = 200;
const TTL_MS = 24 * 3_600_000;
/** Longer ones are executed, and sent whole the next time too: anybody with a key can have any number kept, for a point each. */
const MAX_DOCUMENT_CHARS = 20_000;

/**
 * Documents that clients sent once and ask for by their hash from then on (Apollo's automatic persisted queries), in the process
 * and in Redis. Whoever knows a hash may ask with it: a document is no secret, and is executed with the asker's own authority.
 * Where one is lost, or Redis is away, the client is told that it is not found and sends it again.
 */
export class PersistedQueries {
  readonly #redis: RedisLayer | null;
  readonly #process = new LRUCache<string, string>({ maxSize: MAX_BYTES, ttl: TTL_MS });

  constructor(redis: RedisLayer | null) {
    this.#redis = redis;
  }

  async get(key: string): Promise<string | undefined> {
    const kept = this.#process.get(key);
    if (kept !== undefined) return kept;
    const shared = (await this.#redis?.get(addressOf(key))) ?? undefined;
    if (shared !== undefined) this.#keep(key, shared);
    return shared;
  }

  async set(key: string, document: string): Promise<void> {
    if (document.length > MAX_DOCUMENT_CHARS) return;
    this.#keep(key, document);
    this.#redis?.set(addressOf(key), document, TTL_MS);
  }

  async delete(key: string): Promise<void> {
    this.#process.delete(key);
  }

  #keep(key: string, document: string): void {
    this.#process.set(key, document, { size: BYTES_PER_ENTRY + document.length });
  }
}

function addressOf(key: string): string {
  return `mailtally:${key}`;
}
