import type { Parameters } from "../database/parameters.js";
import { requireStorableText } from "../database/storable-text.js";
import type { TenantId } from "../ids.js";
import { formatInstant } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import { SENT_AT } from "./campaign-row.js";

/** Which campaigns. Null is no filter, an empty list is nothing. */
export interface CampaignFilter {
  /** A case-insensitive substring of name, subject or external id; no character in it is special. */
  readonly search: string | null;
  /** Any of these. */
  readonly tags: readonly string[] | null;
  readonly externalIds: readonly string[] | null;
  readonly createdAt: TimeRange | null;
  readonly sentAt: TimeRange | null;
  readonly includeArchived: boolean;
  /** What whoever asks is limited to: any of these, beside the rest. */
  readonly visibleTags: readonly string[] | null;
}

export const NO_CAMPAIGN_FILTER: CampaignFilter = {
  search: null,
  tags: null,
  externalIds: null,
  createdAt: null,
  sentAt: null,
  includeArchived: false,
  visibleTags: null,
};

/** Throws BAD_INPUT, naming the field, for a text that PostgreSQL cannot hold. */
export function checkCampaignFilter(filter: CampaignFilter): void {
  if (filter.search !== null) requireStorableText(filter.search, ["filter", "search"]);
  for (const tag of filter.tags ?? []) requireStorableText(tag, ["filter", "tags"]);
  for (const externalId of filter.externalIds ?? []) requireStorableText(externalId, ["filter", "externalIds"]);
}

/** Whether all campaigns pass, or all but the archived ones. */
export function isUnfiltered(filter: CampaignFilter): boolean {
  const { includeArchived: _, ...filters } = filter;
  return Object.values(filters).every((value) => value === null);
}

/**
 * The tenant's campaigns that pass, as conditions on the table called `campaign`. Only filters that are there are in the
 * text: of "$1 is null or …" a plan for any value expects one row in two hundred, and walks the wrong index.
 */
export function campaignConditions(parameters: Parameters, tenantId: TenantId, filter: CampaignFilter): string {
  const conditions = [`campaign.tenant_id = ${parameters.add(tenantId)}`];
  if (!filter.includeArchived) conditions.push("campaign.archived_at is null");
  if (filter.search !== null) {
    const search = parameters.add(filter.search);
    const contains = (column: string) => `position(lower(${search}) in lower(campaign.${column})) > 0`;
    conditions.push(`(${contains("name")} or ${contains("subject")} or ${contains("external_id")})`);
  }
  if (filter.tags !== null) conditions.push(`campaign.tags && ${parameters.add(filter.tags)}`);
  if (filter.visibleTags !== null) conditions.push(`campaign.tags && ${parameters.add(filter.visibleTags)}`);
  if (filter.externalIds !== null)
    conditions.push(`campaign.external_id = any (${parameters.add(filter.externalIds)})`);
  const within = (column: string, range: TimeRange | null) => {
    if (range === null) return;
    conditions.push(`${column} >= ${parameters.add(formatInstant(range.from))}`);
    conditions.push(`${column} < ${parameters.add(formatInstant(range.to))}`);
  };
  within("campaign.created_at", filter.createdAt);
  within(SENT_AT, filter.sentAt);
  return conditions.join(" and ");
}
