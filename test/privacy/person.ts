import type { EventInput } from "../../src/events/event.js";

const CAMPAIGN = "spring";

/** All that tells who somebody is, in each event that such a person can have. */
export function eventsOf(name: string, campaign = CAMPAIGN): EventInput[] {
  const recipient = `${name}@example.org`;
  const common = {
    campaignExternalId: campaign,
    recipient: ` ${recipient.toUpperCase()} `,
    messageId: `<1.${recipient}@mta>`,
    metadata: { [`who-${recipient}`]: "x", list: [{ mail: recipient }] },
  };
  const carried: readonly Omit<EventInput, "recipient" | "occurredAt">[] = [
    { type: "SENT" },
    { type: "DELIVERED", mailboxProvider: `${recipient}'s` },
    { type: "DEFERRED", diagnostic: `450 4.7.1 <${recipient}> later` },
    { type: "BOUNCED", statusCode: `4.2.2 ${recipient}`, diagnostic: `450 <${recipient}>` },
    { type: "OPENED", traffic: "MACHINE", client: `${name} mail`, device: `${name} phone`, country: "IE" },
    { type: "OPENED", traffic: "HUMAN", client: `${name} mail` },
    { type: "CLICKED", url: "https://example.org/shared", client: `${name} browser` },
    { type: "CLICKED", url: `https://example.org/?e=${recipient}&x=1`, device: `${name} phone` },
    { type: "CLICKED", url: `https://example.org/?e=${encodeURIComponent(recipient)}`, traffic: "MACHINE" },
    { type: "COMPLAINED", feedbackSource: `${recipient} loop` },
    { type: "UNSUBSCRIBED", method: `${recipient} header` },
    { type: "CONVERTED", amount: "12.50", currency: "EUR", externalReference: `order of ${recipient}` },
    { type: "REJECTED", reason: `suppressed ${recipient}` },
  ];
  return carried.map((event, n) => ({
    ...common,
    ...event,
    eventId: `${recipient}-${campaign}-${n}`,
    occurredAt: `2026-11-0${1 + (n % 3)}T10:0${n % 10}:00Z`,
  }));
}

/** What must not be found of a person, in any case. */
export function tracesOf(name: string): readonly string[] {
  return [`${name}@example.org`, `${name}%40example.org`, `${name} mail`, `${name} phone`, `${name} browser`];
}
