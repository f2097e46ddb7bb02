import type { CampaignRow } from "../campaigns/campaign-row.js";
import { encodeGlobalId } from "../ids.js";
import { CampaignType } from "./types/campaign-type.js";

export function campaignOf(row: CampaignRow): CampaignType {
  return Object.assign(new CampaignType(), row, { campaignId: row.id, id: encodeGlobalId("Campaign", row.id) });
}
