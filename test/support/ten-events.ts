import type { EventFields } from "./record-events.js";

const URL_ONE = "https://example.com/give?ref=mail#top";
const URL_TWO = "https://example.com/read";

/**
 * A campaign small enough to be counted by hand: mail of 1 November, read on that day by machines and on the next by people.
 * Seven recipients were sent to; ann and bob engaged, gil complained and bought; cat, dan, eve and fay bounced, each in
 * another way; hal was rejected.
 */
export const CAMPAIGN = "spring";
export const LINKS = { one: URL_ONE, two: URL_TWO };

const event = (type: string, who: string, occurredAt: string, carried: EventFields = {}): EventFields => ({
  type,
  campaignExternalId: CAMPAIGN,
  recipient: `${who}@example.com`,
  occurredAt: `2026-11-0${occurredAt}Z`,
  eventId: `${type}-${who}-${occurredAt}`,
  ...carried,
});

export const TEN_EVENTS: readonly EventFields[] = [
  ...["ann", "bob", "cat", "dan", "eve", "fay", "gil"].map((who) =>
    event("SENT", who, "1T10:00:00", { messageId: `<${who}@mta>` }),
  ),
  event("DELIVERED", "ann", "1T10:01:00", { mailboxProvider: "Gmail" }),
  event("DELIVERED", "bob", "1T10:30:00"),
  event("DELIVERED", "gil", "1T10:02:00"),
  event("DEFERRED", "bob", "1T10:02:00", { diagnostic: "450 try later" }),
  event("BOUNCED", "cat", "1T10:03:00", { statusCode: "5.1.1", diagnostic: "no such user" }),
  event("BOUNCED", "dan", "1T10:03:00", { statusCode: "4.2.2" }),
  event("BOUNCED", "eve", "1T10:03:00", { bounceClass: "BLOCK", statusCode: "5.7.1" }),
  event("BOUNCED", "fay", "1T10:03:00"),
  event("OPENED", "ann", "1T10:05:00", { traffic: "MACHINE" }),
  event("OPENED", "ann", "2T09:00:00.123456", {
    traffic: "HUMAN",
    client: "Apple Mail",
    device: "phone",
    country: "IE",
    metadata: { ab: "b", nested: { depth: [1, 2] } },
  }),
  event("OPENED", "bob", "1T10:31:00", { traffic: "MACHINE" }),
  event("CLICKED", "ann", "2T09:05:00", { traffic: "HUMAN", url: URL_ONE, client: "Safari", device: "phone" }),
  event("CLICKED", "bob", "1T10:32:00", { traffic: "MACHINE", url: URL_ONE }),
  event("CLICKED", "bob", "2T08:00:00", { url: URL_TWO }),
  event("UNSUBSCRIBED", "bob", "2T08:05:00", { method: "list header" }),
  event("COMPLAINED", "gil", "2T07:00:00", { feedbackSource: "Yahoo" }),
  event("CONVERTED", "ann", "2T09:10:00", { amount: "12.50", currency: "eur", externalReference: "order-1" }),
  event("CONVERTED", "gil", "2T09:10:00", { amount: "7.25", currency: "USD" }),
  event("REJECTED", "hal", "1T09:59:00", { reason: "suppressed" }),
];
