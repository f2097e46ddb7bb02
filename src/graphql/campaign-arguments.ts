import type { Principal } from "../access/principal.js";
import { type CampaignFilter, NO_CAMPAIGN_FILTER } from "../campaigns/campaign-filter.js";
import { type CampaignOrder, NEWEST_CAMPAIGNS_FIRST } from "../campaigns/campaign-order.js";
import { checkedRange } from "./checked-range.js";
import type { CampaignFilterInput, CampaignOrderInput } from "./types/campaign-type.js";
import type { DateTimeRangeInput } from "./types/date-time-range-input.js";

/** Null and left out are the same: no filter but what the principal is limited to. */
export function campaignFilterOf(
  filter: CampaignFilterInput | null | undefined,
  { campaignTags: visibleTags }: Principal,
): CampaignFilter {
  if (filter === null || filter === undefined) return { ...NO_CAMPAIGN_FILTER, visibleTags };
  return {
    visibleTags,
    search: filter.search ?? null,
    tags: filter.tags ?? null,
    externalIds: filter.externalIds ?? null,
    createdAt: rangeOf(filter.createdAt, "createdAt"),
    sentAt: rangeOf(filter.sentAt, "sentAt"),
    includeArchived: filter.includeArchived ?? false,
  };
}

function rangeOf(range: DateTimeRangeInput | null | undefined, name: string): CampaignFilter["createdAt"] {
  if (range === null || range === undefined) return null;
  const { from, to } = checkedRange(range, ["filter", name]);
  return { from, to };
}

export function campaignOrderOf(order: CampaignOrderInput | null | undefined): CampaignOrder {
  if (order === null || order === undefined) return NEWEST_CAMPAIGNS_FIRST;
  return { field: order.field, direction: order.direction, currency: order.currency ?? null };
}
