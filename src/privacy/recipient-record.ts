/**
 * All that is held of one recipient beside the events of the log (events/event-pages.ts): the address, what was counted in each
 * campaign, which stays when retention drops events, the links, and what waits or could not be recorded.
 * Of whoever was erased nothing is shown: what counts stays, and is nobody's any more.
 */
import { Parameters } from "../database/parameters.js";
import type { Session } from "../database/pool.js";
import { defineStatement, type Statement } from "../database/statement.js";
import type { AcceptedEvent } from "../events/event.js";
import type { CampaignId, LinkKey, RecipientKey, TenantId } from "../ids.js";
import { describeEvent } from "../ingest/dead-letters/dead-letter.js";
import { type PayloadPlace, readPayloads } from "../ingest/dead-letters/row-payloads.js";
import { readPayload } from "../ingest/inbox-payload.js";
import type { CursorBinding, Cursors } from "../pages/cursors.js";
import { type Page, pageOf, readBounds, rowsToFetch } from "../pages/page.js";
import type { PageRequest } from "../pages/page-arguments.js";
import { OTHER_LINKS } from "../rollups/links/link-limit.js";
import { EVENT_COUNTS } from "../rollups/measures.js";
import { FIRST_TIMES } from "../rollups/recipient-state.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";

interface HeldRecipient {
  /** Null where none is kept. */
  readonly address: string | null;
  /** Whether anything was recorded that is the recipient's: nobody's is what was erased. */
  readonly isKnown: boolean;
}

const findHeld = defineStatement<"events", [TenantId, RecipientKey], HeldRecipient>(
  "events",
  "recipients.find_held",
  `select recipients.address,
     case when recipients.recipient_key is not null then recipients.address is not null else exists (
       select from campaign_identities as identity
       join recipient_states as state on state.tenant_id = $1 and state.campaign_id = identity.campaign_id
       where identity.tenant_id = $1 and state.recipient_key = $2
     ) end as "isKnown"
   from (select 1) as one left join recipients on recipients.tenant_id = $1 and recipients.recipient_key = $2`,
);

/** Whom a key stands for, as far as that is kept. */
export async function findHeldRecipient(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
): Promise<HeldRecipient> {
  const [held] = await session.run(findHeld(tenantId, recipientKey));
  return held ?? { address: null, isKnown: false };
}

export interface RecipientLink {
  readonly url: string;
  readonly clicked: number;
  readonly clickedHuman: number;
  /** Null where no times were kept then. */
  readonly firstClickedAt: EpochMicros | null;
}

/** What was counted of a recipient in one campaign. */
export interface RecipientCampaign {
  readonly campaignId: CampaignId;
  readonly firstEventAt: EpochMicros;
  /** First times, counts and revenue by currency; those there are. */
  readonly state: Readonly<Record<string, unknown>>;
  readonly links: readonly RecipientLink[];
}

interface StateRow extends Readonly<Record<string, unknown>> {
  readonly campaign_id: CampaignId;
  readonly first_event_at: EpochMicros;
}

type CampaignPosition = readonly [id: CampaignId];

const IS_NOT_ERASED = (tenant: string, recipient: string): string =>
  `not exists (select from erasures where erasures.tenant_id = ${tenant} and erasures.recipient_key = ${recipient})`;

/**
 * A page of the campaigns that the recipient met, in the order in which these were made. Every campaign of the tenant is asked for
 * the recipient's state, by its key: states have no index by recipient, which each event would pay for.
 */
export async function readRecipientCampaigns(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  page: PageRequest,
  cursors: Cursors,
): Promise<Page<RecipientCampaign>> {
  const binding: CursorBinding = { tenantId, list: "recipient_campaigns", filter: { recipientKey }, order: "MADE" };
  const { after, before } = readBounds<CampaignPosition>(cursors, binding, page);
  const parameters = new Parameters();
  const tenant = parameters.add(tenantId);
  const recipient = parameters.add(recipientKey);
  const conditions = [
    `identity.tenant_id = ${tenant}`,
    `state.recipient_key = ${recipient}`,
    IS_NOT_ERASED(tenant, recipient),
  ];
  if (after !== null) conditions.push(`identity.campaign_id > ${parameters.add(after[0])}`);
  if (before !== null) conditions.push(`identity.campaign_id < ${parameters.add(before[0])}`);
  const text =
    `select state.* from campaign_identities as identity join recipient_states as state ` +
    `on state.tenant_id = ${tenant} and state.campaign_id = identity.campaign_id where ${conditions.join(" and ")} ` +
    `order by identity.campaign_id ${page.direction === "FORWARD" ? "asc" : "desc"} ` +
    `limit ${parameters.add(rowsToFetch(page))}`;
  const statement: Statement<"events", StateRow> = {
    database: "events",
    name: "recipients.campaigns",
    text,
    values: parameters.values,
    // Asked seldom, and in several shapes.
    isPrepared: false,
  };
  const rows = await session.run(statement);
  const ids = rows.map((row) => row.campaign_id);
  const links = Map.groupBy(await findLinks(session, tenantId, recipientKey, ids), (link) => link.campaignId);
  return pageOf(rows, page, binding, (row) => ({
    position: [row.campaign_id],
    node: {
      campaignId: row.campaign_id,
      firstEventAt: row.first_event_at,
      state: stateOf(row),
      links: (links.get(row.campaign_id) ?? []).map(({ campaignId: _campaignId, ...link }) => link),
    },
  }));
}

