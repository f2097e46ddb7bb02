import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import { MEASURES } from "../rollups/measures.js";
import { parseMeasures, parseRevenue } from "./cells.js";
import { type Counts, EMPTY_COUNTS } from "./counts.js";

interface TotalRow {
  readonly campaign_id: CampaignId;
  readonly measures: string;
  readonly revenue: string | null;
}

/** One text for the 28 counts: reading a column each costs the client twice as much. */
const findTotals = defineStatement<"metrics", [TenantId, readonly CampaignId[]], TotalRow>(
  "metrics",
  "metrics.find_campaign_totals",
  `select campaign_id, concat_ws(',', ${MEASURES.join(", ")}) as measures,
     (select string_agg(concat_ws(',', currency, amount), ';')
      from campaign_total_revenue as revenue
      where revenue.tenant_id = $1 and revenue.campaign_id = total.campaign_id) as revenue
   from campaign_totals as total
   where tenant_id = $1 and campaign_id = any ($2::uuid[])`,
);

/** Everything so far; an entry for each campaign asked for, empty for one that is unknown or another tenant's. */
export async function readCampaignTotals(
  session: Session<"metrics">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
): Promise<Map<CampaignId, Counts>> {
  const totals = new Map<CampaignId, Counts>(campaignIds.map((id) => [id, EMPTY_COUNTS]));
  if (totals.size === 0) return totals;
  for (const row of await session.run(findTotals(tenantId, [...totals.keys()]))) {
    const revenue = row.revenue === null ? {} : parseRevenue(row.revenue);
    totals.set(row.campaign_id, { measures: parseMeasures(row.measures), revenue });
  }
  return totals;
}
