/**
 * The demo tenant's data: an invented charity's campaigns and everything that happened to their messages.
 *
 * - The same seed and the same hour give the same events, ids included; a later hour of the same UTC day (from ten on) gives
 *   the same events and more, so an interrupted load can be taken up again. On another day it is another history.
 * - No event lies after `now`, rounded down to the hour.
 * - Campaigns come oldest first, a campaign's events by time; one campaign is in memory at a time.
 */
import { planCampaigns, type CampaignPlan } from "./campaign-plans.js";
import { deliver } from "./delivery.js";
import type { DemoEvent, DemoFacts } from "./demo-event.js";
import { engage } from "./engagement.js";
import { SeededRandom } from "./seeded-random.js";
import { createSupporters, type Supporter } from "./supporters.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DEFAULT_SEED = 2_026;
/** What of a segment's suppressed addresses the sender drops itself, and so never hands over to be rejected. */
const EXCLUDED_BEFOREHAND = 0.9;

export interface DemoCampaign {
  externalId: string;
  name: string;
  subject: string;
  tags: string[];
  /** ISO 8601, UTC. */
  sentAt: string;
}

interface Happening {
  readonly atMs: number;
  readonly supporter: Supporter;
  readonly facts: DemoFacts;
}

interface Suppression {
  readonly atMs: number;
  readonly reason: "bounced" | "unsubscribed" | "complained";
}

const wholeHour = (now: Date): number => Math.floor(now.getTime() / HOUR_MS) * HOUR_MS;

/** The campaigns of the last 120 days, oldest first. */
export function demoCampaigns(now: Date): DemoCampaign[] {
  return planCampaigns(wholeHour(now)).map(({ externalId, name, subject, tags, sentAtMs }) => ({
    externalId,
    name,
    subject,
    tags: [...tags],
    sentAt: new Date(sentAtMs).toISOString(),
  }));
}

/** Sends one campaign to its audience; adds those who left or bounced to `suppressions`. Unsorted, and may pass now. */
function runCampaign(
  plan: CampaignPlan,
  random: SeededRandom,
  supporters: readonly Supporter[],
  suppressions: Map<Supporter, Suppression>,
  untilMs: number,
): Happening[] {
  const happenings: Happening[] = [];
  const isOnTheList = (supporter: Supporter): boolean => supporter.joinedDaysAgo > plan.daysAgo;
  const audience = supporters.filter((person) => isOnTheList(person) && plan.audience(person, plan.daysAgo));
  const windowMs = Math.min(20 + audience.length / 180, 90) * MINUTE_MS;
  // Who leaves through an old message and then through a newer one is gone since the first of the two.
  const suppress = (supporter: Supporter, suppression: Suppression): void => {
    const before = suppressions.get(supporter);
    if (before === undefined || suppression.atMs < before.atMs) suppressions.set(supporter, suppression);
  };
  for (const supporter of audience) {
    const emit = (atMs: number, facts: DemoFacts): void => {
      const wholeMs = Math.floor(atMs);
      if (wholeMs <= untilMs) happenings.push({ atMs: wholeMs, supporter, facts });
    };
    const sentMs = plan.sentAtMs + random.next() * windowMs;
    const suppression = suppressions.get(supporter);
    if (suppression !== undefined && suppression.atMs < sentMs) {
      if (!random.chance(EXCLUDED_BEFOREHAND)) {
        emit(sentMs, { type: "REJECTED", reason: `suppressed: ${suppression.reason}` });
      }
      continue;
    }
    const variant = plan.splitsSubject === true ? (random.chance(0.5) ? "A" : "B") : undefined;
    emit(sentMs, { type: "SENT", ...(variant === undefined ? {} : { metadata: { variant } }) });
    const result = deliver(random, supporter, sentMs, plan.troubledProvider, emit);
    if (result.kind === "delivered") {
      const departure = engage({ random, plan, supporter, variant, emit }, result.atMs);
      if (departure !== undefined) suppress(supporter, departure);
    } else if (result.isHard) {
      suppress(supporter, { atMs: result.atMs, reason: "bounced" });
    }
  }
  return happenings;
}

function* runCampaigns(now: Date, seed: number): Generator<[CampaignPlan, Happening[]]> {
  const untilMs = wholeHour(now);
  const supporters = createSupporters(new SeededRandom(seed));
  const suppressions = new Map<Supporter, Suppression>();
  for (const [index, plan] of planCampaigns(untilMs).entries()) {
    // A stream of its own for each campaign: a change to one leaves the others as they were.
    const random = new SeededRandom(Math.imul(seed + index + 1, 0x9e3779b1));
    yield [plan, runCampaign(plan, random, supporters, suppressions, untilMs)];
  }
}

/** Every event up to now, campaign by campaign, each campaign's by time. */
export function* demoEvents(now: Date, seed: number = DEFAULT_SEED): Generator<DemoEvent, void, undefined> {
  for (const [{ externalId }, happenings] of runCampaigns(now, seed)) {
    // The sort is stable, so what one person does within a millisecond stays in its order.
    happenings.sort((one, other) => one.atMs - other.atMs);
    for (const [position, { atMs, supporter, facts }] of happenings.entries()) {
      yield {
        eventId: `demo-${externalId}-${position + 1}`,
        campaignExternalId: externalId,
        recipient: supporter.address,
        messageId: `${externalId}.${supporter.index.toString(36)}@mail.tideline.example`,
        occurredAt: new Date(atMs).toISOString(),
        ...facts,
      };
    }
  }
}

/** How many events of each campaign `demoEvents` gives for the same arguments; runs the simulation without shaping its events. */
export function* demoEventCounts(now: Date, seed: number = DEFAULT_SEED): Generator<number, void, undefined> {
  for (const [, happenings] of runCampaigns(now, seed)) yield happenings.length;
}
