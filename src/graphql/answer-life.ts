/** Whether and how long the answer to a request may be given again, as long as the tenant's version does not move. */
export class AnswerLife {
  #endsAt = Infinity;
  #isTold = false;
  #isPermitted = false;

  /** A part of it holds until then, in milliseconds since the Unix epoch; the earliest counts. */
  endsBy(instant: number): void {
    this.#isTold = true;
    this.#endsAt = Math.min(this.#endsAt, instant);
  }

  /** Whatever it holds, it may be given no longer than until then, in milliseconds since the Unix epoch. */
  atMost(instant: number): void {
    this.#endsAt = Math.min(this.#endsAt, instant);
  }

  /** A part of it may change without the version. */
  endsAtOnce(): void {
    this.endsBy(0);
  }

  /** All that was asked for is versioned, and all of it was answered. */
  permit(): void {
    this.#isPermitted = true;
  }

  /** Milliseconds since the Unix epoch; 0 where it must not be given again, or no part has told. */
  get endsAt(): number {
    return this.#isPermitted && this.#isTold ? this.#endsAt : 0;
  }
}
