import type { Session } from "../database/pool.js";
import { defineShapes } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import { parseMeasures, parseRevenue } from "./cells.js";
import { type Counts, EMPTY_COUNTS } from "./counts.js";
import { isEmpty, type MeasureSet } from "./measure-set.js";

interface TotalRow {
  readonly campaign_id: CampaignId;
  readonly measures: string;
  readonly revenue: string | null;
}

const totalsOf = defineShapes<"metrics", [TenantId, readonly CampaignId[]], TotalRow>("metrics", 100);

/** One text for all counts: reading a column each costs the client twice as much. */
function totalsText({ measures, revenue }: MeasureSet): string {
  const revenueText = `(select string_agg(concat_ws(',', currency, amount), ';')
      from campaign_total_revenue as revenue
      where revenue.tenant_id = $1 and revenue.campaign_id = total.campaign_id)`;
  return `select campaign_id, ${measures.length === 0 ? "''" : `concat_ws(',', ${measures.join(", ")})`} as measures,
     ${revenue ? revenueText : "null"} as revenue
   from campaign_totals as total
   where tenant_id = $1 and campaign_id = any ($2::uuid[])`;
}

/** Everything so far; an entry for each campaign asked for, empty for one that is unknown or another tenant's. */
export async function readCampaignTotals(
  session: Session<"metrics">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
  set: MeasureSet,
): Promise<Map<CampaignId, Counts>> {
  const totals = new Map<CampaignId, Counts>(campaignIds.map((id) => [id, EMPTY_COUNTS]));
  if (totals.size === 0 || isEmpty(set)) return totals;
  const findTotals = totalsOf(`metrics.find_campaign_totals.${set.key}`, () => totalsText(set));
  for (const row of await session.run(findTotals(tenantId, [...totals.keys()]))) {
    const revenue = row.revenue === null ? {} : parseRevenue(row.revenue);
    totals.set(row.campaign_id, { measures: row.measures === "" ? [] : parseMeasures(row.measures), revenue });
  }
  return totals;
}
