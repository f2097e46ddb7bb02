import type { Session } from "../database/pool.js";
import type { CampaignId, TenantId } from "../ids.js";
import type { Basis } from "../rollups/measures.js";
import { bucketStatement, type CellsRow, readsNothing } from "./bucket-statement.js";
import type { MeasureSet } from "./measure-set.js";
import type { RollupPlan } from "./rollup-choice.js";

/** What is read of a campaign's buckets: texts of many numbers, from which bucketCounts makes the buckets of the same plan. */
export type BucketCells = readonly Pick<CellsRow, "source" | "cells">[];

/** For each campaign asked for what its buckets hold, nothing where nothing happened; one statement for all of them. */
export async function readCampaignBuckets(
  session: Session<"metrics">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
  plan: RollupPlan,
  basis: Basis,
  set: MeasureSet,
): Promise<Map<CampaignId, BucketCells>> {
  const cellsOf = new Map<CampaignId | null, Pick<CellsRow, "source" | "cells">[]>(campaignIds.map((id) => [id, []]));
  if (cellsOf.size > 0 && !readsNothing(plan, set)) {
    const statement = bucketStatement("each_campaign", plan, tenantId, basis, set, [[...cellsOf.keys()]]);
    for (const { campaign_id, source, cells } of await session.run(statement)) {
      cellsOf.get(campaign_id)?.push({ source, cells });
    }
  }
  return cellsOf as Map<CampaignId, BucketCells>;
}
