import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import { faultOfText } from "../text-faults.js";
import { CAMPAIGN_ROW_COLUMNS, type CampaignRow } from "./campaign-row.js";

const findByIds = defineStatement<"metrics", [TenantId, readonly CampaignId[]], CampaignRow>(
  "metrics",
  "campaigns.find",
  `select ${CAMPAIGN_ROW_COLUMNS} from campaigns as campaign
   where campaign.tenant_id = $1 and campaign.id = any ($2::uuid[])`,
);

const findByExternalId = defineStatement<
  "metrics",
  [TenantId, string, visibleTags: readonly string[] | null],
  CampaignRow
>(
  "metrics",
  "campaigns.find_by_external_id",
  // As events are told apart by it: a live campaign before an archived one, and of these the one archived last.
  `select ${CAMPAIGN_ROW_COLUMNS} from campaigns as campaign
   where campaign.tenant_id = $1 and campaign.external_id = $2 and ($3::text[] is null or campaign.tags && $3)
   order by campaign.archived_at desc nulls first limit 1`,
);

/** Those of the tenant's campaigns that exist, in no order. Archived ones are found as well. */
export async function findCampaigns(
  session: Session<"metrics">,
  tenantId: TenantId,
  ids: readonly CampaignId[],
): Promise<CampaignRow[]> {
  return ids.length === 0 ? [] : session.run(findByIds(tenantId, ids));
}

/** The campaign of that name, of those with any of the tags where some are given: a live one before archived ones; null where there is none. */
export async function findCampaignByExternalId(
  session: Session<"metrics">,
  tenantId: TenantId,
  externalId: string,
  visibleTags: readonly string[] | null = null,
): Promise<CampaignRow | null> {
  // No campaign's name holds what PostgreSQL cannot.
  if (faultOfText(externalId) !== null) return null;
  const [row] = await session.run(findByExternalId(tenantId, externalId, visibleTags));
  return row ?? null;
}
