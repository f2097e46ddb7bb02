/** What a rebuild sets, since it is no sum: what a link's URL is, and when a campaign was first sent. */
import type { Pool, Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { CampaignId, LinkKey, TenantId } from "../../ids.js";
import { moveTenantVersions } from "../../tenancy/tenant-version.js";
import { writeAsWorker } from "../../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import type { Difference } from "../verify/difference.js";
import { lockProjectorsOut } from "../projector-lock.js";

const setUrls = defineStatement<"metrics", [TenantId, links: string], never>(
  "metrics",
  "rebuild.set_urls",
  `insert into campaign_links (tenant_id, campaign_id, link_key, url)
   select $1, campaign_id, link_key, url
   from json_to_recordset($2) as link (campaign_id uuid, link_key uuid, url text)
   order by campaign_id, link_key
   on conflict (tenant_id, campaign_id, link_key) do update set url = excluded.url`,
);

const readUrls = defineStatement<
  "events",
  [TenantId, links: string],
  { campaign_id: CampaignId; link_key: LinkKey; url: string }
>(
  "events",
  "rebuild.read_urls",
  `select link.campaign_id, link.link_key, link.url
   from (select distinct campaign_id, link_key
     from json_to_recordset($2) as link (campaign_id uuid, link_key uuid)) as wanted
   join campaign_links as link on link.tenant_id = $1 and link.campaign_id = wanted.campaign_id
     and link.link_key = wanted.link_key`,
);

const renameLink = defineStatement<"metrics", [TenantId, CampaignId | null, LinkKey | null, url: string | null], never>(
  "metrics",
  "rebuild.rename_link",
  "update campaign_links set url = $4 where tenant_id = $1 and campaign_id = $2 and link_key = $3",
);

const findFirstSent = defineStatement<
  "events",
  [TenantId, readonly CampaignId[]],
  { campaign_id: CampaignId; first_sent_at: EpochMicros }
>(
  "events",
  "rebuild.find_first_sent",
  // One step into an index for each, however many were sent: projectors wait.
  `select campaign.id as campaign_id, first.occurred_at as first_sent_at
   from unnest($2::uuid[]) as campaign (id)
   cross join lateral (
     select occurred_at from sent where tenant_id = $1 and campaign_id = campaign.id order by occurred_at limit 1
   ) as first`,
);

const setFirstSent = defineStatement<"metrics", [TenantId, campaigns: string], never>(
  "metrics",
  "rebuild.set_first_sent",
  `update campaigns set first_sent_at = counted.first_sent_at
   from json_to_recordset($2) as counted (id uuid, first_sent_at timestamptz)
   where campaigns.tenant_id = $1 and campaigns.id = counted.id`,
);

/** Names the links as the differences say they are called. Their rows have been locked before, in the order of all writers. */
export async function mendUrls(
  session: Session<"metrics">,
  tenantId: TenantId,
  differences: readonly Difference[],
): Promise<void> {
  if (differences.length === 0) return;
  const links = differences.map((difference) => ({
    campaign_id: difference.campaignId,
    link_key: difference.linkKey,
    url: difference.url,
  }));
  await session.run(setUrls(tenantId, JSON.stringify(links)));
}

/** The differences with their links called as the log calls them now: since the snapshot an erasure may have replaced a URL. */
export async function withUrlsOfNow(
  events: Pool<"events">,
  tenantId: TenantId,
  differences: readonly Difference[],
): Promise<readonly Difference[]> {
  const links = differences.map(({ campaignId, linkKey }) => ({ campaign_id: campaignId, link_key: linkKey }));
  const rows = await writeAsWorker(events, (session) => session.run(readUrls(tenantId, JSON.stringify(links))));
  const urls = new Map(rows.map((row) => [`${row.campaign_id}${row.link_key}`, row.url]));
  return differences.map((difference) => {
    const url = urls.get(`${difference.campaignId}${difference.linkKey}`);
    return url === undefined || url === difference.url ? difference : { ...difference, url };
  });
}

/** A link that is not there stays so. */
export async function renameInRollups(
  session: Session<"metrics">,
  tenantId: TenantId,
  { campaignId, linkKey, url }: Difference,
): Promise<void> {
  await session.run(renameLink(tenantId, campaignId, linkKey, url));
}

/**
 * Sets when campaigns were first sent. An earlier SENT may be recorded and projected at any time, and a value that is too
 * early swallows it; so the log is read while no projector is at work. What it has recorded by then is in the value, and a
 * message that comes later makes it earlier or changes nothing. Who froze and lost the lock lost the transaction with it.
 */
export async function mendFirstSent(
  pools: { readonly events: Pool<"events">; readonly metrics: Pool<"metrics"> },
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
): Promise<void> {
  await lockProjectorsOut(pools.metrics, async (locked) => {
    const found = await writeAsWorker(pools.events, (session) => session.run(findFirstSent(tenantId, campaignIds)));
    const sentAt = new Map(found.map((row) => [row.campaign_id, formatInstant(row.first_sent_at)]));
    const rows = campaignIds.map((id) => ({ id, first_sent_at: sentAt.get(id) ?? null }));
    await locked.run(setFirstSent(tenantId, JSON.stringify(rows)));
    await moveTenantVersions(locked, [tenantId]);
  });
}
