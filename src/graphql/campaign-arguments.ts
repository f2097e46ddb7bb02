import { PublicError } from "../errors.js";
import { type CampaignFilter, NO_CAMPAIGN_FILTER } from "../campaigns/campaign-filter.js";
import { type CampaignOrder, NEWEST_CAMPAIGNS_FIRST } from "../campaigns/campaign-order.js";
import { checkedRange } from "./checked-range.js";
import type { TenantAccess } from "./tenant-access.js";
import type { CampaignFilterInput, CampaignOrderInput } from "./types/campaign-type.js";
import type { DateTimeRangeInput } from "./types/date-time-range-input.js";

/** Null and left out are the same: no filter but what the principal is limited to. */
export function campaignFilterOf(
  filter: CampaignFilterInput | null | undefined,
  tenant: Pick<TenantAccess, "principal" | "services">,
): CampaignFilter {
  const { campaignTags: visibleTags } = tenant.principal;
  if (filter === null || filter === undefined) return { ...NO_CAMPAIGN_FILTER, visibleTags };
  return {
    visibleTags,
    search: filter.search ?? null,
    tags: filterTagsOf(filter, tenant),
    externalIds: filter.externalIds ?? null,
    createdAt: rangeOf(filter.createdAt, "createdAt"),
    sentAt: rangeOf(filter.sentAt, "sentAt"),
    includeArchived: filter.includeArchived ?? false,
  };
}

/** Throws BAD_INPUT for more tags than may be named: each of the tenant's campaigns is held against all of them. */
export function filterTagsOf(
  { tags = null }: { readonly tags?: readonly string[] | null },
  { services: { maxFilterTags } }: Pick<TenantAccess, "services">,
): readonly string[] | null {
  if (tags === null || tags.length <= maxFilterTags) return tags;
  const message = `A filter names at most ${maxFilterTags} tags; this one has ${tags.length}.`;
  throw new PublicError("BAD_INPUT", message, { field: ["filter", "tags"] });
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
