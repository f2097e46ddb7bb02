/**
 * Empties what the log holds of a person who was erased. What counts stays: type, campaign, key, times, the class of a bounce, the
 * verdict on traffic, money and the link. In portions of one short transaction each; what was emptied before is passed by, so
 * it may be interrupted anywhere and begun again.
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { COUNTED_DETAILS, EVENT_TYPES, type EventType } from "../events/event.js";
import { EVENT_TABLES } from "../events/event-tables.js";
import { OUTBOX_FORMAT } from "../events/outbox.js";
import { type EventKey, NIL_UUID, type RecipientKey, type TenantId } from "../ids.js";
import { recordOf } from "../record-of.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { ErasedLink } from "./erase-recipient.js";

const EVENTS_PER_STEP = 1_000;

/** Where a step ended, in the order of (occurred_at, id). */
export interface EventPlace {
  readonly occurredAt: string;
  readonly key: string;
}

export const BEFORE_ALL: EventPlace = { occurredAt: "-infinity", key: NIL_UUID };

interface StepRow {
  readonly seen: number;
  readonly erased: number;
  readonly last_at: EpochMicros | null;
  readonly last_key: EventKey | null;
}

const steps = recordOf(EVENT_TYPES, (type) => {
  const { name, details } = EVENT_TABLES[type];
  const personal = [
    "message_id",
    "metadata",
    ...details.flatMap(({ field, column }) => (COUNTED_DETAILS.has(field) ? [] : [column])),
  ];
  return defineStatement<"events", [TenantId, RecipientKey, occurredAt: string, key: string], StepRow>(
    "events",
    `erasures.erase_${name}`,
    `with page as (
       select occurred_at, id from ${name}
       where tenant_id = $1 and recipient_key = $2 and occurred_at >= $3::timestamptz
         and (occurred_at, id) > ($3::timestamptz, $4::uuid)
       order by occurred_at, id
       limit ${EVENTS_PER_STEP}
     ),
     erased as (
       update ${name} as event set event_id = event.id::text, ${personal.map((column) => `${column} = null`).join(", ")}
       from page
       -- The page's own time: a join alone reads all that the person has, for each page.
       where event.tenant_id = $1 and event.recipient_key = $2 and event.occurred_at >= $3::timestamptz
         and event.occurred_at <= (select max(occurred_at) from page)
         and event.occurred_at = page.occurred_at and event.id = page.id
         and (event.event_id <> event.id::text or num_nonnulls(${personal.map((column) => `event.${column}`).join(", ")}) > 0)
       returning event.id
     )
     select (select count(*) from page) as seen, (select count(*) from erased) as erased, last.occurred_at as last_at,
       last.id as last_key
     from (select 1) as one
     left join (select occurred_at, id from page order by occurred_at desc, id desc limit 1) as last on true`,
  );
});

/** Empties the next events of a type. Returns how many there were to empty, and where to go on; null where that was all. */
export async function eraseEventsOfType(
  session: Session<"events">,
  type: EventType,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  from: EventPlace,
): Promise<{ readonly erased: number; readonly next: EventPlace | null }> {
  const [row] = await session.run(steps[type](tenantId, recipientKey, from.occurredAt, from.key));
  if (row === undefined || row.last_at === null || row.last_key === null) return { erased: 0, next: null };
  const isLast = row.seen < EVENTS_PER_STEP;
  return { erased: row.erased, next: isLast ? null : { occurredAt: formatInstant(row.last_at), key: row.last_key } };
}

const replaceInClicks = defineStatement<
  "events",
  [TenantId, RecipientKey, CampaignIdText, LinkKeyText, url: string],
  never
>(
  "events",
  "erasures.replace_url_in_clicks",
  // Who else clicked it was sent the link by the person, and has the address in the log as well.
  `update clicked set url = $5, link_key = $4::uuid
   where tenant_id = $1 and campaign_id = $3 and link_key is null
     and recipient_key = any (array[$2::uuid] || array(
       select recipient_key from link_recipients where tenant_id = $1 and campaign_id = $3 and link_key = $4::uuid
     ))
     and left(encode(sha256(convert_to(url, 'UTF8')), 'hex'), 32)::uuid = $4::uuid`,
);

const replaceInLinks = defineStatement<"events", [TenantId, CampaignIdText, LinkKeyText, url: string], never>(
  "events",
  "erasures.replace_url_of_link",
  "update campaign_links set url = $4 where tenant_id = $1 and campaign_id = $2 and link_key = $3",
);

type CampaignIdText = ErasedLink["campaignId"];
type LinkKeyText = ErasedLink["linkKey"];

/** Replaces a URL that held the address; the clicks go on counting as those of the same link. */
export async function eraseLinkInLog(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  { campaignId, linkKey, url }: ErasedLink,
): Promise<void> {
  await session.run(replaceInClicks(tenantId, recipientKey, campaignId, linkKey, url));
  await session.run(replaceInLinks(tenantId, campaignId, linkKey, url));
}

const findPendingLink = defineStatement<"events", [TenantId, links: string], { id: string }>(
  "events",
  "erasures.find_pending_link",
  // Each message is read once, however many links there are. What a newer program says, and how, is not known here.
  `select outbox.id from outbox
   where tenant_id = $1 and (format > ${OUTBOX_FORMAT} or exists (
     select from json_array_elements(payload #> '{rollup,links}') as link
     join json_to_recordset($2) as erased (campaign_id text, link_key text, url text)
       on link ->> 0 = erased.campaign_id and link ->> 1 = erased.link_key and link ->> 2 <> erased.url
   ))
   limit 1`,
);

/** Whether the metrics database has still to learn of one of these links, by the URL that it had. */
export async function linksArePending(
  session: Session<"events">,
  tenantId: TenantId,
  links: readonly ErasedLink[],
): Promise<boolean> {
  if (links.length === 0) return false;
  return (await session.run(findPendingLink(tenantId, jsonOf(tenantId, links)))).length > 0;
}

/** In the names of SQL. */
function jsonOf(tenantId: TenantId, links: readonly ErasedLink[]): string {
  const rows = links.map(({ campaignId, linkKey, url }) => {
    return { tenant_id: tenantId, campaign_id: campaignId, link_key: linkKey, url };
  });
  return JSON.stringify(rows);
}

const replaceInMetrics = defineStatement<"metrics", [links: string], { tenant_id: TenantId }>(
  "metrics",
  "erasures.replace_url_of_link",
  `update campaign_links as link set url = erased.url
   from json_to_recordset($1) as erased (tenant_id uuid, campaign_id uuid, link_key uuid, url text)
   where link.tenant_id = erased.tenant_id and link.campaign_id = erased.campaign_id and link.link_key = erased.link_key
     and link.url <> erased.url
   returning link.tenant_id`,
);

/** The same in the rollups. Returns whether anything changed. */
export async function eraseLinksInMetrics(
  session: Session<"metrics">,
  tenantId: TenantId,
  links: readonly ErasedLink[],
): Promise<boolean> {
  if (links.length === 0) return false;
  return (await session.run(replaceInMetrics(jsonOf(tenantId, links)))).length > 0;
}
