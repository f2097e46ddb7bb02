import { LRUCache } from "lru-cache";
import { freezeAndWeigh, type JsonValue } from "./json-value.js";

/** An answer as it is kept. Times are milliseconds since the Unix epoch. */
export interface StoredAnswer {
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly value: JsonValue;
}

/** What an entry takes besides its value: the address, the record, its place in the list. */
const BYTES_PER_ENTRY = 400;

/** The answers that this process keeps, as many as its limits allow; the least recently used go first. */
export class ProcessLayer {
  readonly #answers: LRUCache<string, StoredAnswer>;

  constructor(limits: { readonly maxEntries: number; readonly maxBytes: number }) {
    // No room at all is room for less than any entry takes: lru-cache takes 0 for no limit.
    this.#answers = new LRUCache({ max: limits.maxEntries, maxSize: Math.max(1, limits.maxBytes) });
  }

  get(address: string, now: number): StoredAnswer | undefined {
    const answer = this.#answers.get(address);
    if (answer === undefined || now < answer.expiresAt) return answer;
    this.#answers.delete(address);
    return undefined;
  }

  /** Freezes the value, since all who find it get the same object. An answer larger than all there is room for is not kept. */
  set(address: string, answer: StoredAnswer): void {
    this.#answers.set(address, answer, { size: BYTES_PER_ENTRY + freezeAndWeigh(answer.value) });
  }
}
