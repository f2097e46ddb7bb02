/**
 * Keeps the campaigns' rows in the metrics database in step with what the event log owns of them and with their first SENT. Both are
 * written by one statement, so that projectors lock all campaigns of their messages in one order.
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { CampaignIdentity } from "./campaign-identity.js";

/** The newer of two, as revisions tell. */
const newer = (column: string, value = `excluded.${column}`): string =>
  `${column} = case when campaigns.identity_revision < excluded.identity_revision then ${value} else campaigns.${column} end`;

/** What somebody said of the campaign stays. */
const unlessHeard = (column: string): string =>
  `${column} = case campaigns.identity_revision when 0 then excluded.${column} else campaigns.${column} end`;

const upsert = defineStatement<"metrics", [campaigns: string], never>(
  "metrics",
  "campaigns.project",
  // What has an older revision came late and says nothing new. Revision 0 stands in for a campaign of which nothing is known but
  // its first SENT: another projector may hold the message that makes it.
  `insert into campaigns
     (tenant_id, id, external_id, name, subject, tags, sent_at, first_sent_at, created_at, updated_at, archived_at,
      identity_revision, awaited_details)
   select tenant_id, id, external_id, name, subject, coalesce(tags, '{}'), sent_at, first_sent_at, created_at, changed_at,
     archived_at, revision, case when told then '{}' else enum_range(null::campaign_detail) end
   from json_to_recordset($1) as campaign
     (tenant_id uuid, id uuid, external_id text, name text, subject text, tags text[], sent_at timestamptz,
      first_sent_at timestamptz, created_at timestamptz, changed_at timestamptz, archived_at timestamptz, revision integer,
      told boolean)
   order by tenant_id, id
   on conflict (tenant_id, id) do update set
     ${["name", "subject", "tags", "sent_at", "awaited_details"].map(unlessHeard).join(",\n     ")},
     ${["created_at", "external_id", "archived_at", "identity_revision"].map((column) => newer(column)).join(",\n     ")},
     ${newer("updated_at", "greatest(campaigns.updated_at, excluded.updated_at)")},
     first_sent_at = least(campaigns.first_sent_at, excluded.first_sent_at)
   where campaigns.identity_revision < excluded.identity_revision
     or excluded.first_sent_at < coalesce(campaigns.first_sent_at, 'infinity')`,
);

const fillAwaited = defineStatement<"metrics", [identities: string], never>(
  "metrics",
  "campaigns.fill_awaited",
  // What somebody has changed meanwhile is awaited no more. The rows are locked by now, in their order.
  `update campaigns as campaign set
     name = case when 'name' = any (awaited_details) then told.name else campaign.name end,
     subject = case when 'subject' = any (awaited_details) then told.subject else campaign.subject end,
     tags = case when 'tags' = any (awaited_details) then coalesce(told.tags, '{}') else campaign.tags end,
     sent_at = case when 'sent_at' = any (awaited_details) then told.sent_at else campaign.sent_at end,
     awaited_details = '{}'
   from json_to_recordset($1) as told
     (tenant_id uuid, id uuid, name text, subject text, tags text[], sent_at timestamptz)
   where campaign.tenant_id = told.tenant_id and campaign.id = told.id and awaited_details <> '{}'`,
);

export interface NewsOfCampaigns {
  readonly identities?: readonly { readonly tenantId: TenantId; readonly identity: CampaignIdentity }[];
  /** Earliest SENTs, where nobody set sentAt. */
  readonly firstSent?: readonly { readonly tenantId: TenantId; readonly campaignId: CampaignId; readonly at: number }[];
}

/**
 * Takes the news over: identities each unless a newer revision is there, what was said where a campaign was made whenever it comes, and
 * SENTs where they are earlier.
 */
export async function projectCampaigns(
  session: Session<"metrics">,
  { identities = [], firstSent = [] }: NewsOfCampaigns,
): Promise<void> {
  const rows = new Map<string, CampaignChange>();
  for (const { tenantId, identity } of identities.toSorted((a, b) => a.identity.revision - b.identity.revision)) {
    const earlier = rows.get(identity.id);
    const row = rowOf(tenantId, identity);
    rows.set(identity.id, earlier?.told === true ? { ...row, ...detailsOf(earlier) } : row);
  }
  for (const { tenantId, campaignId, at } of firstSent.toSorted((a, b) => b.at - a.at)) {
    const sentAt = formatInstant(at as EpochMicros);
    const row = rows.get(campaignId) ?? standInFor(tenantId, campaignId, sentAt);
    rows.set(campaignId, { ...row, first_sent_at: sentAt });
  }
  if (rows.size === 0) return;
  const told = [...rows.values()].filter((row) => row.told);
  await Promise.all([
    session.run(upsert(JSON.stringify([...rows.values()]))),
    told.length > 0 && session.run(fillAwaited(JSON.stringify(told))),
  ]);
}

function rowOf(tenantId: TenantId, identity: CampaignIdentity) {
  const { id, externalId, details, detailsStandIn, createdAt, changedAt, archivedAt, revision } = identity;
  return {
    tenant_id: tenantId,
    id,
    external_id: externalId,
    name: details.name,
    subject: details.subject,
    tags: details.tags,
    sent_at: textOf(details.sentAt),
    first_sent_at: null as string | null,
    created_at: formatInstant(createdAt),
    changed_at: formatInstant(changedAt),
    archived_at: textOf(archivedAt),
    revision,
    // Messages of the program before do not say which details stand in, but a revision after the first never has others.
    told: revision === 1 && detailsStandIn !== true,
  };
}

type CampaignChange = ReturnType<typeof rowOf>;

function detailsOf({ name, subject, tags, sent_at, told }: CampaignChange) {
  return { name, subject, tags, sent_at, told };
}

function standInFor(tenantId: TenantId, id: CampaignId, sentAt: string): CampaignChange {
  return {
    tenant_id: tenantId,
    id,
    external_id: null,
    name: id,
    subject: null,
    tags: [],
    sent_at: null,
    first_sent_at: sentAt,
    created_at: sentAt,
    changed_at: sentAt,
    archived_at: null,
    revision: 0,
    told: false,
  };
}

function textOf(instant: EpochMicros | null | undefined): string | null {
  return instant === null || instant === undefined ? null : formatInstant(instant);
}
