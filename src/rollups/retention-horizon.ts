import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { EVENT_TYPES } from "../events/event.js";
import { EVENT_TABLES } from "../events/event-tables.js";
import type { CampaignId, TenantId } from "../ids.js";

const find = defineStatement<
  "events",
  [TenantId, readonly CampaignId[], tables: readonly string[]],
  { id: CampaignId }
>(
  "events",
  "verify.find_unrecountable",
  // Retention drops whole partitions and leaves the states: a recipient who was there before the first partition begins
  // has events that the log does not hold any more.
  `with horizon as (
     select coalesce(
       min(substring(pg_get_expr(relpartbound, pg_class.oid) from $re$FROM \\('([^']+)'\\)$re$)::timestamptz),
       'infinity'
     ) as begins_at
     from pg_inherits
     join pg_class on pg_class.oid = inhrelid
     where inhparent = any ($3::text[]::regclass[])
   )
   select campaign_id as id
   from recipient_states
   where tenant_id = $1 and campaign_id = any ($2::uuid[]) and first_event_at < (select begins_at from horizon)
   group by campaign_id`,
);

const eventTables = EVENT_TYPES.map((type) => EVENT_TABLES[type].name);

/** Which of these campaigns had events that retention has dropped since. */
export async function findUnrecountable(
  log: Session<"events">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
): Promise<CampaignId[]> {
  return (await log.run(find(tenantId, campaignIds, eventTables))).map((row) => row.id);
}
