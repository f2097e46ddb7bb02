import type { Session } from "../database/pool.js";
import type { CampaignId, TenantId } from "../ids.js";
import type { Basis } from "../rollups/measures.js";
import { bucketCounts, bucketStatement, type CellsRow, readsNothing } from "./bucket-statement.js";
import type { Counts } from "./counts.js";
import type { MeasureSet } from "./measure-set.js";
import type { RollupPlan } from "./rollup-choice.js";

/** For each campaign asked for one entry a bucket, empty where nothing happened; one statement for all of them. */
export async function readCampaignBuckets(
  session: Session<"metrics">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
  plan: RollupPlan,
  basis: Basis,
  set: MeasureSet,
): Promise<Map<CampaignId, Counts[]>> {
  const rowsOf = new Map<CampaignId | null, CellsRow[]>(campaignIds.map((id) => [id, []]));
  if (rowsOf.size > 0 && !readsNothing(plan, set)) {
    const statement = bucketStatement("each_campaign", plan, tenantId, basis, set, [[...rowsOf.keys()]]);
    for (const row of await session.run(statement)) rowsOf.get(row.campaign_id)?.push(row);
  }
  return new Map(campaignIds.map((id) => [id, bucketCounts(plan, rowsOf.get(id) ?? [])]));
}
