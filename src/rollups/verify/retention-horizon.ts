import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { CampaignId, TenantId } from "../../ids.js";
import type { EpochMicros } from "../../time/instant.js";

/**
 * What was declared, since some tables may still hold such events: those whose partition was in use, and those that got it
 * anew for an event that had waited. Where partitions were dropped by hand, the table that begins last.
 */
const HORIZON = `select greatest(
     (select dropped_before from retention),
     (select max(begins_at) from (
       select min(lower_bound) as begins_at from event_partitions() group by event_table
     ) as event_table)
   ) as begins_at`;

const findDeclared = defineStatement<"events", [], { dropped_before: EpochMicros }>(
  "events",
  "verify.find_dropped_before",
  "select dropped_before from retention",
);

const find = defineStatement<"events", [TenantId, readonly CampaignId[]], { id: CampaignId }>(
  "events",
  "verify.find_unrecountable",
  // Retention leaves the states: a recipient who was there before has events that the log does not hold any more.
  `with horizon as (${HORIZON})
   select campaign_id as id
   from recipient_states
   where tenant_id = $1 and campaign_id = any ($2::uuid[])
     and first_event_at < (select coalesce(begins_at, 'infinity') from horizon)
   group by campaign_id`,
);

/** Through when retention has dropped events; null where it has dropped none. */
export async function findDroppedBefore(log: Session<"events">): Promise<EpochMicros | null> {
  const [row] = await log.run(findDeclared());
  return row?.dropped_before ?? null;
}

/** Which of these campaigns had events that retention has dropped since. */
export async function findUnrecountable(
  log: Session<"events">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
): Promise<CampaignId[]> {
  return (await log.run(find(tenantId, campaignIds))).map((row) => row.id);
}
