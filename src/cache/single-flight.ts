/** Runs work once for all who ask while it runs, success or failure. Nothing is kept once it has ended. */
export class SingleFlight<T> {
  readonly #running = new Map<string, Promise<T>>();

  /** What the work gives, and whether it ran already when it was asked for. */
  run(key: string, work: () => Promise<T>): { readonly joined: boolean; readonly result: Promise<T> } {
    const running = this.#running.get(key);
    if (running !== undefined) return { joined: true, result: running };
    const result = work().finally(() => this.#running.delete(key));
    this.#running.set(key, result);
    return { joined: false, result };
  }
}
