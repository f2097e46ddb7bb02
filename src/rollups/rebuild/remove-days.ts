/**
 * Removes a tenant's days of some zones, a portion in a transaction, so that a run that does not come to its end leaves less to the next one.
 * Portions are places in the order of the primary key, whatever zone the rows there are of: each is looked at once.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { MAX_UUID, NIL_UUID, type TenantId } from "../../ids.js";

export interface ZonesToRemove {
  readonly zones: readonly string[];
  /** Whether days of these zones go, or those of all others. */
  readonly go: "THESE" | "OTHERS";
}

/** Of a transaction that may remove them. */
type Write = <T>(work: (session: Session<"metrics">) => Promise<T>) => Promise<T>;

/** A campaign, and a link where a table has them. */
type Place = readonly [campaignId: string, linkKey: string];
const BEFORE_ALL: Place = [NIL_UUID, NIL_UUID];
const AFTER_ALL: Place = [MAX_UUID, MAX_UUID];

const ROWS_AT_A_TIME = 10_000;

const CONDITION = "tenant_id = $1 and (time_zone = any ($2)) = $3::boolean";
type Condition = [TenantId, zones: readonly string[], these: boolean];

const ofCampaigns = (
  [
    ["campaign_days", "campaign_id"],
    ["campaign_day_revenue", "campaign_id"],
    ["campaign_link_days", "link_key"],
  ] as const
).map(([table, last]) => ({
  findEnd: defineStatement<
    "metrics",
    [TenantId, campaignId: string, linkKey: string, rows: number],
    { campaign_id: string; last: string }
  >(
    "metrics",
    `rebuild_days.find_end_in_${table}`,
    `select campaign_id, ${last} as last from ${table} where tenant_id = $1 and (campaign_id, ${last}) > ($2::uuid, $3::uuid)
     order by campaign_id, ${last} offset $4 - 1 limit 1`,
  ),
  remove: defineStatement<"metrics", [...Condition, ...after: Place, ...through: Place], never>(
    "metrics",
    `rebuild_days.remove_from_${table}`,
    `delete from ${table} where ${CONDITION}
       and (campaign_id, ${last}) > ($4::uuid, $5::uuid) and (campaign_id, ${last}) <= ($6::uuid, $7::uuid)`,
  ),
}));

/** There are few of these: some thousands for each zone. */
const ofTenant = ["tenant_days", "tenant_day_revenue"].map((table) =>
  defineStatement<"metrics", Condition, never>(
    "metrics",
    `rebuild_days.remove_from_${table}`,
    `delete from ${table} where ${CONDITION}`,
  ),
);

export async function removeDays(
  write: Write,
  tenantId: TenantId,
  { zones, go }: ZonesToRemove,
  rowsAtATime = ROWS_AT_A_TIME,
): Promise<void> {
  const condition = [tenantId, zones, go === "THESE"] as const;
  for (const { findEnd, remove } of ofCampaigns) {
    for (let after: Place | undefined = BEFORE_ALL; after !== undefined;) {
      const from: Place = after;
      after = await write(async (session): Promise<Place | undefined> => {
        const [end] = await session.run(findEnd(tenantId, ...from, rowsAtATime));
        const through: Place | undefined = end && [end.campaign_id, end.last];
        await session.run(remove(...condition, ...from, ...(through ?? AFTER_ALL)));
        return through;
      });
    }
  }
  await write(async (session) => {
    for (const remove of ofTenant) await session.run(remove(...condition));
  });
}
