import type { CampaignId } from "../../src/ids.js";
import { bucketCounts } from "../../src/metrics/bucket-statement.js";
import { readCampaignBuckets } from "../../src/metrics/campaign-buckets.js";
import type { Counts } from "../../src/metrics/counts.js";

/** The buckets of campaigns as numbers: read, and made of what was read, as the API does. */
export async function readBuckets(
  ...args: Parameters<typeof readCampaignBuckets>
): Promise<Map<CampaignId, readonly Counts[]>> {
  const [, , , plan] = args;
  const cells = await readCampaignBuckets(...args);
  return new Map(Array.from(cells, ([id, ofCampaign]) => [id, bucketCounts(plan, ofCampaign)]));
}
