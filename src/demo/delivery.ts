/** The way of one message from the sender to the mailbox, or not. */
import type { DemoFacts, Emit } from "./demo-event.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Supporter } from "./supporters.js";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

type Outcome = "delivered" | "hard" | "soft" | "block" | "undetermined";

const outcomes: readonly [{ outcome: Outcome; weight: number }, ...{ outcome: Outcome; weight: number }[]] = [
  { outcome: "delivered", weight: 98.62 },
  { outcome: "hard", weight: 0.48 },
  { outcome: "soft", weight: 0.46 },
  { outcome: "block", weight: 0.34 },
  { outcome: "undetermined", weight: 0.1 },
];

const deferrals: readonly [string, ...string[]] = [
  "421 4.7.0 Too many messages from this network, try again later",
  "450 4.7.1 Greylisted, please retry in 300 seconds",
  "451 4.3.0 Temporary server error, message not queued",
  "452 4.3.1 Insufficient system storage, try again later",
];

function bounce(random: SeededRandom, outcome: Exclude<Outcome, "delivered">, supporter: Supporter): DemoFacts {
  const mailboxProvider = supporter.provider.name;
  if (outcome === "hard") {
    const gone = random.chance(0.2);
    return {
      type: "BOUNCED",
      bounceClass: "HARD",
      mailboxProvider,
      statusCode: gone ? "5.2.1" : "5.1.1",
      diagnostic: gone
        ? "550 5.2.1 The account that you tried to reach is disabled"
        : `550 5.1.1 <${supporter.address}>: Recipient address rejected: user unknown`,
    };
  }
  if (outcome === "soft") {
    const full = random.chance(0.85);
    return {
      type: "BOUNCED",
      bounceClass: "SOFT",
      mailboxProvider,
      statusCode: full ? "4.2.2" : "4.4.7",
      diagnostic: full
        ? "452 4.2.2 The recipient's mailbox is over its storage quota"
        : "450 4.4.7 Message expired after repeated attempts",
    };
  }
  if (outcome === "block") {
    return {
      type: "BOUNCED",
      bounceClass: "BLOCK",
      mailboxProvider,
      statusCode: "5.7.1",
      diagnostic: "550 5.7.1 Message rejected due to the sender's reputation or content policy",
    };
  }
  return {
    type: "BOUNCED",
    bounceClass: "UNDETERMINED",
    mailboxProvider,
    diagnostic: "Delivery failed; the remote server gave no reason",
  };
}

type DeliveryResult =
  | { readonly kind: "delivered"; readonly atMs: number }
  | { readonly kind: "bounced"; readonly atMs: number; readonly isHard: boolean };

/**
 * Emits deferrals and then DELIVERED or BOUNCED for a message sent at `sentMs`.
 * `troubledProvider` names a provider that throttles and blocks this mailing: every sender has such a week.
 */
export function deliver(
  random: SeededRandom,
  supporter: Supporter,
  sentMs: number,
  troubledProvider: string | undefined,
  emit: Emit,
): DeliveryResult {
  const troubled = supporter.provider.name === troubledProvider;
  const drawn = random.weighted(outcomes).outcome;
  const outcome = troubled && drawn === "delivered" && random.chance(0.05) ? "block" : drawn;
  const deferralRate = outcome === "soft" ? 1 : supporter.provider.deferralRate * (troubled ? 6 : 1);
  let atMs = sentMs + Math.min(random.logNormal(2.6 * SECOND_MS, 0.9), 10 * MINUTE_MS) + 80;
  let attempts = 1;
  if (random.chance(deferralRate)) {
    const diagnostic = outcome === "soft" ? "452 4.2.2 Mailbox full" : random.pick(deferrals);
    do {
      emit(atMs, { type: "DEFERRED", mailboxProvider: supporter.provider.name, diagnostic });
      atMs += random.between(4, 9) * MINUTE_MS * attempts;
      attempts += 1;
    } while (attempts <= 4 && random.chance(outcome === "soft" ? 0.8 : 0.3));
  }
  if (outcome === "delivered") {
    emit(atMs, {
      type: "DELIVERED",
      mailboxProvider: supporter.provider.name,
      ...(attempts > 1 ? { metadata: { attempts } } : {}),
    });
    return { kind: "delivered", atMs };
  }
  if (outcome === "soft") atMs += random.between(2, 20) * HOUR_MS;
  emit(atMs, bounce(random, outcome, supporter));
  return { kind: "bounced", atMs, isHard: outcome === "hard" };
}
