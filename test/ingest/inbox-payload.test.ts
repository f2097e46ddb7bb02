import {
  type Arbitrary,
  array,
  assert,
  boolean,
  constant,
  constantFrom,
  dictionary,
  integer,
  jsonValue,
  maxSafeNat,
  property,
  record,
  string,
  uuid,
} from "fast-check";
import { expect, test } from "vitest";
import { DETAILS_BY_TYPE, EVENT_TYPES, type AcceptedEvent } from "../../src/events/event.js";
import { eventKeyOf } from "../../src/events/event-key.js";
import { type CampaignId, hashToUuid, type LinkKey, type RecipientKey } from "../../src/ids.js";
import { INBOX_FORMAT, readPayload, rewritePayload, writePayload } from "../../src/ingest/inbox-payload.js";
import type { EpochMicros } from "../../src/time/instant.js";

const text = string({ unit: "grapheme" });
const metadata = dictionary(text, jsonValue(), { minKeys: 1 });
/** With all that an event of its type may have, each of it there or not. */
const event: Arbitrary<AcceptedEvent> = constantFrom(...EVENT_TYPES).chain((type) =>
  record(
    {
      eventId: text,
      type: constant(type),
      campaignId: constantFrom("a", "b", "c").map((name) => hashToUuid(name) as CampaignId),
      recipientKey: uuid().map((key) => key as RecipientKey),
      occurredAt: maxSafeNat().map((micros) => micros as EpochMicros),
      address: text,
      messageId: text,
      metadata: metadata.map((given) => JSON.parse(JSON.stringify(given)) as Record<string, unknown>),
      linkKey: uuid().map((key) => key as LinkKey),
      key: uuid().map((key) => key as AcceptedEvent["key"]),
      ...Object.fromEntries(DETAILS_BY_TYPE[type].map((field) => [field, text])),
    },
    { requiredKeys: ["eventId", "type", "campaignId", "recipientKey", "occurredAt", "key"] },
  ),
) as Arbitrary<AcceptedEvent>;

test("events are read as they were written, each with its own campaign, and without a key with the one of their id", () => {
  assert(
    property(array(event), boolean(), (events, withKeys) => {
      const written = events.map(({ key, ...rest }) => (withKeys ? { key, ...rest } : rest));
      const read = readPayload(INBOX_FORMAT, writePayload(written));
      expect(read).toEqual(
        events.map(({ key, ...rest }) => ({ key: withKeys ? key : eventKeyOf(rest.eventId), ...rest })),
      );
      for (const { recipientKey } of events) expect(writePayload(written)).toContain(recipientKey);
    }),
  );
});

test("what is read can be written again in any format, and says the same", () => {
  assert(
    property(array(event), integer({ min: 1, max: INBOX_FORMAT }), (events, format) => {
      const again = rewritePayload(format, events);
      expect(again.format).toBeGreaterThanOrEqual(format);
      expect(readPayload(again.format, again.payload)).toEqual(events);
    }),
  );
});

// As programs of earlier releases have left them in inboxes and among dead letters.
test.each([
  [
    1,
    '[{"key":"5df6e0e2-7613-59d1-3daf-a5e0c2f1e1aa","eventId":"e-1","type":"CLICKED","campaignId":"019a0000-0000-7000-8000-000000000001","recipientKey":"7c3f1c2e-0000-4000-8000-00000000000a","occurredAt":1793000000000000,"address":"ann@example.org","url":"https://example.org/","traffic":"HUMAN"}]',
    { eventId: "e-1", address: "ann@example.org", url: "https://example.org/", traffic: "HUMAN" },
  ],
  [
    2,
    '[{"key":"5df6e0e2-7613-59d1-3daf-a5e0c2f1e1aa","eventId":"5df6e0e2-7613-59d1-3daf-a5e0c2f1e1aa","type":"CLICKED","campaignId":"019a0000-0000-7000-8000-000000000001","recipientKey":"7c3f1c2e-0000-4000-8000-00000000000a","occurredAt":1793000000000000,"url":"https://example.org/?who=erased","linkKey":"0f0e0d0c-0b0a-0908-0706-050403020100"}]',
    { url: "https://example.org/?who=erased", linkKey: "0f0e0d0c-0b0a-0908-0706-050403020100" },
  ],
])("a payload of format %d is read", (format, payload, expected) => {
  const [read, ...others] = readPayload(format, payload);
  expect(others).toEqual([]);
  expect(read).toMatchObject({ key: "5df6e0e2-7613-59d1-3daf-a5e0c2f1e1aa", type: "CLICKED", ...expected });
});

