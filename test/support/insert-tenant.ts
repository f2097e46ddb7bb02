import { defineStatement, type Statement } from "../../src/database/statement.js";
import type { TenantId } from "../../src/ids.js";

const statement = defineStatement<
  "metrics",
  [TenantId, slug: string, timeZone: string, rollupTimeZone: string, createdAt: string],
  never
>(
  "metrics",
  "test.insert_tenant",
  `insert into tenants (id, slug, name, time_zone, rollup_time_zone, created_at) values ($1, $2, $2, $3, $4, $5)`,
);

/** A tenant of whom there is nothing but its own row. */
export function insertTenant(
  id: TenantId,
  slug: string,
  timeZone: string,
  rollupTimeZone: string = timeZone,
  createdAt = "2026-01-01T00:00:00Z",
): Statement<"metrics", never> {
  return statement(id, slug, timeZone, rollupTimeZone, createdAt);
}
