import type { TenantId } from "../ids.js";

/** Of so many messages of a tenant at once each is at fault by itself; where there are more, something is wrong with the tenant. */
const MAX_MESSAGES_OF_TENANT = 10;

/**
 * Messages that could not be applied, and are left where they are for a while. Known to this process alone: others find out for
 * themselves, and so does this one when it begins again.
 */
export class SetAside {
  readonly #retryMs: number;
  readonly #clock: () => number;
  /** When each may be tried again. */
  readonly #messages = new Map<TenantId, Map<string, number>>();

  /** `clock`: milliseconds that never go back. */
  constructor(retryMs: number, clock: () => number = () => performance.now()) {
    this.#retryMs = retryMs;
    this.#clock = clock;
  }

  add(tenantId: TenantId, id: string): void {
    const messages = this.#messages.get(tenantId) ?? new Map<string, number>();
    this.#messages.set(tenantId, messages.set(id, this.#clock() + this.#retryMs));
  }

  /** Whether all messages of the tenant are left for now. */
  holds(tenantId: TenantId): boolean {
    return (this.#messages.get(tenantId)?.size ?? 0) >= MAX_MESSAGES_OF_TENANT;
  }

  /** What is to be left, now. */
  read(): { readonly tenantIds: readonly TenantId[]; readonly messageIds: readonly string[] } {
    const now = this.#clock();
    for (const [tenantId, messages] of this.#messages) {
      for (const [id, until] of messages) if (until <= now) messages.delete(id);
      if (messages.size === 0) this.#messages.delete(tenantId);
    }
    const tenantIds = [...this.#messages.keys()].filter((tenantId) => this.holds(tenantId));
    const others = [...this.#messages].filter(([tenantId]) => !this.holds(tenantId));
    return { tenantIds, messageIds: others.flatMap(([, messages]) => [...messages.keys()]) };
  }
}
