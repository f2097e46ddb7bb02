/**
 * What the recorded clicks say of one recipient and one link: when it was clicked first, and how often. Reading and writing
 * need no locks of their own: whoever comes here holds the recipient's state in that campaign (recipient-state-store.ts).
 */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { CampaignId, LinkKey, RecipientKey, TenantId } from "../../ids.js";
import { type EpochMicros, formatInstant } from "../../time/instant.js";
import { OTHER_LINKS_KEY } from "./link-limit.js";
import { NEVER } from "../recipient-state.js";

/** Times in microseconds since the epoch; NEVER where it did not happen. */
export interface LinkState {
  firstClickedAt: number;
  firstClickedHumanAt: number;
  clicked: number;
  clickedHuman: number;
}

export function emptyLinkState(): LinkState {
  return { firstClickedAt: NEVER, firstClickedHumanAt: NEVER, clicked: 0, clickedHuman: 0 };
}

/** Adds one click to a state, in place. */
export function foldClick(state: LinkState, at: number, human: boolean): void {
  state.clicked += 1;
  if (at < state.firstClickedAt) state.firstClickedAt = at;
  if (!human) return;
  state.clickedHuman += 1;
  if (at < state.firstClickedHumanAt) state.firstClickedHumanAt = at;
}

/** A recipient of a campaign, with the clicks that the log holds of them. */
export interface Clicker {
  readonly tenantId: TenantId;
  readonly campaignId: CampaignId;
  readonly recipientKey: RecipientKey;
  readonly clicks: number;
}

interface ClickerKey {
  readonly tenant_id: TenantId;
  readonly campaign_id: CampaignId;
  readonly recipient_key: RecipientKey;
}

interface LinkStateRow extends ClickerKey {
  readonly link_key: LinkKey;
  readonly first_clicked_at: EpochMicros | null;
  readonly first_clicked_human_at: EpochMicros | null;
  readonly clicked: number;
  readonly clicked_human: number;
}

const CLICKERS = "json_to_recordset($1) as clicker (tenant_id uuid, campaign_id uuid, recipient_key uuid)";
const TIMES = "first_clicked_at, first_clicked_human_at, clicked, clicked_human";

const find = defineStatement<"events", [clickers: string], LinkStateRow>(
  "events",
  "link_states.find",
  `select tenant_id, campaign_id, recipient_key, link_key, ${TIMES}
   from ${CLICKERS}
   join link_recipients using (tenant_id, campaign_id, recipient_key)`,
);

const count = defineStatement<"events", [clickers: string, others: LinkKey], LinkStateRow>(
  "events",
  "link_states.count",
  // A click whose URL was replaced says itself which link it is.
  `select clicked.tenant_id, clicked.campaign_id, clicked.recipient_key, coalesce(link.link_key, $2::uuid) as link_key,
     min(occurred_at) as first_clicked_at, min(occurred_at) filter (where traffic <> 'MACHINE') as first_clicked_human_at,
     count(*) as clicked, count(*) filter (where traffic <> 'MACHINE') as clicked_human
   from ${CLICKERS}
   join clicked using (tenant_id, campaign_id, recipient_key)
   left join campaign_links as link on link.tenant_id = clicked.tenant_id and link.campaign_id = clicked.campaign_id
     and link.link_key
       = coalesce(clicked.link_key, left(encode(sha256(convert_to(clicked.url, 'UTF8')), 'hex'), 32)::uuid)
   group by clicked.tenant_id, clicked.campaign_id, clicked.recipient_key, coalesce(link.link_key, $2::uuid)`,
);

const upsert = defineStatement<"events", [states: string], never>(
  "events",
  "link_states.upsert",
  `insert into link_recipients (tenant_id, campaign_id, link_key, recipient_key, human, ${TIMES})
   select tenant_id, campaign_id, link_key, recipient_key, clicked_human > 0, ${TIMES}
   from json_to_recordset($1) as state (tenant_id uuid, campaign_id uuid, link_key uuid, recipient_key uuid,
     first_clicked_at timestamptz, first_clicked_human_at timestamptz, clicked integer, clicked_human integer)
   order by tenant_id, campaign_id, link_key, recipient_key
   on conflict (tenant_id, campaign_id, link_key, recipient_key) do update set human = excluded.human,
     ${TIMES.split(", ")
       .map((column) => `${column} = excluded.${column}`)
       .join(", ")}`,
);

export type LinkStates = Map<LinkKey, LinkState>;

/**
 * The states of these recipients' links, by `idOfClicker`. A recipient of whom the rows know fewer clicks than the log was
 * met by a program that kept no times: those are counted anew.
 */
export async function readLinkStates(
  session: Session<"events">,
  clickers: readonly Clicker[],
): Promise<Map<string, LinkStates>> {
  if (clickers.length === 0) return new Map();
  const kept = Map.groupBy(await session.run(find(toJson(clickers))), (row) => idOfRow(row));
  const lacking = clickers.filter((clicker) => clicksIn(kept.get(idOfClicker(clicker))) < clicker.clicks);
  if (lacking.length > 0) {
    const counted = Map.groupBy(await session.run(count(toJson(lacking), OTHER_LINKS_KEY)), (row) => idOfRow(row));
    // Unless retention has dropped what the rows still know.
    for (const [id, rows] of counted) if (clicksIn(rows) > clicksIn(kept.get(id))) kept.set(id, rows);
  }
  return new Map(Array.from(kept, ([id, rows]) => [id, new Map(rows.map((row) => [row.link_key, stateOf(row)]))]));
}

export type ChangedLinkState = LinkState & Omit<Clicker, "clicks"> & { readonly linkKey: LinkKey };

export async function writeLinkStates(session: Session<"events">, states: readonly ChangedLinkState[]): Promise<void> {
  if (states.length === 0) return;
  const rows = states.map((state) => ({
    tenant_id: state.tenantId,
    campaign_id: state.campaignId,
    recipient_key: state.recipientKey,
    link_key: state.linkKey,
    first_clicked_at: timeOf(state.firstClickedAt),
    first_clicked_human_at: timeOf(state.firstClickedHumanAt),
    clicked: state.clicked,
    clicked_human: state.clickedHuman,
  }));
  await session.run(upsert(JSON.stringify(rows)));
}

export function idOfClicker({ tenantId, campaignId, recipientKey }: Omit<Clicker, "clicks">): string {
  return `${tenantId}${campaignId}${recipientKey}`;
}

function idOfRow(row: ClickerKey): string {
  return `${row.tenant_id}${row.campaign_id}${row.recipient_key}`;
}

function clicksIn(rows: readonly LinkStateRow[] = []): number {
  return rows.reduce((sum, row) => sum + row.clicked, 0);
}

function stateOf(row: LinkStateRow): LinkState {
  return {
    firstClickedAt: row.first_clicked_at ?? NEVER,
    firstClickedHumanAt: row.first_clicked_human_at ?? NEVER,
    clicked: row.clicked,
    clickedHuman: row.clicked_human,
  };
}

function timeOf(micros: number): string | null {
  return micros === NEVER ? null : formatInstant(micros as EpochMicros);
}

function toJson(clickers: readonly Clicker[]): string {
  return JSON.stringify(
    clickers.map(({ tenantId: tenant_id, campaignId: campaign_id, recipientKey: recipient_key }) => ({
      tenant_id,
      campaign_id,
      recipient_key,
    })),
  );
}
