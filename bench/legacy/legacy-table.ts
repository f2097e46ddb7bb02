/** The old design: every event in one table with five indexes, of which one covers what the dashboard asks. */
import { EVENT_KINDS, messagesOf } from "../scene/event-kinds.js";
import type { HistoryCampaign } from "../scene/history.js";
import { withClient } from "../scene/with-client.js";

const TABLES = `
  create table campaigns (tenant_id uuid not null, id uuid primary key, name text not null, sent_at timestamptz not null);
  create table email_events (
    id bigint generated always as identity,
    tenant_id uuid not null,
    campaign_id uuid not null,
    recipient text not null,
    event_type text not null,
    occurred_at timestamptz not null,
    metadata jsonb
  )`;

const INDEXES = `
  alter table email_events add primary key (id);
  create index on email_events (tenant_id, occurred_at);
  create index on email_events (tenant_id, campaign_id, occurred_at);
  create index on email_events (tenant_id, recipient, occurred_at);
  create index on email_events (tenant_id, campaign_id, event_type, recipient, occurred_at);
  create index on campaigns (tenant_id)`;

/** Fills an empty database with the events of these campaigns, as they come in: by time. */
export async function fillLegacyTable(
  url: string,
  tenantId: string,
  campaigns: readonly HistoryCampaign[],
  messagesPerCampaign: number,
): Promise<void> {
  await withClient(url, async (client) => {
    await client.query("set maintenance_work_mem = '512MB'; set work_mem = '256MB'; set synchronous_commit = off");
    await client.query(TABLES);
    const ids = campaigns.map(({ id }) => id);
    const sentAt = campaigns.map((campaign) => campaign.sentAt);
    await client.query(
      `insert into campaigns (tenant_id, id, name, sent_at)
       select $1, id, id::text, sent_at from unnest($2::uuid[], $3::timestamptz[]) as campaign (id, sent_at)`,
      [tenantId, ids, sentAt],
    );
    const kinds = EVENT_KINDS.map(
      (kind) =>
        `select '${kind.table}' as event_type, message.* from (${messagesOf(kind, "$2", "$3", "$4")}) as message`,
    );
    await client.query(
      `insert into email_events (tenant_id, campaign_id, recipient, event_type, occurred_at, metadata)
       select $1::uuid, campaign_id, 'reader-' || place || '@example.org', event_type, at,
         case when event_type = 'clicked' then jsonb_build_object('url', 'https://example.org/' || place % 7) end
       from (${kinds.join(" union all ")}) as event
       order by at`,
      [tenantId, ids, sentAt, messagesPerCampaign],
    );
    await client.query(INDEXES);
    await client.query("vacuum (analyze)");
  });
}
