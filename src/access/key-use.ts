/**
 * When each key was last used, to the minute, written in batches and off the requests' path. What a crash loses is a minute
 * of knowledge that nobody acts upon.
 */
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { growingLru } from "../growing-lru.js";
import type { ApiKeyId, TenantId } from "../ids.js";
import type { Logger } from "../observability/logger.js";
import { writeAsEachTenant } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { KeyPrincipal } from "./principal.js";

interface KeyUseOptions {
  readonly metrics: Pool<"metrics">;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  readonly flushIntervalMs?: number;
}

interface Use {
  readonly tenantId: TenantId;
  readonly keyId: ApiKeyId;
  readonly usedAt: EpochMicros;
}

const noteUse = defineStatement<"metrics", [TenantId, ApiKeyId, usedAt: string], never>(
  "metrics",
  "api_keys.note_use",
  `update api_keys set last_used_at = $3
   where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < $3)`,
);

const MIN_INTERVAL_MICROS = 60_000_000;
const MAX_KEYS = 20_000;

export class KeyUse {
  readonly #options: KeyUseOptions;
  readonly #timer: NodeJS.Timeout;
  /** Uses that wait to be written. Bounded, as they wait for good while the database is away. */
  readonly #waiting = growingLru<ApiKeyId, Use>(MAX_KEYS);
  readonly #noted = growingLru<ApiKeyId, EpochMicros>(MAX_KEYS);
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: KeyUseOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.flush(), options.flushIntervalMs ?? 10_000).unref();
  }

  /** Takes note of a use now; `lastUsedAt` is what the database says, which other servers write as well. */
  touch(principal: KeyPrincipal, lastUsedAt: EpochMicros | null): void {
    const { tenantId, keyId } = principal;
    const usedAt = this.#options.now();
    const noted = Math.max(this.#noted.get(keyId) ?? 0, lastUsedAt ?? 0);
    if (usedAt - noted < MIN_INTERVAL_MICROS) return;
    this.#noted.set(keyId, usedAt);
    this.#waiting.set(keyId, { tenantId, keyId, usedAt });
  }

  /** Writes what waits. Never throws; what could not be written waits for the next time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  /** Writes what is left and ends. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  async #write(): Promise<void> {
    const uses = [...this.#waiting.values()];
    this.#waiting.clear();
    const byTenant = Map.groupBy(uses, (use) => use.tenantId);
    const unwritten = await writeAsEachTenant(this.#options.metrics, byTenant, (session, tenantId, ofTenant) => {
      // In one order, as another server may be writing the same keys.
      const ordered = ofTenant.toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1));
      return Promise.all(ordered.map((use) => session.run(noteUse(tenantId, use.keyId, formatInstant(use.usedAt)))));
    });
    for (const { items, error } of unwritten) {
      this.#options.log.warn({ err: error }, "the last use of API keys could not be written");
      for (const use of items) if (!this.#waiting.has(use.keyId)) this.#waiting.set(use.keyId, use);
    }
  }
}
