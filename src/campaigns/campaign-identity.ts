/** What the event log has of a campaign: its name and whether it is archived, and nothing else that was said of it. */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";

/** The part of a campaign that the event log owns, as told to the metrics database (payload of the outbox, format 1). */
export interface CampaignIdentity {
  readonly id: CampaignId;
  readonly externalId: string | null;
  /** What is said of the campaign where it is made; afterwards its row is the authority. */
  readonly details: CampaignDetails;
  /** Nobody said these details: they only stand in for those of revision 1. */
  readonly detailsStandIn?: true;
  readonly createdAt: EpochMicros;
  readonly changedAt: EpochMicros;
  readonly archivedAt: EpochMicros | null;
  /** Rises with each change; an older one never overwrites a newer. */
  readonly revision: number;
}

/** What people say of a campaign. */
export interface CampaignDetails {
  readonly name: string;
  readonly subject?: string | null;
  readonly tags?: readonly string[];
  readonly sentAt?: EpochMicros | null;
}

/** A row of campaign_identities. */
export interface IdentityRow {
  readonly campaign_id: CampaignId;
  readonly external_id: string | null;
  readonly archived_at: EpochMicros | null;
  readonly revision: number;
  readonly created_at: EpochMicros;
}

export function identityOf(row: IdentityRow, changedAt: EpochMicros): CampaignIdentity {
  return {
    id: row.campaign_id,
    externalId: row.external_id,
    // If this is the first that the metrics database hears of the campaign, until it hears how it was made.
    details: { name: row.external_id ?? row.campaign_id },
    detailsStandIn: true,
    createdAt: row.created_at,
    changedAt,
    archivedAt: row.archived_at,
    revision: row.revision,
  };
}

const readPortion = defineStatement<
  "events",
  [TenantId, only: readonly CampaignId[] | null, after: CampaignId | null, count: number],
  IdentityRow
>(
  "events",
  "campaigns.read_identities",
  `select campaign_id, external_id, archived_at, revision, created_at from campaign_identities
   where tenant_id = $1 and ($2::uuid[] is null or campaign_id = any ($2)) and ($3::uuid is null or campaign_id > $3)
   order by campaign_id limit $4`,
);

/** Some of a tenant's campaigns, or of these, by id from after one on: as they are now, with their names for all that is said of them. */
export async function readIdentities(
  session: Session<"events">,
  tenantId: TenantId,
  { only, after, count }: { only: readonly CampaignId[] | null; after: CampaignId | null; count: number },
): Promise<CampaignIdentity[]> {
  const rows = await session.run(readPortion(tenantId, only, after, count));
  return rows.map((row) => identityOf(row, row.archived_at ?? row.created_at));
}
