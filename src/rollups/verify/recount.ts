/**
 * Counts campaigns anew from the event log, by the words of docs/kpis.md: a second implementation, in SQL over the ten event
 * tables, that shares nothing with the fold whose results it judges. It reads every event of the campaigns it is given,
 * since a unique count depends on the first time; PostgreSQL spills to disk what does not fit its memory.
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { EVENT_TABLE_NAMES } from "../../events/event-tables.js";
import type { CampaignId, LinkKey, TenantId } from "../../ids.js";
import { recordOf } from "../../record-of.js";
import type { EpochMicros } from "../../time/instant.js";
import { OTHER_LINKS, OTHER_LINKS_KEY } from "../links/link-limit.js";
import { LinkUrls } from "./link-urls.js";
import { type Basis, LINK_MEASURES, type LinkMeasure, MEASURES, type Measure } from "../measures.js";
import { addCount, addRevenue, RollupSums } from "./rollup-sums.js";

export interface Recount {
  /** By campaign, basis and quarter-hour. */
  readonly quarters: RollupSums;
  /** By campaign, link, basis and quarter-hour. */
  readonly linkQuarters: RollupSums;
  /** What the links are. */
  readonly linkUrls: LinkUrls;
  /** The earliest SENT of each campaign that has one. */
  readonly firstSent: ReadonlyMap<CampaignId, EpochMicros>;
}

interface CellRow {
  readonly campaign_id: CampaignId;
  readonly basis: Basis;
  readonly bucket: EpochMicros;
  readonly measure: Measure | "revenue";
  readonly events: number;
  readonly currency: string | null;
  readonly amount: string | null;
}

interface LinkCellRow {
  readonly campaign_id: CampaignId;
  readonly link_key: LinkKey;
  readonly url: string;
  readonly basis: Basis;
  readonly bucket: EpochMicros;
  readonly measure: LinkMeasure;
  readonly clicks: number;
}

const positions = recordOf(MEASURES, (_, position) => position);
const linkPositions = recordOf(LINK_MEASURES, (_, position) => position);

const SCOPE = "tenant_id = $1 and campaign_id = any ($2::uuid[])";
/** The origin lies before every event: date_bin() rounds the other way before it. */
const quarterOf = (at: string): string => `date_bin('15 minutes', ${at}, timestamptz '0001-01-01 00:00:00+00')`;

/** What an event counts as, beside those that count as what their table is called. */
const HAPPENED = [
  ...["sent", "delivered", "deferred", "opened", "clicked", "complained", "unsubscribed", "converted", "rejected"].map(
    (table) => ({ table, measure: `'${table}'`, condition: SCOPE }),
  ),
  { table: "bounced", measure: "'bounced_' || lower(bounce_class::text)", condition: SCOPE },
  { table: "opened", measure: "'opened_human'", condition: `${SCOPE} and traffic <> 'MACHINE'` },
  { table: "clicked", measure: "'clicked_human'", condition: `${SCOPE} and traffic <> 'MACHINE'` },
];

