/**
 * What the recorded events say of one recipient in one campaign. A state is a set of minima and sums, so events may be
 * folded into it in any order and in any batches; the unique counts and the SEND basis are functions of it alone.
 */
import { addDecimals } from "../decimal.js";
import { type AcceptedEvent, BOUNCE_CLASSES, type BounceClass } from "../events/event.js";
import { recordOf } from "../record-of.js";
import { EVENT_COUNTS, type EventCount, UNIQUE_COUNTS } from "./measures.js";

export const FIRST_TIMES = [
  "first_event_at",
  "first_sent_at",
  "first_delivered_at",
  "first_deferred_at",
  "first_bounced_at",
  "first_hard_bounced_at",
  "first_opened_at",
  "first_opened_human_at",
  "first_clicked_at",
  "first_clicked_human_at",
  "first_complained_at",
  "first_unsubscribed_at",
  "first_converted_at",
  "first_rejected_at",
] as const;
type FirstTime = (typeof FIRST_TIMES)[number];

export const NEVER = Number.POSITIVE_INFINITY;

export interface RecipientState {
  /** Microseconds since the epoch by position in FIRST_TIMES; NEVER where it did not happen. */
  readonly firstTimes: number[];
  /** By position in EVENT_COUNTS. */
  readonly counts: number[];
  /** Sums by currency. */
  revenue: Readonly<Record<string, string>> | null;
}

const EMPTY: RecipientState = {
  firstTimes: FIRST_TIMES.map(() => NEVER),
  counts: EVENT_COUNTS.map(() => 0),
  revenue: null,
};

export function emptyState(): RecipientState {
  return copyState(EMPTY);
}

export function copyState(state: RecipientState): RecipientState {
  return { firstTimes: state.firstTimes.slice(), counts: state.counts.slice(), revenue: state.revenue };
}

const first: Record<FirstTime, number> = recordOf(FIRST_TIMES, (_, position) => position);
const count: Record<EventCount, number> = recordOf(EVENT_COUNTS, (_, position) => position);

const bounceCount: Record<BounceClass, number> = {
  HARD: count.bounced_hard,
  SOFT: count.bounced_soft,
  BLOCK: count.bounced_block,
  UNDETERMINED: count.bounced_undetermined,
};

const touches = {
  SENT: { counts: [count.sent], firstTimes: [first.first_sent_at] },
  DELIVERED: { counts: [count.delivered], firstTimes: [first.first_delivered_at] },
  DEFERRED: { counts: [count.deferred], firstTimes: [first.first_deferred_at] },
  OPENED: { counts: [count.opened], firstTimes: [first.first_opened_at] },
  CLICKED: { counts: [count.clicked], firstTimes: [first.first_clicked_at] },
  COMPLAINED: { counts: [count.complained], firstTimes: [first.first_complained_at] },
  UNSUBSCRIBED: { counts: [count.unsubscribed], firstTimes: [first.first_unsubscribed_at] },
  CONVERTED: { counts: [count.converted], firstTimes: [first.first_converted_at] },
  REJECTED: { counts: [count.rejected], firstTimes: [first.first_rejected_at] },
} as const;

const humanOpen = {
  counts: [count.opened, count.opened_human],
  firstTimes: [first.first_opened_at, first.first_opened_human_at],
};
const humanClick = {
  counts: [count.clicked, count.clicked_human],
  firstTimes: [first.first_clicked_at, first.first_clicked_human_at],
};
const bounces: Record<BounceClass, Touch> = recordOf(BOUNCE_CLASSES, (bounceClass) => ({
  counts: [bounceCount[bounceClass]],
  firstTimes: bounceClass === "HARD" ? [first.first_bounced_at, first.first_hard_bounced_at] : [first.first_bounced_at],
}));

/** Which counts and first times an event touches, by position. */
export interface Touch {
  readonly counts: readonly number[];
  readonly firstTimes: readonly number[];
}

type Judged = Pick<AcceptedEvent, "type" | "traffic" | "bounceClass">;

/** UNKNOWN traffic counts as human until it is judged. */
export function isHuman(event: Pick<AcceptedEvent, "traffic">): boolean {
  return event.traffic !== "MACHINE";
}

export function touchOf(event: Judged): Touch {
  if (event.type === "BOUNCED") return bounces[event.bounceClass ?? "UNDETERMINED"];
  if (event.type === "OPENED" && isHuman(event)) return humanOpen;
  if (event.type === "CLICKED" && isHuman(event)) return humanClick;
  return touches[event.type];
}

type Folded = Judged & Pick<AcceptedEvent, "occurredAt" | "amount" | "currency">;

/** Adds one event to a state, in place. */
export function foldEvent(state: RecipientState, event: Folded): void {
  const { firstTimes, counts } = state;
  const touch = touchOf(event);
  const at = event.occurredAt;
  if (at < (firstTimes[first.first_event_at] ?? NEVER)) firstTimes[first.first_event_at] = at;
  for (const position of touch.firstTimes) if (at < (firstTimes[position] ?? NEVER)) firstTimes[position] = at;
  for (const position of touch.counts) counts[position] = (counts[position] ?? 0) + 1;
  if (event.amount !== undefined && event.currency !== undefined) {
    const sum = addDecimals(state.revenue?.[event.currency] ?? "0", event.amount);
    state.revenue = { ...state.revenue, [event.currency]: sum };
  }
}

/** Where all events of the recipient stand on the SEND basis: at the first SENT, or the first event while there is none. */
export function sendTime(state: RecipientState): number {
  const sentAt = state.firstTimes[first.first_sent_at] ?? NEVER;
  return sentAt === NEVER ? (state.firstTimes[first.first_event_at] ?? NEVER) : sentAt;
}

/**
 * Delivered, unique: at the earliest of DELIVERED and any engagement, since whoever engages was reached; but never where
 * there is a BOUNCED and no engagement.
 */
function deliveredTime(firstTimes: readonly number[]): number {
  const engagedAt = Math.min(
    firstTimes[first.first_opened_at] ?? NEVER,
    firstTimes[first.first_clicked_at] ?? NEVER,
    firstTimes[first.first_complained_at] ?? NEVER,
    firstTimes[first.first_unsubscribed_at] ?? NEVER,
    firstTimes[first.first_converted_at] ?? NEVER,
  );
  if (engagedAt === NEVER && firstTimes[first.first_bounced_at] !== NEVER) return NEVER;
  return Math.min(engagedAt, firstTimes[first.first_delivered_at] ?? NEVER);
}

const uniqueTimes: Record<(typeof UNIQUE_COUNTS)[number], number> = {
  unique_sent: first.first_sent_at,
  unique_delivered: -1,
  unique_deferred: first.first_deferred_at,
  unique_bounced: first.first_bounced_at,
  unique_hard_bounced: first.first_hard_bounced_at,
  unique_opened: first.first_opened_at,
  unique_opened_human: first.first_opened_human_at,
  unique_clicked: first.first_clicked_at,
  unique_clicked_human: first.first_clicked_human_at,
  unique_complained: first.first_complained_at,
  unique_unsubscribed: first.first_unsubscribed_at,
  unique_converted: first.first_converted_at,
  unique_rejected: first.first_rejected_at,
};
const uniquePositions = UNIQUE_COUNTS.map((name) => uniqueTimes[name]);

/** When the recipient counts as unique, by position in UNIQUE_COUNTS; NEVER where they do not. */
export function uniqueTimesOf(state: RecipientState): number[] {
  return uniquePositions.map((position) =>
    position < 0 ? deliveredTime(state.firstTimes) : (state.firstTimes[position] ?? NEVER),
  );
}
