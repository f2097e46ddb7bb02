import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";
import type { CampaignRow } from "./campaign-row.js";

const findIdentities = defineStatement<
  "events",
  [TenantId, readonly CampaignId[]],
  { id: CampaignId; external_id: string | null; created_at: EpochMicros; archived_at: EpochMicros | null }
>(
  "events",
  "campaigns.find_identities",
  `select campaign_id as id, external_id, created_at, archived_at
   from campaign_identities where tenant_id = $1 and campaign_id = any ($2::uuid[])`,
);

/** Campaigns of which the metrics database has not heard yet, as an event made them. */
export async function findUnheardCampaigns(
  session: Session<"events">,
  tenantId: TenantId,
  ids: readonly CampaignId[],
): Promise<CampaignRow[]> {
  const rows = await session.run(findIdentities(tenantId, ids));
  return rows.map((row) => ({
    id: row.id,
    externalId: row.external_id,
    name: row.external_id ?? row.id,
    subject: null,
    tags: [],
    sentAt: null,
    createdAt: row.created_at,
    updatedAt: row.created_at,
    archivedAt: row.archived_at,
  }));
}
