import type { CampaignId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";

/** A campaign as it is read. */
export interface CampaignRow {
  readonly id: CampaignId;
  readonly externalId: string | null;
  readonly name: string;
  readonly subject: string | null;
  readonly tags: readonly string[];
  /** As somebody set it, else its earliest SENT. */
  readonly sentAt: EpochMicros | null;
  readonly createdAt: EpochMicros;
  readonly updatedAt: EpochMicros;
  readonly archivedAt: EpochMicros | null;
}

/** As in the index on it: coalesce() counts as leaky, so that under row-level security no index could be searched by it. */
export const SENT_AT = "(case when campaign.sent_at is null then campaign.first_sent_at else campaign.sent_at end)";

/** A CampaignRow, from the table called `campaign`. */
export const CAMPAIGN_ROW_COLUMNS =
  `campaign.id, campaign.external_id as "externalId", campaign.name, campaign.subject, campaign.tags, ` +
  `${SENT_AT} as "sentAt", campaign.created_at as "createdAt", campaign.updated_at as "updatedAt", ` +
  `campaign.archived_at as "archivedAt"`;
