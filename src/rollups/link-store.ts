/**
 * Counts the clicks of a batch by link. A campaign keeps at most so many distinct links, those that came first; clicks on
 * others are counted together under the nil key. Who is the first to meet a link locks its campaign's identity, so that
 * racing workers cannot pass the limit together.
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { ReceivedEvent } from "../events/event-log.js";
import { type CampaignId, hashToUuid, type LinkKey, NIL_UUID, type RecipientKey, type TenantId } from "../ids.js";
import type { LinkDelta } from "./delta.js";
import { isHuman } from "./recipient-state.js";

/** What the links past the limit are called. */
export const OTHER_LINKS = "(other links)";
export const OTHER_LINKS_KEY = NIL_UUID as LinkKey;

interface LinkRow {
  readonly tenant_id: TenantId;
  readonly campaign_id: CampaignId;
  readonly link_key: LinkKey;
}
type LinkRecipientRow = LinkRow & { readonly recipient_key: RecipientKey };

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

const insertRecipients = defineStatement<"events", [recipients: string], LinkRecipientRow>(
  "events",
  "links.insert_recipients",
  `insert into link_recipients (tenant_id, campaign_id, link_key, recipient_key, human)
   select tenant_id, campaign_id, link_key, recipient_key, human
   from json_to_recordset($1) as clicked
     (tenant_id uuid, campaign_id uuid, link_key uuid, recipient_key uuid, human boolean)
   order by tenant_id, campaign_id, link_key, recipient_key
   on conflict (tenant_id, campaign_id, link_key, recipient_key) do nothing
   returning tenant_id, campaign_id, link_key, recipient_key`,
);

const markHuman = defineStatement<"events", [recipients: string], LinkRecipientRow>(
  "events",
  "links.mark_human",
  `update link_recipients as known set human = true
   from (
     select known.tenant_id, known.campaign_id, known.link_key, known.recipient_key
     from json_to_recordset($1) as clicked (tenant_id uuid, campaign_id uuid, link_key uuid, recipient_key uuid)
     join link_recipients as known using (tenant_id, campaign_id, link_key, recipient_key)
     where not known.human
     order by tenant_id, campaign_id, link_key, recipient_key
     for update of known
   ) as clicked
   where known.tenant_id = clicked.tenant_id and known.campaign_id = clicked.campaign_id
     and known.link_key = clicked.link_key and known.recipient_key = clicked.recipient_key
   returning known.tenant_id, known.campaign_id, known.link_key, known.recipient_key`,
);

interface Click {
  readonly tenant_id: TenantId;
  readonly campaign_id: CampaignId;
  link_key: LinkKey;
  readonly recipient_key: RecipientKey;
  url: string;
  readonly human: boolean;
}

const idOfLink = (row: LinkRow): string => `${row.tenant_id}${row.campaign_id}${row.link_key}`;
const idOfClick = (row: LinkRecipientRow): string => `${idOfLink(row)}${row.recipient_key}`;
const idOfCampaign = (row: Pick<LinkRow, "tenant_id" | "campaign_id">): string => `${row.tenant_id}${row.campaign_id}`;

/** Records who clicked which link and returns what changes, by tenant. The events must be new to the log. */
export async function applyToLinks(
  session: Session<"events">,
  events: readonly ReceivedEvent[],
  maxLinksPerCampaign: number,
): Promise<Map<TenantId, LinkDelta[]>> {
  const clicks = events.flatMap(({ tenantId, event }): Click[] => {
    if (event.type !== "CLICKED" || event.url === undefined) return [];
    return [
      {
        tenant_id: tenantId,
        campaign_id: event.campaignId,
        link_key: hashToUuid(event.url) as LinkKey,
        recipient_key: event.recipientKey,
        url: event.url,
        human: isHuman(event),
      },
    ];
  });
  if (clicks.length === 0) return new Map();
  await placeUnderLimit(session, clicks, maxLinksPerCampaign);
  return sumByLink(clicks, await rememberClickers(session, clicks));
}