const countCells = defineStatement<"events", [TenantId, readonly CampaignId[]], CellRow>(
  "events",
  "recount.cells",
  `with happened as materialized (
     ${HAPPENED.map(
       ({ table, measure, condition }) =>
         `select campaign_id, recipient_key, occurred_at as at, ${measure} as measure from ${table} where ${condition}`,
     ).join("\n     union all\n     ")}
   ),
   -- A recipient counts once in a campaign, at the first time.
   first_touch as (
     select campaign_id, recipient_key, min(at) as at, touch.unique_measure as measure
     from happened
     join (values
       ('sent', 'unique_sent'), ('deferred', 'unique_deferred'), ('rejected', 'unique_rejected'),
       ('bounced_hard', 'unique_bounced'), ('bounced_soft', 'unique_bounced'), ('bounced_block', 'unique_bounced'),
       ('bounced_undetermined', 'unique_bounced'), ('bounced_hard', 'unique_hard_bounced'),
       ('opened', 'unique_opened'), ('opened_human', 'unique_opened_human'),
       ('clicked', 'unique_clicked'), ('clicked_human', 'unique_clicked_human'),
       ('complained', 'unique_complained'), ('unsubscribed', 'unique_unsubscribed'), ('converted', 'unique_converted')
     ) as touch (measure, unique_measure) using (measure)
     group by campaign_id, recipient_key, touch.unique_measure
   ),
   -- Whoever engages was reached; a bounce without engagement means that nobody was, whatever was accepted first.
   reached as (
     select campaign_id, recipient_key, min(at) filter (where measure not like 'bounced%') as at
     from happened
     where measure not in ('sent', 'deferred', 'rejected')
     group by campaign_id, recipient_key
     having bool_or(measure in ('opened', 'clicked', 'complained', 'unsubscribed', 'converted'))
       or not bool_or(measure like 'bounced%')
   ),
   -- Where the SEND basis puts everything of a recipient.
   anchor as (
     select campaign_id, recipient_key, coalesce(min(at) filter (where measure = 'sent'), min(at)) as at
     from happened
     group by campaign_id, recipient_key
   ),
   counted as materialized (
     select campaign_id, recipient_key, at, measure, null as currency, null::numeric as amount from happened
     union all
     select campaign_id, recipient_key, at, measure, null, null from first_touch
     union all
     select campaign_id, recipient_key, at, 'unique_delivered', null, null from reached
     union all
     select campaign_id, recipient_key, occurred_at, 'revenue', currency, amount
     from converted where ${SCOPE} and amount is not null and currency is not null
   )
   select campaign_id, 'EVENT' as basis, ${quarterOf("at")} as bucket, measure, currency,
     count(*) as events, sum(amount) as amount
   from counted
   group by campaign_id, ${quarterOf("at")}, measure, currency
   union all
   select campaign_id, 'SEND', ${quarterOf("anchor.at")}, counted.measure, counted.currency,
     count(*), sum(counted.amount)
   from counted
   join anchor using (campaign_id, recipient_key)
   group by campaign_id, ${quarterOf("anchor.at")}, counted.measure, counted.currency`,
);

const countLinks = defineStatement<
  "events",
  [TenantId, readonly CampaignId[], others: LinkKey, name: string],
  LinkCellRow
>(
  "events",
  "recount.links",
  `with clicks as materialized (
     -- A key of its own: the URL held an address, and was replaced.
     select campaign_id, url, link_key as own_key, recipient_key, occurred_at as at, traffic <> 'MACHINE' as human
     from clicked where ${SCOPE}
   ),
   -- The links past the limit are one link, which a recipient clicks for the first time once.
   link as materialized (
     select campaign_id, hashed.url as clicked_url, hashed.own_key, coalesce(registered.link_key, $3) as link_key,
       coalesce(registered.url, $4) as url
     from (
       select campaign_id, url, own_key,
         coalesce(own_key, left(encode(sha256(convert_to(url, 'UTF8')), 'hex'), 32)::uuid) as link_key
       from clicks
       group by campaign_id, url, own_key
     ) as hashed
     left join (select campaign_id, link_key, url from campaign_links where ${SCOPE}) as registered
       using (campaign_id, link_key)
   ),
   linked as materialized (
     select link.campaign_id, link.link_key, link.url, recipient_key, at, human
     from clicks
     join link on link.campaign_id = clicks.campaign_id and link.clicked_url = clicks.url
       and link.own_key is not distinct from clicks.own_key
   ),
   -- Where the SEND basis puts what a clicker did: at the first SENT, or at the first event of any type.
   clicker as (select distinct campaign_id, recipient_key from clicks),
   anchor as (
     select campaign_id, recipient_key, coalesce(min(at) filter (where is_sent), min(at)) as sent_at
     from (
       ${EVENT_TABLE_NAMES.map(
         (table) =>
           `select campaign_id, recipient_key, occurred_at as at, ${table === "sent"} as is_sent from ${table} where ${SCOPE}`,
       ).join("\n       union all\n       ")}
     ) as happened
     join clicker using (campaign_id, recipient_key)
     group by campaign_id, recipient_key
   ),
   counted as materialized (
     select campaign_id, link_key, url, recipient_key, at, 'clicked' as measure from linked
     union all
     select campaign_id, link_key, url, recipient_key, at, 'clicked_human' from linked where human
     union all
     select campaign_id, link_key, url, recipient_key, min(at), 'unique_clicked' from linked
     group by campaign_id, link_key, url, recipient_key
     union all
     select campaign_id, link_key, url, recipient_key, min(at), 'unique_clicked_human' from linked where human
     group by campaign_id, link_key, url, recipient_key
   )
   select campaign_id, link_key, url, 'EVENT' as basis, ${quarterOf("at")} as bucket, measure, count(*) as clicks
   from counted
   group by campaign_id, link_key, url, ${quarterOf("at")}, measure
   union all
   select campaign_id, link_key, url, 'SEND', ${quarterOf("sent_at")}, measure, count(*)
   from counted
   join anchor using (campaign_id, recipient_key)
   group by campaign_id, link_key, url, ${quarterOf("sent_at")}, measure`,
);

