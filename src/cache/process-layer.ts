import type { Place } from "./cache-key.js";
import { freezeAndWeigh, type JsonValue } from "./json-value.js";
import { NewestAnswers } from "./newest-answers.js";

/** An answer as it is kept. Times are milliseconds since the Unix epoch. */
export interface StoredAnswer {
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly value: JsonValue;
}

/** What an entry takes besides its value: the address, the record, its place in the list. */
const BYTES_PER_ENTRY = 500;

/** The answers that this process keeps. */
export class ProcessLayer {
  readonly #answers: NewestAnswers<StoredAnswer>;

  constructor(limits: { readonly maxBytes: number }) {
    this.#answers = new NewestAnswers(limits);
  }

  get(address: string, now: number): StoredAnswer | undefined {
    const answer = this.#answers.get(address);
    if (answer === undefined || now < answer.expiresAt) return answer;
    this.#answers.delete(address);
    return undefined;
  }

  /** Freezes the value, since all who find it get the same object. An answer larger than all there is room for is not kept. */
  set(place: Place, answer: StoredAnswer): void {
    this.#answers.set(place, answer, BYTES_PER_ENTRY + freezeAndWeigh(answer.value));
  }
}