/** Gives links past the limit the nil key, and keeps the new ones before it. */
async function placeUnderLimit(session: Session<"events">, clicks: readonly Click[], limit: number): Promise<void> {
  const links = [...new Map(clicks.map((click) => [idOfLink(click), click])).values()];
  const known = new Set((await session.run(findKnown(JSON.stringify(links)))).map((row) => idOfLink(row)));
  const unknown = links.filter((link) => !known.has(idOfLink(link)));
  if (unknown.length === 0) return;
  const campaigns = JSON.stringify([...new Map(unknown.map((link) => [idOfCampaign(link), link])).values()]);
  await session.run(lockCampaigns(campaigns));
  // Under the lock it is certain what is known and how many there are.
  for (const row of await session.run(findKnown(JSON.stringify(unknown)))) known.add(idOfLink(row));
  const counts = new Map((await session.run(countLinks(campaigns))).map((row) => [idOfCampaign(row), row.links]));
  const added: Click[] = [];
  for (const link of unknown) {
    if (known.has(idOfLink(link))) continue;
    const count = counts.get(idOfCampaign(link)) ?? 0;
    if (count >= limit) continue;
    counts.set(idOfCampaign(link), count + 1);
    known.add(idOfLink(link));
    added.push(link);
  }
  if (added.length > 0) await session.run(insertLinks(JSON.stringify(added)));
  for (const click of clicks) {
    if (known.has(idOfLink(click))) continue;
    click.link_key = OTHER_LINKS_KEY;
    click.url = OTHER_LINKS;
  }
}

/** Who clicked a link for the first time, at all and as a human. */
async function rememberClickers(
  session: Session<"events">,
  clicks: readonly Click[],
): Promise<{ readonly isNew: ReadonlySet<string>; readonly isNewHuman: ReadonlySet<string> }> {
  const clickers = new Map<string, Click>();
  for (const click of clicks) {
    const id = idOfClick(click);
    if (!clickers.has(id) || click.human) clickers.set(id, click);
  }
  const inserted = await session.run(insertRecipients(JSON.stringify([...clickers.values()])));
  const isNew = new Set(inserted.map((row) => idOfClick(row)));
  const returning = [...clickers].filter(([id, click]) => click.human && !isNew.has(id)).map(([, click]) => click);
  const marked = returning.length === 0 ? [] : await session.run(markHuman(JSON.stringify(returning)));
  const isNewHuman = new Set(marked.map((row) => idOfClick(row)));
  for (const [id, click] of clickers) if (click.human && isNew.has(id)) isNewHuman.add(id);
  return { isNew, isNewHuman };
}

function sumByLink(
  clicks: readonly Click[],
  first: { readonly isNew: ReadonlySet<string>; readonly isNewHuman: ReadonlySet<string> },
): Map<TenantId, LinkDelta[]> {
  const deltas = new Map<string, LinkDelta>();
  const byTenant = new Map<TenantId, LinkDelta[]>();
  const counted = new Set<string>();
  for (const click of clicks) {
    let delta = deltas.get(idOfLink(click));
    if (delta === undefined) {
      delta = {
        campaignId: click.campaign_id,
        linkKey: click.link_key,
        url: click.url,
        clicked: 0,
        clickedHuman: 0,
        uniqueClicked: 0,
        uniqueClickedHuman: 0,
      };
      deltas.set(idOfLink(click), delta);
      byTenant.set(click.tenant_id, [...(byTenant.get(click.tenant_id) ?? []), delta]);
    }
    delta.clicked += 1;
    if (click.human) delta.clickedHuman += 1;
    const id = idOfClick(click);
    if (counted.has(id)) continue;
    counted.add(id);
    if (first.isNew.has(id)) delta.uniqueClicked += 1;
    if (first.isNewHuman.has(id)) delta.uniqueClickedHuman += 1;
  }
  return byTenant;
}
