/**
 * Answers in the process, within a number of bytes, the last used ones.
 *
 * Of a tenant only those of its newest version stay: the version moves with every batch of events, and what was loaded under one before
 * is never asked for again. Left to go for want of room, such answers are nearly all that the room holds while events come in.
 */
import { LRUCache } from "lru-cache";
import type { TenantId } from "../ids.js";
import type { Place } from "./cache-key.js";

interface Held<V> {
  readonly value: V;
  readonly tenantId: TenantId;
}

interface OfTenant {
  readonly version: number;
  readonly addresses: Set<string>;
}

export class NewestAnswers<V> {
  readonly #answers: LRUCache<string, Held<V>>;
  /** Those that have answers. */
  readonly #tenants = new Map<TenantId, OfTenant>();

  constructor(limits: { readonly maxBytes: number }) {
    this.#answers = new LRUCache({
      // No room at all is room for less than any entry takes: lru-cache takes 0 for no limit.
      maxSize: Math.max(1, limits.maxBytes),
      noDisposeOnSet: true,
      dispose: ({ tenantId }, address) => this.#forget(tenantId, address),
    });
  }

  get(address: string): V | undefined {
    return this.#answers.get(address)?.value;
  }

  /** One that is larger than all there is room for is not kept. */
  set({ address, tenantId, version }: Place, value: V, bytes: number): void {
    this.#dropBefore(tenantId, version);
    this.#answers.set(address, { value, tenantId }, { size: bytes });
    if (!this.#answers.has(address)) return;
    const known = this.#tenants.get(tenantId);
    if (known === undefined) this.#tenants.set(tenantId, { version, addresses: new Set([address]) });
    else known.addresses.add(address);
  }

  delete(address: string): void {
    this.#answers.delete(address);
  }

  /** An answer of an older version that comes late stays, and goes with the others when the version moves again. */
  #dropBefore(tenantId: TenantId, version: number): void {
    const known = this.#tenants.get(tenantId);
    if (known === undefined || version <= known.version) return;
    this.#tenants.set(tenantId, { version, addresses: new Set() });
    for (const address of known.addresses) this.#answers.delete(address);
  }

  #forget(tenantId: TenantId, address: string): void {
    const known = this.#tenants.get(tenantId);
    if (known?.addresses.delete(address) === true && known.addresses.size === 0) this.#tenants.delete(tenantId);
  }
}
