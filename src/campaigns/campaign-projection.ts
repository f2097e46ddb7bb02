/** Keeps the campaigns' rows in the metrics database in step with what the event log owns of them. */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { CampaignIdentity } from "./campaign-identities.js";

const applyIdentities = defineStatement<"metrics", [identities: string], never>(
  "metrics",
  "campaigns.apply_identities",
  // What has an older revision came late and says nothing new; what somebody said of the campaign stays.
  `insert into campaigns
     (tenant_id, id, external_id, name, subject, tags, sent_at, created_at, updated_at, archived_at, identity_revision)
   select tenant_id, id, external_id, name, subject, coalesce(tags, '{}'), sent_at, created_at, changed_at, archived_at,
     revision
   from json_to_recordset($1) as identity
     (tenant_id uuid, id uuid, external_id text, name text, subject text, tags text[], sent_at timestamptz,
      created_at timestamptz, changed_at timestamptz, archived_at timestamptz, revision integer)
   order by tenant_id, id
   on conflict (tenant_id, id) do update set
     name = case campaigns.identity_revision when 0 then excluded.name else campaigns.name end,
     subject = case campaigns.identity_revision when 0 then excluded.subject else campaigns.subject end,
     tags = case campaigns.identity_revision when 0 then excluded.tags else campaigns.tags end,
     sent_at = case campaigns.identity_revision when 0 then excluded.sent_at else campaigns.sent_at end,
     created_at = excluded.created_at,
     external_id = excluded.external_id,
     archived_at = excluded.archived_at,
     updated_at = greatest(campaigns.updated_at, excluded.updated_at),
     identity_revision = excluded.identity_revision
   where campaigns.identity_revision < excluded.identity_revision`,
);

/** Takes the identities over, each unless a newer revision is there. */
export async function applyCampaignIdentities(
  session: Session<"metrics">,
  identities: readonly { readonly tenantId: TenantId; readonly identity: CampaignIdentity }[],
): Promise<void> {
  if (identities.length === 0) return;
  const newest = new Map<string, (typeof identities)[number]>();
  // The first message of a campaign is the one that says what it is; later ones only change what they are about.
  for (const item of identities.toSorted((a, b) => a.identity.revision - b.identity.revision)) {
    const details = newest.get(item.identity.id)?.identity.details ?? item.identity.details;
    newest.set(item.identity.id, { tenantId: item.tenantId, identity: { ...item.identity, details } });
  }
  const rows = Array.from(newest.values(), ({ tenantId, identity }) => ({
    tenant_id: tenantId,
    id: identity.id,
    external_id: identity.externalId,
    name: identity.details.name,
    subject: identity.details.subject,
    tags: identity.details.tags,
    sent_at: textOf(identity.details.sentAt),
    created_at: formatInstant(identity.createdAt),
    changed_at: formatInstant(identity.changedAt),
    archived_at: textOf(identity.archivedAt),
    revision: identity.revision,
  }));
  await session.run(applyIdentities(JSON.stringify(rows)));
}

function textOf(instant: EpochMicros | null | undefined): string | null {
  return instant === null || instant === undefined ? null : formatInstant(instant);
}

const moveFirstSent = defineStatement<"metrics", [firstSent: string], never>(
  "metrics",
  "campaigns.move_first_sent",
  // Another projector may hold the message that makes the campaign: revision 0 stands in its place until that comes.
  `insert into campaigns (tenant_id, id, name, created_at, updated_at, first_sent_at, identity_revision)
   select tenant_id, id, id::text, first_sent_at, first_sent_at, first_sent_at, 0
   from json_to_recordset($1) as earlier (tenant_id uuid, id uuid, first_sent_at timestamptz)
   order by earlier.tenant_id, earlier.id
   on conflict (tenant_id, id) do update set
     first_sent_at = least(campaigns.first_sent_at, excluded.first_sent_at)
   where campaigns.first_sent_at is null or campaigns.first_sent_at > excluded.first_sent_at`,
);

/** A campaign's earliest SENT, where nobody set sentAt. */
export async function applyFirstSent(
  session: Session<"metrics">,
  firstSent: readonly { readonly tenantId: TenantId; readonly campaignId: CampaignId; readonly at: number }[],
): Promise<void> {
  if (firstSent.length === 0) return;
  const earliest = new Map<string, (typeof firstSent)[number]>();
  for (const item of firstSent) {
    const known = earliest.get(item.campaignId);
    if (known === undefined || item.at < known.at) earliest.set(item.campaignId, item);
  }
  const rows = Array.from(earliest.values(), ({ tenantId, campaignId, at }) => ({
    tenant_id: tenantId,
    id: campaignId,
    first_sent_at: formatInstant(at as EpochMicros),
  }));
  await session.run(moveFirstSent(JSON.stringify(rows)));
}
