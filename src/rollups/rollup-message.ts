import type { CampaignId, LinkKey } from "../ids.js";
import type { Basis } from "./measures.js";

/** What one batch changes in one tenant's rollups (payload of the outbox, format 1). */
export interface RollupPayload {
  /** [campaign, basis, quarter-hours since the epoch, measures by position in MEASURES, revenue by currency or null] */
  readonly cells: readonly (readonly [
    CampaignId,
    Basis,
    number,
    readonly number[],
    Readonly<Record<string, string>> | null,
  ])[];
  /** [campaign, link, url, clicked, clickedHuman, uniqueClicked, uniqueClickedHuman] */
  readonly links: readonly (readonly [CampaignId, LinkKey, string, number, number, number, number])[];
  /** [campaign, the earliest SENT of the batch in microseconds since the epoch] */
  readonly firstSent: readonly (readonly [CampaignId, number])[];
}
