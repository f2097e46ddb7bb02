import type { Session } from "../database/pool.js";
import { defineStatement, type Statement } from "../database/statement.js";
import type { TenantId } from "../ids.js";

const move = defineStatement<"metrics", [readonly TenantId[]], never>(
  "metrics",
  "tenants.move_versions",
  `insert into tenant_versions (tenant_id, version)
   select tenant_id, 1 from unnest($1::uuid[]) as moved (tenant_id) order by tenant_id
   on conflict (tenant_id) do update set version = tenant_versions.version + 1`,
);

/**
 * What makes every cached answer of these tenants stale. Belongs into the transaction that changes what they were made from,
 * as its last statement: it locks the tenants' rows until the commit.
 */
export function tenantVersionsMoved(tenantIds: Iterable<TenantId>): Statement<"metrics", never> {
  return move([...new Set(tenantIds)]);
}

/** Runs `tenantVersionsMoved`. */
export async function moveTenantVersions(session: Session<"metrics">, tenantIds: Iterable<TenantId>): Promise<void> {
  await session.run(tenantVersionsMoved(tenantIds));
}
