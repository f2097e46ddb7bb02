import type { Session } from "../database/pool.js";
import { requireStorableText } from "../database/storable-text.js";
import type { CampaignId, TenantId } from "../ids.js";
import type { Basis } from "../rollups/measures.js";
import { bucketCounts, bucketStatement, readsNothing } from "./bucket-statement.js";
import type { Counts } from "./counts.js";
import type { MeasureSet } from "./measure-set.js";
import type { RollupPlan } from "./rollup-choice.js";

/** Which campaigns count, archived ones too. What is null or left out is no filter, [] is nothing; both must hold. */
export interface CampaignsFilter {
  readonly campaignIds?: readonly CampaignId[] | null | undefined;
  /** Any of these. */
  readonly tags?: readonly string[] | null | undefined;
  /** What whoever asks is limited to: any of these, beside the rest. */
  readonly visibleTags?: readonly string[] | null | undefined;
}

/** Throws BAD_INPUT for a tag that no campaign can have. */
export function checkCampaignsFilter({ tags }: CampaignsFilter): void {
  for (const tag of tags ?? []) requireStorableText(tag, ["filter", "tags"]);
}

/** One entry a bucket, over the tenant or over those of its campaigns that match. */
export async function readTenantBuckets(
  session: Session<"metrics">,
  tenantId: TenantId,
  plan: RollupPlan,
  basis: Basis,
  set: MeasureSet,
  filter: CampaignsFilter | null,
): Promise<Counts[]> {
  const campaignIds = filter?.campaignIds ?? null;
  const tags = filter?.tags ?? null;
  const visibleTags = filter?.visibleTags ?? null;
  if (readsNothing(plan, set) || campaignIds?.length === 0 || tags?.length === 0 || visibleTags?.length === 0)
    return bucketCounts(plan, []);
  const statement =
    campaignIds === null && tags === null && visibleTags === null
      ? bucketStatement("tenant", plan, tenantId, basis, set, [])
      : bucketStatement("matching_campaigns", plan, tenantId, basis, set, [campaignIds, tags, visibleTags]);
  return bucketCounts(plan, await session.run(statement));
}
