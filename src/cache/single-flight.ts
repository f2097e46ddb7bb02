/** What work throws that ended because nobody waits for it any more, as far as it knows. */
export class AbandonedWork extends Error {
  override readonly name = "AbandonedWork";
}

/**
 * Runs work once for all who ask while it runs, success or failure. Nothing is kept once it has ended. Where the work of the
 * first is abandoned, one of those who joined it does it again.
 */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>();

  /** What the work gives, and whether it ran already when it was asked for. */
  run(key: string, work: () => Promise<T>): { readonly joined: boolean; readonly result: Promise<T> } {
    const running = this.#running.get(key);
    if (running !== undefined) return { joined: true, result: this.#join(running, key, work) };
    const result = work().finally(() => this.#running.delete(key));
    this.#running.set(key, result);
    return { joined: false, result };
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
