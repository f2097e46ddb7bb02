import type { Logger } from "./observability/logger.js";

interface WorkLoopOptions {
  readonly name: string;
  /** One piece of work; true where there may be more at once. */
  readonly step: () => Promise<boolean>;
  /** How long to rest when there was nothing to do. */
  readonly idleMs: number;
  readonly log: Logger;
}

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;

/**
 * Does a piece of work again and again: at once while there is more, after a rest when there is none, after a growing,
 * jittered pause when it fails. It polls, so that it needs no notification that could be lost; wake() ends a rest early, but not the
 * pause after a failure: that there is more to do makes nothing whole.
 */
export class WorkLoop {
  readonly #options: WorkLoopOptions;
  readonly #running: Promise<void>;
  #stopped = false;
  #endRest: (() => void) | undefined;
  #isPausing = false;

  constructor(options: WorkLoopOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  wake(): void {
    if (!this.#isPausing) this.#endRest?.();
  }

  /** Finishes the piece in hand and resolves. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#endRest?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { name, step, idleMs, log } = this.#options;
    let backoffMs = FIRST_BACKOFF_MS;
    while (!this.#stopped) {
      try {
        const more = await step();
        backoffMs = FIRST_BACKOFF_MS;
        if (!more) await this.#rest(idleMs);
      } catch (error) {
        log.error({ err: error, loop: name, retryInMs: backoffMs }, "work failed and will be tried again");
        this.#isPausing = true;
        await this.#rest(backoffMs * (0.5 + Math.random()));
        this.#isPausing = false;
        backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
      }
    }
  }

  async #rest(ms: number): Promise<void> {
    if (this.#stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#endRest = resolve;
    await promise;
    clearTimeout(timer);
    this.#endRest = undefined;
  }
}
