/**
 * Who may read from the databases now. A request keeps a connection to each database that it has read from until it is
 * answered. Where as many requests as a pool has connections each hold one of it and wait for one of the other, or for the
 * version of their tenant to be read on one more, none goes on. So fewer requests than connections read at a time: whoever
 * has a slot finds a connection, and short transactions (keys, versions, writes) find one beside them.
 *
 * Slots go round between the tenants that wait: a flood of one tenant's requests is not another one's wait.
 */
import { PublicError } from "../errors.js";
import type { TenantId } from "../ids.js";

interface RequestSlotsOptions {
  /** At least one. */
  readonly slots: number;
  /** How long a request may wait for its turn. */
  readonly waitTimeoutMs: number;
}

type Release = () => void;

export class RequestSlots {
  #free: number;
  readonly #waitTimeoutMs: number;
  /** In the order of their turns. A tenant is in it as long as it has requests that wait. */
  readonly #waiting = new Map<TenantId, Set<() => void>>();

  constructor({ slots, waitTimeoutMs }: RequestSlotsOptions) {
    this.#free = slots;
    this.#waitTimeoutMs = waitTimeoutMs;
  }

  /** Resolves with what gives the slot back, to be called once. Throws UNAVAILABLE where the turn does not come in time. */
  async acquire(tenantId: TenantId): Promise<Release> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#turnOf(tenantId);
    return () => this.#passOn();
  }

  #turnOf(tenantId: TenantId): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#leave(tenantId, take);
        const message = "Too many requests are being answered at the moment; try again.";
        reject(new PublicError("UNAVAILABLE", message, { retryAfterSeconds: 1 }));
      }, this.#waitTimeoutMs);
      const waiting = this.#waiting.get(tenantId);
      if (waiting === undefined) this.#waiting.set(tenantId, new Set([take]));
      else waiting.add(take);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    const [tenantId, waiting] = next;
    const [take] = waiting;
    if (take === undefined) throw new Error("A tenant without requests waits");
    this.#leave(tenantId, take);
    // The next turn is another tenant's.
    if (waiting.size > 0) {
      this.#waiting.delete(tenantId);
      this.#waiting.set(tenantId, waiting);
    }
    take();
  }

  #leave(tenantId: TenantId, take: () => void): void {
    const waiting = this.#waiting.get(tenantId);
    waiting?.delete(take);
    if (waiting?.size === 0) this.#waiting.delete(tenantId);
  }
}
