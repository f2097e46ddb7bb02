/**
 * Answers kept in the process and in Redis. The tenant's version is read before anything is looked up or loaded, and is part
 * of where the answer lies: see tenant-states.ts. From that follows what the cache promises:
 *   - an answer is served only while the database still names the version that was read before the answer was loaded;
 *   - whoever shares a load that already runs has read the same version, so the load shows at least what they may expect;
 *   - nothing has to be invalidated: what is out of date is never asked for again. The process drops it when it keeps something newer
 *     of the tenant (newest-answers.ts), from Redis it goes by age.
 * It holds only if `load` sees what was committed before it is called: it must not read from an older snapshot or a replica.
 * Two installations that hold the same tenants must not share a Redis database.
 */
import { type CacheKey, type Place, placeOf } from "./cache-key.js";
import type { JsonValue } from "./json-value.js";
import { ProcessLayer, type StoredAnswer } from "./process-layer.js";
import type { RedisLayer } from "./redis-layer.js";
import { SingleFlight } from "./single-flight.js";
import { DEFAULT_TTL_SECONDS, type TtlClass } from "./ttl-class.js";

/** Where an answer came from. Sharing another request's load or look-up counts as "process", so a miss is one load. */
export type CacheLayer = "process" | "redis" | "miss";

export interface CacheOptions {
  /** Null where there is none: every process then keeps its own answers only. */
  readonly redis: RedisLayer | null;
  readonly ttlSeconds?: Readonly<Record<TtlClass, number>>;
  /** Of the answers in the process, about. */
  readonly maxBytes?: number;
  readonly onHit?: (layer: CacheLayer) => void;
  /** Milliseconds since the Unix epoch: ages count across processes. */
  readonly now?: () => number;
}

export interface CachedAnswer<T> {
  /** Others get the same object: frozen where it is kept, and never to be changed. */
  readonly value: T;
  /** Null where the answer was loaded just now. */
  readonly ageSeconds: number | null;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024 ** 2;

export class Cache {
  readonly #redis: RedisLayer | null;
  readonly #process: ProcessLayer;
  readonly #lookUps = new SingleFlight<StoredAnswer | null>();
  readonly #loads = new SingleFlight<StoredAnswer>();
  readonly #ttlSeconds: Readonly<Record<TtlClass, number>>;
  readonly #onHit: (layer: CacheLayer) => void;
  readonly #now: () => number;

  constructor(options: CacheOptions) {
    this.#redis = options.redis;
    this.#process = new ProcessLayer({ maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES });
    this.#ttlSeconds = options.ttlSeconds ?? DEFAULT_TTL_SECONDS;
    this.#onHit = options.onHit ?? (() => undefined);
    this.#now = options.now ?? (() => Date.now());
  }

  /**
   * The answer to the key's question, loaded where none is found. Rejects with what `load` throws, which is not kept.
   *
   * `turn` is waited for before a load is begun or shared: whoever needs a turn to load has one already when others, who hold theirs, wait
   * for the load. Otherwise all turns may be held by those who wait for one that has none.
   */
  async getOrLoad<T>(
    key: CacheKey,
    ttlClass: TtlClass,
    load: () => Promise<T>,
    turn?: () => Promise<void>,
  ): Promise<CachedAnswer<T>> {
    const place = placeOf(key);
    const { address } = place;
    const kept = this.#process.get(address, this.#now());
    if (kept !== undefined) return this.#deliver("process", kept);
    if (this.#redis !== null) {
      const { joined, result } = this.#lookUps.run(address, () => this.#lookUp(place));
      const found = await result;
      if (found !== null) return this.#deliver(joined ? "process" : "redis", found);
    }
    if (turn !== undefined) {
      await turn();
      // Somebody else may have had it loaded meanwhile.
      const loaded = this.#process.get(address, this.#now());
      if (loaded !== undefined) return this.#deliver("process", loaded);
    }
    const { joined, result } = this.#loads.run(address, () =>
      this.#load(place, this.#ttlSeconds[ttlClass] * 1000, load),
    );
    return this.#deliver(joined ? "process" : "miss", await result, { isNew: true });
  }

  /** When an answer of this class ends that is made now, in milliseconds since the Unix epoch. */
  expiryOf(ttlClass: TtlClass): number {
    return this.#now() + this.#ttlSeconds[ttlClass] * 1000;
  }

  async #lookUp(place: Place): Promise<StoredAnswer | null> {
    const shared = readStored((await this.#redis?.get(place.address)) ?? null);
    if (shared === null || this.#now() >= shared.expiresAt) return null;
    this.#process.set(place, shared);
    return shared;
  }

  async #load(place: Place, ttlMs: number, load: () => Promise<unknown>): Promise<StoredAnswer> {
    const value = (await load()) as JsonValue;
    const storedAt = this.#now();
    const answer: StoredAnswer = { storedAt, expiresAt: storedAt + ttlMs, value };
    if (ttlMs > 0) {
      this.#process.set(place, answer);
      this.#redis?.set(place.address, JSON.stringify(answer), ttlMs);
    }
    return answer;
  }

  #deliver<T>(layer: CacheLayer, answer: StoredAnswer, { isNew = false } = {}): CachedAnswer<T> {
    this.#onHit(layer);
    // The clocks of two servers differ a little: what another one stored may seem to be of the future.
    const ageSeconds = isNew ? null : Math.max(0, (this.#now() - answer.storedAt) / 1000);
    return { value: answer.value as unknown as T, ageSeconds, expiresAt: answer.expiresAt };
  }
}

/** What another process stored; null for what is no stored answer. */
function readStored(text: string | null): StoredAnswer | null {
  if (text === null) return null;
  try {
    const { storedAt, expiresAt, value } = JSON.parse(text) as Partial<StoredAnswer>;
    if (typeof storedAt !== "number" || typeof expiresAt !== "number" || value === undefined) return null;
    return { storedAt, expiresAt, value };
  } catch {
    return null;
  }
}
