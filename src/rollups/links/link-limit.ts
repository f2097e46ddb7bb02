/**
 * A campaign keeps at most so many distinct links, those that came first; clicks on others are counted together under the nil
 * key. Who is the first to meet a link locks its campaign's identity, so that racing workers cannot pass the limit together.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { type CampaignId, type LinkKey, NIL_UUID, type TenantId } from "../../ids.js";

/** What the links past the limit are called. */
export const OTHER_LINKS = "(other links)";
export const OTHER_LINKS_KEY = NIL_UUID as LinkKey;

/** A link of a campaign, in the names of SQL; which one it counts as is settled here. */
export interface PlacedLink {
  readonly tenant_id: TenantId;
  readonly campaign_id: CampaignId;
  link_key: LinkKey;
  url: string;
}
type LinkRow = Pick<PlacedLink, "tenant_id" | "campaign_id" | "link_key">;

const findKnown = defineStatement<"events", [links: string], LinkRow>(
  "events",
  "links.find_known",
  `select known.tenant_id, known.campaign_id, known.link_key
   from json_to_recordset($1) as link (tenant_id uuid, campaign_id uuid, link_key uuid)
   join campaign_links as known using (tenant_id, campaign_id, link_key)`,
);

const lockCampaigns = defineStatement<"events", [campaigns: string], { tenant_id: TenantId; campaign_id: CampaignId }>(
  "events",
  "links.lock_campaigns",
  `select identity.tenant_id, identity.campaign_id
   from json_to_recordset($1) as campaign (tenant_id uuid, campaign_id uuid)
   join campaign_identities as identity using (tenant_id, campaign_id)
   order by tenant_id, campaign_id
   for no key update of identity`,
);

const countLinks = defineStatement<
  "events",
  [campaigns: string],
  { tenant_id: TenantId; campaign_id: CampaignId; links: number }
>(
  "events",
  "links.count",
  `select link.tenant_id, link.campaign_id, count(*) as links
   from json_to_recordset($1) as campaign (tenant_id uuid, campaign_id uuid)
   join campaign_links as link using (tenant_id, campaign_id)
   group by link.tenant_id, link.campaign_id`,
);

const insertLinks = defineStatement<"events", [links: string], never>(
  "events",
  "links.insert",
  `insert into campaign_links (tenant_id, campaign_id, link_key, url)
   select tenant_id, campaign_id, link_key, url
   from json_to_recordset($1) as link (tenant_id uuid, campaign_id uuid, link_key uuid, url text)
   on conflict (tenant_id, campaign_id, link_key) do nothing`,
);

const idOfLink = (row: LinkRow): string => `${row.tenant_id}${row.campaign_id}${row.link_key}`;
const idOfCampaign = (row: Pick<LinkRow, "tenant_id" | "campaign_id">): string => `${row.tenant_id}${row.campaign_id}`;

/** Gives links past the limit the nil key, in place, and keeps the new ones before it. */
export async function placeUnderLimit(
  session: Session<"events">,
  clicked: readonly PlacedLink[],
  limit: number,
): Promise<void> {
  const links = [...new Map(clicked.map((link) => [idOfLink(link), link])).values()];
  const known = new Set((await session.run(findKnown(toJson(links)))).map((row) => idOfLink(row)));
  const unknown = links.filter((link) => !known.has(idOfLink(link)));
  if (unknown.length === 0) return;
  const campaigns = toJson([...new Map(unknown.map((link) => [idOfCampaign(link), link])).values()]);
  await session.run(lockCampaigns(campaigns));
  // Under the lock it is certain what is known and how many there are.
  for (const row of await session.run(findKnown(toJson(unknown)))) known.add(idOfLink(row));
  const counts = new Map((await session.run(countLinks(campaigns))).map((row) => [idOfCampaign(row), row.links]));
  const added: PlacedLink[] = [];
  for (const link of unknown) {
    if (known.has(idOfLink(link))) continue;
    const count = counts.get(idOfCampaign(link)) ?? 0;
    if (count >= limit) continue;
    counts.set(idOfCampaign(link), count + 1);
    known.add(idOfLink(link));
    added.push(link);
  }
  if (added.length > 0) await session.run(insertLinks(toJson(added)));
  for (const link of clicked) {
    if (known.has(idOfLink(link))) continue;
    link.link_key = OTHER_LINKS_KEY;
    link.url = OTHER_LINKS;
  }
}

function toJson(links: readonly PlacedLink[]): string {
  return JSON.stringify(
    links.map(({ tenant_id, campaign_id, link_key, url }) => ({ tenant_id, campaign_id, link_key, url })),
  );
}