// Rows of this format lie in inboxes and among dead letters: whoever changes how it is read loses them.
test("a payload of format 3 is read", () => {
  const [autumn, spring] = ["019a0000-0000-7000-8000-000000000001", "019a0000-0000-7000-8000-000000000002"];
  const recipientKey = "7c3f1c2e-0000-4000-8000-00000000000a";
  const occurredAt = 1_793_000_000_000_000;
  const common = (type: string, place: number, eventId: string, ...rest: unknown[]) =>
    JSON.stringify([type, place, recipientKey, occurredAt, eventId, ...rest]);
  const none = [null, null, null, null, null];
  const rows = [
    common("SENT", 0, "e-0", "ann@example.org", "<m@example.org>", { tag: "a" }, null, null),
    common("DELIVERED", 0, "e-1", ...none, "gmail"),
    common("DEFERRED", 0, "e-2", ...none, "full"),
    common("BOUNCED", 0, "e-3", ...none, "HARD", "5.1.1", "no such user"),
    common("OPENED", 1, "e-4", ...none, "HUMAN", "Gmail", "mobile", "DE"),
    common(
      "CLICKED",
      1,
      "e-5",
      null,
      null,
      null,
      "0f0e0d0c-0b0a-0908-0706-050403020100",
      "5df6e0e2-7613-59d1-3daf-a5e0c2f1e1aa",
      "https://example.org/",
      "HUMAN",
      "Gmail",
      "mobile",
      "DE",
    ),
    common("COMPLAINED", 1, "e-6", ...none, "abuse"),
    common("UNSUBSCRIBED", 1, "e-7", ...none, "link"),
    common("CONVERTED", 1, "e-8", ...none, "12.50", "EUR", "order 7"),
    common("REJECTED", 1, "e-9", ...none, null),
  ];
  const payload = `{"campaigns":["${autumn}","${spring}"],"events":[${rows.join(",")}]}`;
  const of = (type: string, campaignId: string | undefined, number: number, more: object) => {
    const eventId = `e-${number}`;
    return { key: eventKeyOf(eventId), eventId, type, campaignId, recipientKey, occurredAt, ...more };
  };
  const reader = { traffic: "HUMAN", client: "Gmail", device: "mobile", country: "DE" };
  expect(readPayload(3, payload)).toEqual([
    of("SENT", autumn, 0, { address: "ann@example.org", messageId: "<m@example.org>", metadata: { tag: "a" } }),
    of("DELIVERED", autumn, 1, { mailboxProvider: "gmail" }),
    of("DEFERRED", autumn, 2, { diagnostic: "full" }),
    of("BOUNCED", autumn, 3, { bounceClass: "HARD", statusCode: "5.1.1", diagnostic: "no such user" }),
    of("OPENED", spring, 4, reader),
    of("CLICKED", spring, 5, {
      ...reader,
      url: "https://example.org/",
      linkKey: "0f0e0d0c-0b0a-0908-0706-050403020100",
      key: "5df6e0e2-7613-59d1-3daf-a5e0c2f1e1aa",
    }),
    of("COMPLAINED", spring, 6, { feedbackSource: "abuse" }),
    of("UNSUBSCRIBED", spring, 7, { method: "link" }),
    of("CONVERTED", spring, 8, { amount: "12.50", currency: "EUR", externalReference: "order 7" }),
    of("REJECTED", spring, 9, {}),
  ]);
  expect(eventKeyOf("e-0")).toBe("0e550107-7799-614c-c699-673e1e399f4f");
});

test.each([
  ["a campaign that is not there", ["SENT", 7, null, 0, "bad"]],
  ["a place that is none", ["SENT", "map", null, 0, "bad"]],
  ["an id that is none", ["SENT", 0, null, 0, { toString: 1 }]],
  ["a type that is none", ["SNET", 0, null, 0, "bad"]],
  ["hardly any values", ["SENT"]],
])("an event with %s does not keep the one beside it from being read", (_what, bad) => {
  const good = ["SENT", 0, "7c3f1c2e-0000-4000-8000-00000000000a", 1, "good", null, null, null, null, null];
  const payload = JSON.stringify({ campaigns: ["019a0000-0000-7000-8000-000000000001"], events: [bad, good] });
  const read = readPayload(INBOX_FORMAT, payload);
  expect(read.map(({ eventId }) => eventId)).toEqual([bad[4], "good"]);
  const again = rewritePayload(INBOX_FORMAT, read.slice(1));
  expect(readPayload(again.format, again.payload)).toMatchObject([{ eventId: "good", key: eventKeyOf("good") }]);
});

test.each([
  ["a format of a newer program", INBOX_FORMAT + 1, "[]"],
  ["no JSON", INBOX_FORMAT, '{"campaigns":'],
  ["a list", INBOX_FORMAT, "[]"],
  ["no lists", INBOX_FORMAT, '{"campaigns":{},"events":{}}'],
  ["an event that is no list", INBOX_FORMAT, '{"campaigns":["a"],"events":["a"]}'],
])("%s is no payload", (_what, format, payload) => {
  expect(() => readPayload(format, payload)).toThrow(expect.objectContaining({ name: "UnreadableRow" }));
});