const findFirstSent = defineStatement<
  "events",
  [TenantId, readonly CampaignId[]],
  { campaign_id: CampaignId; first_sent_at: EpochMicros }
>(
  "events",
  "recount.first_sent",
  `select campaign_id, min(occurred_at) as first_sent_at from sent where ${SCOPE} group by campaign_id`,
);

const findRegistered = defineStatement<
  "events",
  [TenantId, readonly CampaignId[]],
  { campaign_id: CampaignId; link_key: LinkKey; url: string }
>("events", "recount.registered_links", `select campaign_id, link_key, url from campaign_links where ${SCOPE}`);

/** What the log calls the links of campaigns that are not counted: their row may be missing where their clicks stand. */
export async function readRegisteredUrls(
  session: Session<"events">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
): Promise<LinkUrls> {
  const urls = new LinkUrls();
  if (campaignIds.length === 0) return urls;
  for (const row of await session.run(findRegistered(tenantId, campaignIds))) {
    urls.add({ campaignId: row.campaign_id, linkKey: row.link_key }, row.url);
  }
  for (const campaignId of campaignIds) urls.add({ campaignId, linkKey: OTHER_LINKS_KEY }, OTHER_LINKS);
  return urls;
}

/** Counts what the log that the session sees holds of these campaigns. */
export async function recount(
  session: Session<"events">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
): Promise<Recount> {
  const quarters = new RollupSums();
  for (const row of await session.run(countCells(tenantId, campaignIds))) {
    const sum = quarters.at({ campaignId: row.campaign_id, linkKey: null, basis: row.basis, bucket: row.bucket });
    if (row.measure !== "revenue") addCount(sum, positions[row.measure], row.events);
    else if (row.currency !== null && row.amount !== null) addRevenue(sum, row.currency, row.amount);
  }
  const linkQuarters = new RollupSums();
  const linkUrls = new LinkUrls();
  for (const row of await session.run(countLinks(tenantId, campaignIds, OTHER_LINKS_KEY, OTHER_LINKS))) {
    const link = { campaignId: row.campaign_id, linkKey: row.link_key };
    linkUrls.add(link, row.url);
    addCount(
      linkQuarters.at({ ...link, basis: row.basis, bucket: row.bucket }),
      linkPositions[row.measure],
      row.clicks,
    );
  }
  const sent = await session.run(findFirstSent(tenantId, campaignIds));
  const firstSent = new Map(sent.map((row) => [row.campaign_id, row.first_sent_at]));
  return { quarters, linkQuarters, linkUrls, firstSent };
}
