import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { CampaignId, LinkKey, TenantId } from "../ids.js";

export interface LinkRow {
  readonly linkKey: LinkKey;
  readonly url: string;
  readonly clicked: number;
  readonly clickedHuman: number;
  readonly uniqueClicked: number;
  readonly uniqueClickedHuman: number;
}

/** Where a link stands in its campaign's order: most unique clicks first, then by key. */
export interface LinkPosition {
  readonly uniqueClicked: number;
  readonly linkKey: LinkKey;
}

export interface LinkPageRequest {
  readonly limit: number;
  /** The first links between the two positions, or the last ones. */
  readonly take: "FIRST" | "LAST";
  /** Both are exclusive, and hold for every campaign asked for. */
  readonly after?: LinkPosition | undefined;
  readonly before?: LinkPosition | undefined;
}

type Values = [
  TenantId,
  readonly CampaignId[],
  limit: number,
  afterClicks: string | number,
  afterKey: string,
  beforeClicks: string | number,
  beforeKey: string,
];
type Row = LinkRow & { readonly campaignId: CampaignId };

/** The clicks bound the index scan, as a row comparison of mixed directions cannot. */
function defineFindLinks(name: string, order: string) {
  return defineStatement<"metrics", Values, Row>(
    "metrics",
    name,
    `select link.*
     from unnest($2::uuid[]) as campaign (id)
     cross join lateral (
       select campaign_id as "campaignId", link_key as "linkKey", url, clicked, clicked_human as "clickedHuman",
         unique_clicked as "uniqueClicked", unique_clicked_human as "uniqueClickedHuman"
       from campaign_links
       where tenant_id = $1 and campaign_id = campaign.id
         and unique_clicked <= $4 and (unique_clicked < $4 or link_key > $5)
         and unique_clicked >= $6 and (unique_clicked > $6 or link_key < $7)
       order by ${order}
       limit $3
     ) as link
     order by "uniqueClicked" desc, "linkKey"`,
  );
}

const findFirst = defineFindLinks("metrics.find_first_links", "unique_clicked desc, link_key");
const findLast = defineFindLinks("metrics.find_last_links", "unique_clicked, link_key desc");

/** Beyond every link: the ends of bigint, of which no count is one. */
const ABOVE_ALL = { uniqueClicked: "9223372036854775807", linkKey: "ffffffff-ffff-ffff-ffff-ffffffffffff" };
const BELOW_ALL = { uniqueClicked: "-9223372036854775808", linkKey: "00000000-0000-0000-0000-000000000000" };

/** A page of each campaign's links, in their order whichever end it is taken from; the rest under the nil key is one of them. */
export async function readLinkPages(
  session: Session<"metrics">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
  { limit, take, after, before }: LinkPageRequest,
): Promise<Map<CampaignId, LinkRow[]>> {
  const pages = new Map<CampaignId, LinkRow[]>(campaignIds.map((id) => [id, []]));
  if (pages.size === 0 || limit <= 0) return pages;
  const upper = after ?? ABOVE_ALL;
  const lower = before ?? BELOW_ALL;
  const find = take === "FIRST" ? findFirst : findLast;
  const rows = await session.run(
    find(tenantId, [...pages.keys()], limit, upper.uniqueClicked, upper.linkKey, lower.uniqueClicked, lower.linkKey),
  );
  for (const { campaignId, ...link } of rows) pages.get(campaignId)?.push(link);
  return pages;
}
