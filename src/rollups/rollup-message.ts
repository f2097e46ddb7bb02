import type { CampaignId, LinkKey } from "../ids.js";
import type { Basis } from "./measures.js";

/** What one batch changes in one tenant's rollups (payload of the outbox, formats 1 and 2). */
export interface RollupPayload {
  /** [campaign, basis, quarter-hours since the epoch, measures by position in MEASURES, revenue by currency or null] */
  readonly cells: readonly (readonly [
    CampaignId,
    Basis,
    number,
    readonly number[],
    Readonly<Record<string, string>> | null,
  ])[];
  /** What changes in all: [campaign, link, url, clicked, clickedHuman, uniqueClicked, uniqueClickedHuman] */
  readonly links: readonly (readonly [CampaignId, LinkKey, string, number, number, number, number])[];
  /** [campaign, link, basis, quarter-hours since the epoch, counts by position in LINK_MEASURES]; format 1 has none. */
  readonly linkCells?: readonly (readonly [CampaignId, LinkKey, Basis, number, readonly number[]])[];
  /** [campaign, the earliest SENT of the batch in microseconds since the epoch] */
  readonly firstSent: readonly (readonly [CampaignId, number])[];
}
