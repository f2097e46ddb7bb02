/** The difference that a batch makes to the rollups of one tenant's links: what delta.ts is for campaigns. */
import type { CampaignId, LinkKey } from "../../ids.js";
import { QUARTER_HOUR_MICROS } from "../../time/range.js";
import type { LinkState } from "./link-states.js";
import { type Basis, LINK_MEASURES } from "../measures.js";
import { NEVER } from "../recipient-state.js";

/** By position in LINK_MEASURES. */
type Clicks = [clicked: number, clickedHuman: number, uniqueClicked: number, uniqueClickedHuman: number];
const CLICKED = LINK_MEASURES.indexOf("clicked");
const CLICKED_HUMAN = LINK_MEASURES.indexOf("clicked_human");
const UNIQUE_CLICKED = LINK_MEASURES.indexOf("unique_clicked");
const UNIQUE_CLICKED_HUMAN = LINK_MEASURES.indexOf("unique_clicked_human");

/** What changes in one quarter-hour of a link on one basis. */
export interface LinkCell {
  readonly campaignId: CampaignId;
  readonly linkKey: LinkKey;
  readonly basis: Basis;
  /** Quarter-hours since the Unix epoch. */
  readonly quarter: number;
  readonly clicks: Clicks;
}

/** What changes in a link in all. */
export interface LinkTotal {
  readonly campaignId: CampaignId;
  readonly linkKey: LinkKey;
  readonly url: string;
  readonly clicks: Clicks;
}

export class LinkDeltaBuilder {
  readonly #cells = new Map<string, LinkCell>();
  readonly #urls = new Map<string, string>();

  /** The click itself, on the EVENT basis. */
  addClick(campaignId: CampaignId, linkKey: LinkKey, url: string, at: number, human: boolean): void {
    this.#urls.set(`${campaignId}${linkKey}`, url);
    const clicks = this.#at(campaignId, linkKey, "EVENT", at);
    add(clicks, CLICKED, 1);
    if (human) add(clicks, CLICKED_HUMAN, 1);
  }

  /**
   * A recipient's clicks on a link that went from `before` to `after`, while the time of sending went from `wasSentAt` to
   * `isSentAt`: the uniques on both bases, and all counts on the SEND basis.
   */
  addStateChange(
    place: Pick<LinkCell, "campaignId" | "linkKey">,
    before: LinkState,
    after: LinkState,
    wasSentAt: number,
    isSentAt: number,
  ): void {
    this.#moveUnique(place, UNIQUE_CLICKED, before.firstClickedAt, after.firstClickedAt);
    this.#moveUnique(place, UNIQUE_CLICKED_HUMAN, before.firstClickedHumanAt, after.firstClickedHumanAt);
    this.#addSendBasis(place, before, wasSentAt, -1);
    this.#addSendBasis(place, after, isSentAt, 1);
  }

  #moveUnique(
    { campaignId, linkKey }: Pick<LinkCell, "campaignId" | "linkKey">,
    position: number,
    wasAt: number,
    isAt: number,
  ): void {
    if (wasAt === isAt) return;
    if (wasAt !== NEVER) add(this.#at(campaignId, linkKey, "EVENT", wasAt), position, -1);
    if (isAt !== NEVER) add(this.#at(campaignId, linkKey, "EVENT", isAt), position, 1);
  }

  #addSendBasis(
    { campaignId, linkKey }: Pick<LinkCell, "campaignId" | "linkKey">,
    state: LinkState,
    sentAt: number,
    sign: 1 | -1,
  ): void {
    if (state.clicked === 0) return;
    const clicks = this.#at(campaignId, linkKey, "SEND", sentAt);
    add(clicks, CLICKED, sign * state.clicked);
    add(clicks, CLICKED_HUMAN, sign * state.clickedHuman);
    add(clicks, UNIQUE_CLICKED, sign);
    if (state.clickedHuman > 0) add(clicks, UNIQUE_CLICKED_HUMAN, sign);
  }

  #at(campaignId: CampaignId, linkKey: LinkKey, basis: Basis, at: number): Clicks {
    const quarter = Math.floor(at / QUARTER_HOUR_MICROS);
    const key = `${campaignId}${linkKey}${basis}${quarter}`;
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      this.#cells.set(key, (cell = { campaignId, linkKey, basis, quarter, clicks: [0, 0, 0, 0] }));
    }
    return cell.clicks;
  }

  /** The cells in which something changed. */
  cells(): LinkCell[] {
    return [...this.#cells.values()].filter((cell) => cell.clicks.some((value) => value !== 0));
  }

  /** The links that were clicked. The bases agree on what there is in all: one of them makes the totals. */
  totals(): LinkTotal[] {
    const totals = new Map<string, LinkTotal>();
    for (const { campaignId, linkKey, basis, clicks } of this.#cells.values()) {
      const key = `${campaignId}${linkKey}`;
      const url = this.#urls.get(key);
      if (basis !== "EVENT" || url === undefined) continue;
      let total = totals.get(key);
      if (total === undefined) totals.set(key, (total = { campaignId, linkKey, url, clicks: [0, 0, 0, 0] }));
      for (const [position, value] of clicks.entries()) add(total.clicks, position, value);
    }
    return [...totals.values()];
  }
}

function add(clicks: Clicks, position: number, value: number): void {
  clicks[position] = (clicks[position] ?? 0) + value;
}