function stateOf(row: StateRow): Readonly<Record<string, unknown>> {
  const times = FIRST_TIMES.flatMap((name) =>
    row[name] === null ? [] : [[nameOf(name), formatInstant(row[name] as EpochMicros)] as const],
  );
  const counts = EVENT_COUNTS.flatMap((name) => (row[name] === 0 ? [] : [[nameOf(name), row[name]] as const]));
  const revenue = row["revenue"] ?? null;
  return Object.fromEntries([...times, ...counts, ...(revenue === null ? [] : [["revenue", revenue] as const])]);
}

/** As in GraphQL: "first_opened_at" is "firstOpenedAt". */
function nameOf(column: string): string {
  return column.replaceAll(/_[a-z]/g, (found) => found.slice(1).toUpperCase());
}

const findClicked = defineStatement<
  "events",
  [TenantId, RecipientKey, readonly CampaignId[], others: string],
  RecipientLink & { readonly campaignId: CampaignId; readonly linkKey: LinkKey }
>(
  "events",
  "recipients.links",
  `select clicked.campaign_id as "campaignId", coalesce(link.url, $4) as url, clicked.clicked,
     clicked.clicked_human as "clickedHuman", clicked.first_clicked_at as "firstClickedAt"
   from link_recipients as clicked
   left join campaign_links as link on link.tenant_id = $1 and link.campaign_id = clicked.campaign_id
     and link.link_key = clicked.link_key
   where clicked.tenant_id = $1 and clicked.recipient_key = $2 and clicked.campaign_id = any ($3::uuid[])
   order by clicked.campaign_id, clicked.first_clicked_at, clicked.link_key`,
);

async function findLinks(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
  campaignIds: readonly CampaignId[],
) {
  return campaignIds.length === 0 ? [] : session.run(findClicked(tenantId, recipientKey, campaignIds, OTHER_LINKS));
}

const MAX_UNRECORDED = 1_000;

const findUnrecorded = defineStatement<"events", [TenantId, RecipientKey], PayloadPlace>(
  "events",
  "recipients.unrecorded",
  `select lane, id, event_count from (
     select lane, id::text as id, event_count, payload, received_at from inbox where lane in (0, 1, 2, 3) and tenant_id = $1
     union all
     select null, id::text, event_count, payload, received_at from dead_letters where tenant_id = $1 and discarded_at is null
   ) as row
   where strpos(payload::text, $2) > 0 and ${IS_NOT_ERASED("$1", "$2::uuid")}
   order by received_at
   limit ${MAX_UNRECORDED}`,
);

/**
 * Accepted events that are not in the log, as recordEvents takes them: those that wait, and dead letters. The first thousand.
 * What a worker takes up while this reads may be missing, and is in the log a moment later.
 */
export async function findUnrecordedEvents(
  session: Session<"events">,
  tenantId: TenantId,
  recipientKey: RecipientKey,
): Promise<Readonly<Record<string, unknown>>[]> {
  const places = await session.run(findUnrecorded(tenantId, recipientKey));
  const events: AcceptedEvent[] = [];
  for await (const row of readPayloads(session, tenantId, places)) {
    events.push(...eventsOf(row.format, row.payload, recipientKey));
    if (events.length >= MAX_UNRECORDED) break;
  }
  return events.slice(0, MAX_UNRECORDED).flatMap((event) => {
    const { input } = describeEvent({ ...event });
    return input === null ? [] : [input];
  });
}

/** None where the row cannot be read. */
function eventsOf(format: number, payload: string, recipientKey: RecipientKey): readonly AcceptedEvent[] {
  try {
    return readPayload(format, payload).filter((event) => event.recipientKey === recipientKey);
  } catch {
    return [];
  }
}
