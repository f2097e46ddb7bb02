/**
 * Redis as a cache that nobody has to wait for. Whatever goes wrong with it is a miss: a command has a few milliseconds,
 * none is queued while the connection is away, and after one that got no answer the others pass by, but for one each second
 * that tries whether Redis is back. So a Redis that hangs costs one request per second its time limit, and the rest nothing.
 *
 * The limit is ours and not the client's, whose own takes a stall of this process for one of Redis.
 */
import { Redis, ReplyError } from "ioredis";
import type { Logger } from "../observability/logger.js";
import { withinTime } from "../within-time.js";

export interface RedisLayerOptions {
  readonly url: string;
  readonly log: Logger;
  readonly commandTimeoutMs?: number;
}

/** A script in Lua, and its SHA-1 in hexadecimal, by which Redis knows it once it has run. */
export interface RedisScript {
  readonly lua: string;
  readonly sha: string;
}

const DEFAULT_COMMAND_TIMEOUT_MS = 50;
const PROBE_INTERVAL_MS = 1_000;
const LOG_INTERVAL_MS = 10_000;
const MAX_RECONNECT_DELAY_MS = 1_000;
/** A connection on which commands wait this long is taken for dead and made anew: its other end may have vanished. */
const DEAD_CONNECTION_MS = 2_000;

export class RedisLayer {
  readonly #client: Redis;
  readonly #log: Logger;
  readonly #commandTimeoutMs: number;
  /** When to try again after a command that got no answer; null while they get one. On the monotonic clock. */
  #nextProbeAt: number | null = null;
  #nextLogAt = 0;

  constructor({ url, log, commandTimeoutMs = DEFAULT_COMMAND_TIMEOUT_MS }: RedisLayerOptions) {
    this.#log = log;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#client = new Redis(url, {
      socketTimeout: DEAD_CONNECTION_MS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempts) => Math.min(attempts * 50, MAX_RECONNECT_DELAY_MS),
      // After a failover the old connection may lead to what is a replica now.
      reconnectOnError: (error) => error.message.startsWith("READONLY"),
      connectionName: "mailtally",
    });
    this.#client.on("error", (error) => this.#report(error));
  }

  /** The text under the key; null where there is none or Redis does not say. Never throws. */
  async get(key: string): Promise<string | null> {
    if (!this.#mayTry()) return null;
    return (await this.#attempt(() => this.#inTime(this.#client.get(key)))) ?? null;
  }

  /** The same, as the bytes that were set. */
  async getBytes(key: string): Promise<Buffer | null> {
    if (!this.#mayTry()) return null;
    return (await this.#attempt(() => this.#inTime(this.#client.getBuffer(key)))) ?? null;
  }

  /** Sends a text on its way and returns at once. Whether it arrives is not told. */
  set(key: string, text: string | Buffer, ttlMs: number): void {
    if (this.#mayTry()) void this.#attempt(() => this.#inTime(this.#client.set(key, text, "PX", ttlMs)));
  }

  /** What the script returns for the key; null where Redis does not say. Never throws. */
  async run({ lua, sha }: RedisScript, key: string, args: readonly number[]): Promise<unknown> {
    if (!this.#mayTry()) return null;
    return this.#attempt(async () => {
      try {
        return await this.#inTime(this.#client.evalsha(sha, 1, key, ...args));
      } catch (error) {
        // The first time, and after Redis was started anew.
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return this.#inTime(this.#client.eval(lua, 1, key, ...args));
      }
    });
  }

  /** Whether Redis answers right now. Never throws. */
  async ping(): Promise<boolean> {
    return (await this.#attempt(() => this.#inTime(this.#client.ping()))) === "PONG";
  }

  /** Closes the connection. What is under way is lost, as it may be in a cache. */
  async stop(): Promise<void> {
    this.#client.disconnect();
  }

  #mayTry(): boolean {
    if (this.#client.status !== "ready") return false;
    if (this.#nextProbeAt === null) return true;
    const now = performance.now();
    if (now < this.#nextProbeAt) return false;
    this.#nextProbeAt = now + PROBE_INTERVAL_MS;
    return true;
  }

  async #attempt<T>(command: () => Promise<T>): Promise<T | undefined> {
    try {
      const reply = await command();
      this.#nextProbeAt = null;
      return reply;
    } catch (error) {
      // An error that Redis itself sends (no memory left, no permission) came as fast as any answer.
      if (!(error instanceof ReplyError)) this.#nextProbeAt = performance.now() + PROBE_INTERVAL_MS;
      this.#report(error);
      return undefined;
    }
  }

  #inTime<T>(reply: Promise<T>): Promise<T> {
    return withinTime(reply, this.#commandTimeoutMs);
  }

  #report(error: unknown): void {
    const now = performance.now();
    if (now < this.#nextLogAt) return;
    this.#nextLogAt = now + LOG_INTERVAL_MS;
    this.#log.warn({ err: error }, "redis does not answer, going on without it");
  }
}
