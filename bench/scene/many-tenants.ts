/**
 * Tenants in number: each with the campaigns and the days of one that is given, copied by SQL. They have what a dashboard of
 * whole days reads: campaigns, totals and days, of which none has events, quarter-hours or links. That suffices where the
 * question is whether one tenant's reads feel how many others there are.
 */
import { createApiKey } from "../../src/access/api-keys.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import type { Pool } from "../../src/database/pool.js";
import { createTenant } from "../../src/tenancy/tenants.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { withMetrics } from "./fill.js";
import type { DatabasePair } from "./scene.js";
import type { BenchTenant } from "./tenant.js";
import { withClient } from "./with-client.js";

const COPIED = ["campaigns", "campaign_totals", "campaign_days", "tenant_totals", "tenant_days"] as const;

/** Adds so many tenants like the given one. */
export async function copyTenant(
  databases: DatabasePair,
  template: BenchTenant,
  count: number,
): Promise<readonly BenchTenant[]> {
  const made: BenchTenant[] = [];
  await withMetrics(databases, async (metrics) => {
    for (let number = 0; number < count; number++) made.push(await createOne(metrics, `${template.slug}-${number}`));
  });
  const ids = made.map(({ id }) => id);
  await withClient(databases.metricsUrl, async (client) => {
    await client.query("set synchronous_commit = off");
    for (const table of COPIED) {
      const { rows } = await client.query<{ name: string }>(
        "select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped",
        [table],
      );
      const columns = rows.map(({ name }) => name).filter((name) => name !== "tenant_id");
      // As a projector leaves them: day after day, and of a day those of one tenant beside each other.
      const order = columns.includes("day") ? "day, other" : "other";
      await client.query(
        `insert into ${table} (tenant_id, ${columns.join(", ")})
         select other, ${columns.join(", ")} from ${table} cross join unnest($2::uuid[]) as other where tenant_id = $1
         order by ${order}`,
        [template.id, ids],
      );
    }
    await client.query("vacuum (analyze)");
  });
  return made;
}

async function createOne(metrics: Pool<"metrics">, slug: string): Promise<BenchTenant> {
  const now = instantFromMillis(Date.now());
  const { id } = await createTenant(metrics, { slug, timeZone: "UTC" }, now);
  const secret = await writeAsTenant(metrics, id, async (session) => {
    const key = { name: "bench", scopes: ["READ_METRICS"] as const, expiresAt: null };
    return (await createApiKey(session, id, key, OPERATOR, now)).secret;
  });
  return { id, slug, headers: { authorization: `Bearer ${secret}` } };
}
