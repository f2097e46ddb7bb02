/**
 * The difference that a batch makes to the rollups of one tenant, in quarter-hour cells. What a state contributes is a
 * function of the state, so a batch's delta is what the states contribute after it minus what they did before. Deltas are
 * sums: they may be applied in any order, each once.
 */
import { addDecimals, isZeroDecimal, negateDecimal } from "../decimal.js";
import type { AcceptedEvent } from "../events/event.js";
import type { CampaignId } from "../ids.js";
import { QUARTER_HOUR_MICROS } from "../time/range.js";
import { BASES, type Basis, EVENT_COUNTS, MEASURES, UNIQUE_COUNTS } from "./measures.js";
import { NEVER, type RecipientState, sendTime, touchOf, uniqueTimesOf } from "./recipient-state.js";

/** What changes in one quarter-hour of a campaign on one basis. */
export interface Cell {
  readonly campaignId: CampaignId;
  readonly basis: Basis;
  /** Quarter-hours since the Unix epoch. */
  readonly quarter: number;
  /** By position in MEASURES. */
  readonly measures: number[];
  revenue: Record<string, string> | null;
}

const FIRST_UNIQUE = EVENT_COUNTS.length;

export class DeltaBuilder {
  /** By campaign, then by quarter-hour and basis: every event comes here several times, and one text of all three costs more. */
  readonly #cells = new Map<CampaignId, Map<number, Cell>>();

  /** The event itself, on the EVENT basis: its counts at the time it occurred. */
  addEvent(campaignId: CampaignId, event: AcceptedEvent): void {
    const cell = this.#cell(campaignId, "EVENT", event.occurredAt);
    for (const position of touchOf(event).counts) cell.measures[position] = (cell.measures[position] ?? 0) + 1;
    if (event.amount !== undefined && event.currency !== undefined) addRevenue(cell, event.currency, event.amount);
  }

  /** A recipient's state that went from `before` to `after`: the uniques on both bases, and all counts on the SEND basis. */
  addStateChange(campaignId: CampaignId, before: RecipientState, after: RecipientState): void {
    const timesBefore = uniqueTimesOf(before);
    const timesAfter = uniqueTimesOf(after);
    for (let position = 0; position < UNIQUE_COUNTS.length; position++) {
      const wasAt = timesBefore[position] ?? NEVER;
      const isAt = timesAfter[position] ?? NEVER;
      if (wasAt === isAt) continue;
      if (wasAt !== NEVER) this.#addUnique(campaignId, wasAt, position, -1);
      if (isAt !== NEVER) this.#addUnique(campaignId, isAt, position, 1);
    }
    this.#addSendBasis(campaignId, before, timesBefore, -1);
    this.#addSendBasis(campaignId, after, timesAfter, 1);
  }

  #addUnique(campaignId: CampaignId, at: number, position: number, sign: 1 | -1): void {
    const { measures } = this.#cell(campaignId, "EVENT", at);
    measures[FIRST_UNIQUE + position] = (measures[FIRST_UNIQUE + position] ?? 0) + sign;
  }

  #addSendBasis(campaignId: CampaignId, state: RecipientState, uniqueTimes: readonly number[], sign: 1 | -1): void {
    const at = sendTime(state);
    if (at === NEVER) return;
    const cell = this.#cell(campaignId, "SEND", at);
    state.counts.forEach((value, position) => {
      cell.measures[position] = (cell.measures[position] ?? 0) + sign * value;
    });
    uniqueTimes.forEach((time, position) => {
      if (time === NEVER) return;
      cell.measures[FIRST_UNIQUE + position] = (cell.measures[FIRST_UNIQUE + position] ?? 0) + sign;
    });
    for (const [currency, amount] of Object.entries(state.revenue ?? {})) {
      addRevenue(cell, currency, sign === 1 ? amount : negateDecimal(amount));
    }
  }

  #cell(campaignId: CampaignId, basis: Basis, at: number): Cell {
    const quarter = Math.floor(at / QUARTER_HOUR_MICROS);
    let ofCampaign = this.#cells.get(campaignId);
    if (ofCampaign === undefined) this.#cells.set(campaignId, (ofCampaign = new Map()));
    const key = BASES.length * quarter + BASES.indexOf(basis);
    let cell = ofCampaign.get(key);
    if (cell === undefined) {
      cell = { campaignId, basis, quarter, measures: Array.from(MEASURES, () => 0), revenue: null };
      ofCampaign.set(key, cell);
    }
    return cell;
  }

  /** The cells in which something changed. */
  cells(): Cell[] {
    const cells = [...this.#cells.values()].flatMap((ofCampaign) => [...ofCampaign.values()]);
    return cells.filter((cell) => {
      const revenue = Object.entries(cell.revenue ?? {}).filter(([, amount]) => !isZeroDecimal(amount));
      cell.revenue = revenue.length > 0 ? Object.fromEntries(revenue) : null;
      return cell.revenue !== null || cell.measures.some((value) => value !== 0);
    });
  }
}

function addRevenue(cell: Cell, currency: string, amount: string): void {
  cell.revenue ??= {};
  cell.revenue[currency] = addDecimals(cell.revenue[currency] ?? "0", amount);
}
