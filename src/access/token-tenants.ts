/**
 * Which tenant the name in a token means. A tenant's slug never changes and no tenant is ever taken away, so that one that was
 * found stays found, also while the database is away. Only tokens with a good signature are looked up here: there is no flood
 * of made-up names to fear, and a tenant that is made after its first token is found within seconds.
 */
import { isDatabaseAway } from "../database/database-away.js";
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import { growingLru } from "../growing-lru.js";
import { isUuid, type TenantId } from "../ids.js";
import { isTenantSlug } from "../tenancy/tenants.js";
import { readWithoutTenant } from "../tenancy/transactions.js";

const find = defineStatement<"metrics", [id: string | null, slug: string | null], { id: TenantId | null }>(
  "metrics",
  "tenants.find_id",
  "select find_tenant_id($1, $2) as id",
);

const MAX_TENANTS = 20_000;
const ABSENT_TTL_MS = 5_000;

export class TokenTenants {
  readonly #metrics: Pool<"metrics">;
  readonly #known = growingLru<string, TenantId>(MAX_TENANTS);
  readonly #absent = growingLru<string, true>(MAX_TENANTS, { ttlMs: ABSENT_TTL_MS });

  constructor(metrics: Pool<"metrics">) {
    this.#metrics = metrics;
  }

  /** By its slug, or its id. A slug that looks like an id means nothing. Throws UNAVAILABLE where the database is away. */
  async find(name: string): Promise<TenantId | null> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const isId = isUuid(name);
    if (this.#absent.has(name) || (!isId && !isTenantSlug(name))) return null;
    const id = await this.#ask(isId ? name : null, isId ? null : name);
    if (id === null) this.#absent.set(name, true);
    else this.#known.set(name, id);
    return id;
  }

  async #ask(id: string | null, slug: string | null): Promise<TenantId | null> {
    try {
      const [row] = await readWithoutTenant(this.#metrics, (session) => session.run(find(id, slug)));
      return row?.id ?? null;
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      const message = "Tokens cannot be checked right now; try again.";
      throw new PublicError("UNAVAILABLE", message, { cause: error, retryAfterSeconds: 1 });
    }
  }
}
