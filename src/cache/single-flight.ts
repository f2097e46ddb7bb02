/** What work throws that ended because nobody waits for it any more, as far as it knows. */
export class AbandonedWork extends Error {
  override readonly name = "AbandonedWork";
}

interface Flight<T> {
  /** Emptied when the result is there: a Map may keep alive what was deleted from it (docs/decisions/0057). */
  result: Promise<T> | undefined;
}

/**
 * Runs work once for all who ask while it runs, success or failure. Nothing is kept once it has ended. Where the work of the
 * first is abandoned, one of those who joined it does it again.
 */
export class SingleFlight<T> {
  readonly #running = new Map<string, Flight<T>>();

  /** What the work gives, and whether it ran already when it was asked for. */
  run(key: string, work: () => Promise<T>): { readonly joined: boolean; readonly result: Promise<T> } {
    const running = this.#running.get(key)?.result;
    if (running !== undefined) return { joined: true, result: this.#join(running, key, work) };
    const flight: Flight<T> = { result: undefined };
    this.#running.set(key, flight);
    const result = this.#fly(key, flight, work);
    flight.result = result;
    return { joined: false, result };
  }

  async #fly(key: string, flight: Flight<T>, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.#running.delete(key);
      flight.result = undefined;
    }
  }

  async #join(running: Promise<T>, key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await running;
    } catch (error) {
      if (error instanceof AbandonedWork) return this.run(key, work).result;
      throw error;
    }
  }
}
