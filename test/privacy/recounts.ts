/** What the log and the rollups say of a tenant, and whether they agree. */
import { defineStatement } from "../../src/database/statement.js";
import type { TenantId } from "../../src/ids.js";
import { verifyRollups } from "../../src/rollups/verify/verify.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import type { Pipeline } from "../support/pipeline.js";

type Databases = Pick<Pipeline, "events" | "metrics">;

export async function differencesOf(databases: Databases, tenantId: TenantId): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const difference of verifyRollups(databases, { tenantId })) found.push(difference);
  return found;
}

const countEvents = defineStatement<"events", [TenantId], { recorded: number }>(
  "events",
  "test.count_events",
  "select count(*) as recorded from event_ids where tenant_id = $1",
);

/** How many events of the tenant are in the log. */
export async function recordedBy({ events }: Databases, tenantId: TenantId): Promise<number | undefined> {
  const [row] = await writeAsWorker(events, (session) => session.run(countEvents(tenantId)));
  return row?.recorded;
}
