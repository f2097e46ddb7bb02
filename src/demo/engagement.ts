/** What becomes of a delivered message: machines first, then perhaps its reader. */
import type { CampaignPlan, PlannedLink } from "./campaign-plans.js";
import type { DemoFacts, Emit } from "./demo-event.js";
import { drawReadingTime } from "./reading-curves.js";
import type { SeededRandom } from "./seeded-random.js";
import type { ReadingSetup, Supporter } from "./supporters.js";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** How a person left the list through a message, if they did. */
interface Departure {
  readonly atMs: number;
  readonly reason: "unsubscribed" | "complained";
}

/** Everything that one step needs to know about the message at hand. */
interface Reading {
  readonly random: SeededRandom;
  readonly plan: CampaignPlan;
  readonly supporter: Supporter;
  readonly variant: "A" | "B" | undefined;
  readonly emit: Emit;
}

/** Privacy proxies fetch images, and gateways follow links, within seconds: what inflates opens and clicks everywhere. */
function visitByMachines({ random, plan, supporter, emit }: Reading, deliveredMs: number): void {
  if (supporter.behindPrivacyProxy && random.chance(0.62)) {
    const atMs = deliveredMs + 900 + Math.min(random.logNormal(5 * SECOND_MS, 1), 90 * SECOND_MS);
    emit(atMs, { type: "OPENED", traffic: "MACHINE", client: "Apple Mail Privacy Protection" });
  }
  if (supporter.behindScanner && random.chance(0.28)) {
    let atMs = deliveredMs + random.between(1.5, 14) * SECOND_MS;
    const client = "Security scanner";
    emit(atMs, { type: "OPENED", traffic: "MACHINE", client });
    const followed = random.chance(0.45) ? plan.links : random.chance(0.6) ? [random.pick(plan.links)] : [];
    for (const link of followed) {
      atMs += random.between(0.15, 1.4) * SECOND_MS;
      emit(atMs, { type: "CLICKED", url: link.url, traffic: "MACHINE", client });
    }
  }
}

function seenBy(
  supporter: Supporter,
  setup: ReadingSetup,
): Pick<DemoFacts, "traffic" | "client" | "device" | "country"> {
  const { client, device } = setup;
  return { traffic: supporter.verdictUnknown ? "UNKNOWN" : "HUMAN", client, device, country: supporter.country.code };
}

/** Most gifts are round; some are typed in freely, and some add the card fee, which gives the odd cents. */
function drawDonation(random: SeededRandom, supporter: Supporter): number {
  const free = random.logNormal(supporter.country.currency === "USD" ? 46 : 38, 0.85) * (0.6 + supporter.generosity);
  const capped = Math.min(Math.max(free, 3), 5_000);
  const way = random.next();
  if (way < 0.68) return capped < 100 ? Math.max(5, Math.round(capped / 5) * 5) : Math.round(capped / 25) * 25;
  return way < 0.84 ? Math.round(capped) : Math.round(capped * 1.029 * 100 + 30) / 100;
}

function convert(reading: Reading, converts: "donation" | "ticket", atMs: number): void {
  const { random, supporter, variant, emit } = reading;
  const tickets = 1 + Math.floor(random.next() ** 2 * 4);
  const amount = converts === "ticket" ? tickets * 25 : drawDonation(random, supporter);
  const metadata: DemoFacts["metadata"] =
    converts === "ticket"
      ? { tickets }
      : { recurring: random.chance(0.14), fund: random.pick(["rivers", "coast", "general"]) };
  if (variant !== undefined) metadata["variant"] = variant;
  emit(atMs, {
    type: "CONVERTED",
    amount: amount.toFixed(2),
    currency: supporter.country.currency,
    externalReference: `${converts === "ticket" ? "tkt" : "don"}-${supporter.index.toString(36)}-${Math.floor(atMs).toString(36)}`,
    metadata,
  });
}

/** One to four links, each followed a while after the one before; perhaps a gift at the end. */
function followLinks(reading: Reading, setup: ReadingSetup, openedMs: number): void {
  const { random, plan, supporter, variant, emit } = reading;
  let atMs = openedMs + Math.min(random.logNormal(32 * SECOND_MS, 0.9), HOUR_MS) + 900;
  let landed: PlannedLink | undefined;
  let clicks = 0;
  do {
    const link = random.weighted(plan.links);
    if (link.converts !== undefined) landed = link;
    emit(atMs, {
      type: "CLICKED",
      url: link.url,
      ...seenBy(supporter, setup),
      ...(variant === undefined ? {} : { metadata: { variant } }),
    });
    atMs += random.logNormal(70 * SECOND_MS, 1) + 1_500;
    clicks += 1;
  } while (clicks < 4 && random.chance(0.27));
  if (landed?.converts !== undefined && random.chance(plan.appeal.converts * (0.5 + 1.6 * supporter.generosity))) {
    convert(reading, landed.converts, atMs + random.logNormal(3 * MINUTE_MS, 0.8));
  }
}

/** Emits whatever follows a delivery; answers how the person left the list, if they did. */
export function engage(reading: Reading, deliveredMs: number): Departure | undefined {
  const { random, plan, supporter, variant, emit } = reading;
  visitByMachines(reading, deliveredMs);

  const subjectLift = variant === "A" ? 1.06 : variant === "B" ? 0.94 : 1;
  const reads = random.chance(Math.min(supporter.engagement * plan.appeal.opens * subjectLift, 0.98));
  const readMs = drawReadingTime(random, plan.curve, deliveredMs, supporter.country.utcOffsetHours);
  if (reads) {
    let setup = random.chance(0.85) ? supporter.setup : supporter.secondSetup;
    let atMs = readMs;
    const images = !supporter.behindPrivacyProxy || random.chance(0.22);
    const away = random.chance(0.04);
    do {
      if (images) {
        const abroad: Pick<DemoFacts, "metadata"> = away ? { metadata: { ip_country: "GB" } } : {};
        emit(atMs, { type: "OPENED", ...seenBy(supporter, setup), ...abroad });
      }
      if (random.chance(plan.appeal.clicks * (0.022 + 0.058 * supporter.engagement))) followLinks(reading, setup, atMs);
      atMs += random.logNormal(5 * HOUR_MS, 1.5) + 20 * SECOND_MS;
      if (random.chance(0.3)) setup = supporter.secondSetup;
    } while (random.chance(0.3));
  } else if (random.chance(plan.appeal.converts * 0.0006)) {
    // Reminded by the subject line alone: a gift without a click, matched by the payment provider.
    convert(reading, "donation", readMs + random.exponential(8 * HOUR_MS));
  }
  return leave(reading, reads, readMs);
}

function leave({ random, supporter, emit }: Reading, reads: boolean, readMs: number): Departure | undefined {
  const atMs = readMs + random.logNormal(25 * SECOND_MS, 0.8) + 2 * SECOND_MS;
  const newcomer = supporter.joinedDaysAgo < 60 ? 1.4 : 1;
  if (random.chance((reads ? 0.0058 : 0.0009) * newcomer)) {
    const listHeader = random.chance(reads ? 0.3 : 0.9);
    emit(atMs, { type: "UNSUBSCRIBED", method: listHeader ? "list-header" : "link" });
    return { atMs, reason: "unsubscribed" };
  }
  const { feedbackSource } = supporter.provider;
  if (feedbackSource !== undefined && random.chance(reads ? 0.0004 : 0.00038)) {
    emit(atMs, { type: "COMPLAINED", feedbackSource });
    return { atMs, reason: "complained" };
  }
  return undefined;
}
