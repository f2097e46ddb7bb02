/** Counts the clicks of a batch by link, and moves what a recipient clicked before when their first SENT moves. */
import type { Session } from "../../database/pool.js";
import { hashToUuid, type LinkKey, type TenantId } from "../../ids.js";
import { LinkDeltaBuilder } from "./link-delta.js";
import { type PlacedLink, placeUnderLimit } from "./link-limit.js";
import {
  type ChangedLinkState,
  emptyLinkState,
  foldClick,
  idOfClicker,
  type LinkStates,
  readLinkStates,
  writeLinkStates,
} from "./link-states.js";
import { EVENT_COUNTS } from "../measures.js";
import { isHuman, sendTime } from "../recipient-state.js";
import type { StateChange } from "../recipient-state-store.js";

const CLICKED = EVENT_COUNTS.indexOf("clicked");

interface Click extends PlacedLink {
  readonly at: number;
  readonly human: boolean;
}

/** A recipient whose links change: by clicks of the batch, or because all that they clicked now stands elsewhere. */
interface ClickerChange {
  readonly change: StateChange;
  readonly clicks: readonly Click[];
  /** Clicks that were recorded before. */
  readonly known: number;
}

/**
 * Records who clicked which link and returns what changes, by tenant. The states must be those of `applyToStates`, in the
 * same transaction: it holds their locks.
 */
export async function applyToLinks(
  session: Session<"events">,
  changes: readonly StateChange[],
  maxLinksPerCampaign: number,
): Promise<Map<TenantId, LinkDeltaBuilder>> {
  const clickers = changes.flatMap((change): ClickerChange[] => {
    const clicks = clicksOf(change);
    const known = change.before.counts[CLICKED] ?? 0;
    const moved = known > 0 && sendTime(change.before) !== sendTime(change.after);
    return clicks.length > 0 || moved ? [{ change, clicks, known }] : [];
  });
  const deltas = new Map<TenantId, LinkDeltaBuilder>();
  if (clickers.length === 0) return deltas;
  const clicks = clickers.flatMap((clicker) => clicker.clicks);
  if (clicks.length > 0) await placeUnderLimit(session, clicks, maxLinksPerCampaign);
  const met = clickers.flatMap(({ change, known }) => (known === 0 ? [] : [{ ...change, clicks: known }]));
  const before = await readLinkStates(session, met);
  const changed: ChangedLinkState[] = [];
  for (const clicker of clickers) {
    const { tenantId } = clicker.change;
    let delta = deltas.get(tenantId);
    if (delta === undefined) deltas.set(tenantId, (delta = new LinkDeltaBuilder()));
    changed.push(...changeLinks(clicker, before.get(idOfClicker(clicker.change)) ?? new Map(), delta));
  }
  await writeLinkStates(session, changed);
  return deltas;
}

function clicksOf({ tenantId, campaignId, events }: StateChange): Click[] {
  return events.flatMap(({ event }): Click[] => {
    if (event.type !== "CLICKED" || event.url === undefined) return [];
    const link_key = event.linkKey ?? (hashToUuid(event.url) as LinkKey);
    const link = { tenant_id: tenantId, campaign_id: campaignId, link_key, url: event.url };
    return [{ ...link, at: event.occurredAt, human: isHuman(event) }];
  });
}

/** Tells the delta of what changes, and returns the states to write. */
function changeLinks(
  { change, clicks }: ClickerChange,
  known: LinkStates,
  delta: LinkDeltaBuilder,
): ChangedLinkState[] {
  const { tenantId, campaignId, recipientKey } = change;
  const after: LinkStates = new Map(Array.from(known, ([key, state]) => [key, { ...state }]));
  for (const { link_key: linkKey, url, at, human } of clicks) {
    let state = after.get(linkKey);
    if (state === undefined) after.set(linkKey, (state = emptyLinkState()));
    foldClick(state, at, human);
    delta.addClick(campaignId, linkKey, url, at, human);
  }
  const [wasSentAt, isSentAt] = [sendTime(change.before), sendTime(change.after)];
  for (const [linkKey, state] of after) {
    delta.addStateChange({ campaignId, linkKey }, known.get(linkKey) ?? emptyLinkState(), state, wasSentAt, isSentAt);
  }
  return Array.from(after, ([linkKey, state]) => ({ tenantId, campaignId, recipientKey, linkKey, ...state }));
}
