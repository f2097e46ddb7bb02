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

test.each([
  ["a format of a newer program", INBOX_FORMAT + 1, "[]"],
  ["no JSON", INBOX_FORMAT, '{"campaigns":'],
  ["a list", INBOX_FORMAT, "[]"],
  ["no lists", INBOX_FORMAT, '{"campaigns":{},"events":{}}'],
  ["an event that is no list", INBOX_FORMAT, '{"campaigns":["a"],"events":["a"]}'],
  ["an event with too few values", INBOX_FORMAT, '{"campaigns":["a"],"events":[["SENT",0]]}'],
  [
    "an event of a campaign that is not there",
    INBOX_FORMAT,
    '{"campaigns":["a"],"events":[["SENT",1,null,null,null,null,null,null,null,null]]}',
  ],
])("%s is no payload", (_what, format, payload) => {
  expect(() => readPayload(format, payload)).toThrow(expect.objectContaining({ name: "UnreadableRow" }));
});
