import { pino } from "pino";
import { onTestFinished } from "vitest";
import { Cache, type CachedAnswer, type CacheLayer, type CacheOptions } from "../../src/cache/cache.js";
import type { CacheKey } from "../../src/cache/cache-key.js";
import { RedisLayer } from "../../src/cache/redis-layer.js";
import type { TtlClass } from "../../src/cache/ttl-class.js";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { type TenantId, uuidv7 } from "../../src/ids.js";
import { TenantStates, type TenantStatesOptions } from "../../src/tenancy/tenant-states.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { insertTenant } from "./insert-tenant.js";

export const silent = pino({ level: "silent" });

const moveVersionStatement = defineStatement<"metrics", [TenantId], { version: number }>(
  "metrics",
  "test.move_version",
  `insert into tenant_versions as held (tenant_id, version) values ($1, 1)
   on conflict (tenant_id) do update set version = held.version + 1
   returning version`,
);

/** A tenant that nothing was recorded of: it has no row among the versions. */
export async function createTenant(pool: Pool<"metrics">, timeZone = "UTC", rollupTimeZone = "UTC"): Promise<TenantId> {
  const id = newTenantId();
  await writeAsWorker(pool, (session) => session.run(insertTenant(id, `t-${id}`, timeZone, rollupTimeZone)));
  return id;
}

/** The version that the tenant has once this has committed. */
export async function moveVersion(pool: Pool<"metrics">, tenantId: TenantId): Promise<number> {
  const [row] = await writeAsWorker(pool, (session) => session.run(moveVersionStatement(tenantId)));
  return row?.version ?? 0;
}

/** A pool of the test's own, and the names of the statements that it ran. */
export function testPool(url: string): { pool: Pool<"metrics">; statements: string[] } {
  const statements: string[] = [];
  const pool = new Pool({
    database: "metrics",
    url,
    maxConnections: 8,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log: silent,
    onStatement: (name) => statements.push(name),
  });
  onTestFinished(() => pool.stop());
  return { pool, statements };
}

export function testRedisLayer(url: string): RedisLayer {
  const layer = new RedisLayer({ url, log: silent });
  onTestFinished(() => layer.stop());
  return layer;
}

/** A question to the cache, before the version is known. */
type Question = Omit<CacheKey, "version">;

interface TestCache {
  getOrLoad<T>(
    question: Question,
    ttlClass: TtlClass,
    load: () => Promise<T>,
    options?: { readonly versionFromNowOn?: boolean },
  ): Promise<Pick<CachedAnswer<T>, "value" | "ageSeconds">>;
  /** Where the answers came from, in order. */
  readonly layers: readonly CacheLayer[];
}

/**
 * The cache of one process, asked as a request asks it: under the version that was read just before. Every reading of the
 * version is its own unless `stateOptions` say otherwise.
 */
export function testCache(
  pool: Pool<"metrics">,
  options: Partial<CacheOptions> & { readonly stateOptions?: Partial<TenantStatesOptions> } = {},
): TestCache {
  const { stateOptions, ...cacheOptions } = options;
  const layers: CacheLayer[] = [];
  const states = new TenantStates({ pool, maxAgeMs: 0, ...stateOptions });
  const cache = new Cache({ redis: null, onHit: (layer) => layers.push(layer), ...cacheOptions });
  return {
    getOrLoad: async (question, ttlClass, load, { versionFromNowOn = false } = {}) => {
      const { version } = await states.read(question.tenantId, { fromNowOn: versionFromNowOn });
      const { value, ageSeconds } = await cache.getOrLoad({ ...question, version }, ttlClass, load);
      return { value, ageSeconds };
    },
    layers,
  };
}

/** An id that no tenant has. */
export function newTenantId(): TenantId {
  return uuidv7() as TenantId;
}

export function questionOf(tenantId: TenantId, changes: Partial<Question> = {}): Question {
  return { tenantId, authority: "key 1, READ_METRICS", name: "kpis", args: { campaign: 1 }, ...changes };
}
