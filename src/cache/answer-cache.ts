/**
 * Whole answers as they go over the wire, in the process and in Redis. They lie where placeOf says, as the parts of answers
 * in cache.ts do, and keep what that promises: the version in the address was read before anything of the answer was loaded.
 * Nothing of them is parsed or printed again between Redis and the socket.
 */
import type { CacheLayer } from "./cache.js";
import type { Place } from "./cache-key.js";
import { KeptBody } from "./kept-body.js";
import { NewestAnswers } from "./newest-answers.js";
import type { RedisLayer } from "./redis-layer.js";

export interface WholeAnswer {
  readonly contentType: string;
  readonly body: KeptBody;
  /** What the operation was priced at. */
  readonly requestedCost: number;
}

interface AnswerCacheOptions {
  readonly redis: RedisLayer | null;
  /** Of the answers in the process, about; 0 keeps none. */
  readonly maxBytes: number;
  readonly onHit?: (layer: CacheLayer) => void;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
}

interface Stored {
  readonly expiresAt: number;
  readonly answer: WholeAnswer;
}

/** A larger one is made anew each time: it would push many others out. */
const MAX_ANSWER_BYTES = 1_000_000;
/** What an entry takes besides its body. */
const BYTES_PER_ENTRY = 600;
/** For a body, with what it is compressed to (http/compression.ts). */
const BYTES_PER_BODY_BYTE = 1.25;
const NEWLINE = 10;
const MAX_HEAD_BYTES = 200;

export class AnswerCache {
  readonly #redis: RedisLayer | null;
  readonly #process: NewestAnswers<Stored>;
  readonly #onHit: (layer: CacheLayer) => void;
  readonly #now: () => number;

  constructor({ redis, maxBytes, onHit = () => undefined, now = () => Date.now() }: AnswerCacheOptions) {
    this.#redis = redis;
    this.#process = new NewestAnswers({ maxBytes });
    this.#onHit = onHit;
    this.#now = now;
  }

  /** Null where there is none. Never rejects. */
  async get(place: Place): Promise<WholeAnswer | null> {
    const { address } = place;
    const kept = this.#process.get(address);
    if (kept !== undefined && this.#now() < kept.expiresAt) return this.#found(kept, "process");
    const text = this.#redis === null ? null : await this.#redis.getBytes(address);
    const stored = text === null ? null : readStored(text);
    if (stored === null || this.#now() >= stored.expiresAt) {
      this.#onHit("miss");
      return null;
    }
    return this.#found(this.#keep(place, stored), "redis");
  }

  /** `expiresAt`: milliseconds since the Unix epoch. What is too large is not kept. */
  set(place: Place, answer: WholeAnswer, expiresAt: number): void {
    const ttlMs = Math.floor(expiresAt - this.#now());
    if (ttlMs < 1 || answer.body.byteLength > MAX_ANSWER_BYTES) return;
    const stored = { expiresAt, answer };
    this.#keep(place, stored);
    this.#redis?.set(place.address, writeStored(stored), ttlMs);
  }

  #keep(place: Place, stored: Stored): Stored {
    const { byteLength } = stored.answer.body;
    this.#process.set(place, stored, BYTES_PER_ENTRY + Math.ceil(byteLength * BYTES_PER_BODY_BYTE));
    return stored;
  }

  #found({ answer }: Stored, layer: CacheLayer): WholeAnswer {
    this.#onHit(layer);
    return answer;
  }
}

/** One line of when it ends, its price and what it is, then the body. */
function writeStored({ expiresAt, answer: { contentType, requestedCost, body } }: Stored): Buffer {
  return Buffer.concat([Buffer.from(`${expiresAt} ${requestedCost} ${contentType}\n`), body.plain]);
}

/** Null for what is nothing of the kind. */
function readStored(bytes: Buffer): Stored | null {
  const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf(NEWLINE);
  const head = /^(\d+) (\d+) (\S.*)$/.exec(bytes.toString("latin1", 0, Math.max(0, end)));
  const [, expiresAt, requestedCost, contentType] = head ?? [];
  if (contentType === undefined) return null;
  const answer = { contentType, requestedCost: Number(requestedCost), body: new KeptBody(bytes.subarray(end + 1)) };
  return { expiresAt: Number(expiresAt), answer };
}
