import * as fc from "fast-check";
import { expect, test } from "vitest";
import { EVENT_TYPES, type EventType } from "../../src/events/event.js";
import { type CampaignId, uuidv7 } from "../../src/ids.js";
import { type Basis, MEASURES } from "../../src/rollups/measures.js";
import type { RollupPayload } from "../../src/rollups/rollup-message.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { QUARTER_HOUR_MICROS } from "../../src/time/range.js";
import { PROPERTY_RUNS, PROPERTY_TIMEOUT_MS } from "../support/property-runs.js";
import { at, zoneOf } from "../time/times.js";
import { faultsOf, MemoryLedger, recordsOf, startOf } from "./memory-ledger.js";
import { acceptedEvent, type Happening } from "./rollup-scene.js";

const runs = { numRuns: PROPERTY_RUNS };
const LONG = { timeout: PROPERTY_TIMEOUT_MS };
const UTC = zoneOf("UTC");
const QUIET_DAY = at("2026-06-15T00:00:00Z");

/** A time on the quiet day, and so many quarter-hours after it. */
const quarterAt = (quarter: number, micros = 0) => (QUIET_DAY + quarter * QUARTER_HOUR_MICROS + micros) as EpochMicros;

const campaignId = uuidv7() as CampaignId;
const quarters = (count: number) =>
  fc.uniqueArray(fc.nat(200), { minLength: count, maxLength: count }).map((all) => all.toSorted((a, b) => a - b));
// What else the recipient did, none of it of the types that a law is about.
const othersThan = (...types: readonly EventType[]) =>
  fc.array(
    fc.record({
      type: fc.constantFrom(...EVENT_TYPES.filter((type) => !types.includes(type))),
      occurredAt: fc.nat(200).map((quarter) => quarterAt(quarter, 7)),
    }),
    { maxLength: 5 },
  );
const ann = (happening: Pick<Happening, "type" | "occurredAt">) =>
  acceptedEvent({ campaignId, recipient: "ann", bounceClass: "SOFT", ...happening });

/** Where each measure stands on a basis, in quarter-hours of the quiet day, each as often as it counts there. */
function standings(payloads: readonly RollupPayload[], basis: Basis): Map<string, number[]> {
  const rows = recordsOf(payloads, UTC)
    .filter((record) => record.table === "campaign_quarter_hours" && record["basis"] === basis)
    .map((record) => ({ record, quarter: (startOf(record) - QUIET_DAY) / QUARTER_HOUR_MICROS }))
    .toSorted((a, b) => a.quarter - b.quarter);
  return new Map(
    MEASURES.map((measure) => [
      measure,
      rows.flatMap(({ record, quarter }) => Array<number>(Number(record[measure])).fill(quarter)),
    ]),
  );
}
const standing = (payloads: readonly RollupPayload[], basis: Basis, measure: (typeof MEASURES)[number]) =>
  standings(payloads, basis).get(measure);

test(
  "an earlier first touch that comes later moves the unique to its bucket, and the later one back to nothing",
  LONG,
  () => {
    const kinds = EVENT_TYPES.filter((type) => type !== "BOUNCED" && type !== "DELIVERED");
    fc.assert(
      fc.property(fc.constantFrom(...kinds), quarters(2), fc.boolean(), (type, [early, late], third) => {
        const ledger = new MemoryLedger();
        const measure = type.toLowerCase() as "opened";
        const payloads = [ledger.record([ann({ type, occurredAt: quarterAt(late!) })])];
        expect(standing(payloads, "EVENT", `unique_${measure}`)).toEqual([late]);
        payloads.push(ledger.record([ann({ type, occurredAt: quarterAt(early!, 1) })]));
        // Earlier yet, in the same bucket: it stays there, once.
        if (third) payloads.push(ledger.record([ann({ type, occurredAt: quarterAt(early!) })]));
        expect(standing(payloads, "EVENT", `unique_${measure}`)).toEqual([early]);
        expect(standing(payloads, "EVENT", measure)).toEqual([early!, ...(third ? [early!] : []), late!]);
        expect(faultsOf(ledger.recorded.values(), payloads, UTC)).toEqual([]);
      }),
      runs,
    );
  },
);

test(
  "a SENT after its OPENED takes all to its time on the SEND basis, and an earlier SENT after that takes all again",
  LONG,
  () => {
    fc.assert(
      fc.property(fc.nat(200), quarters(2), othersThan("SENT", "OPENED"), (opened, [early, late], others) => {
        const ledger = new MemoryLedger();
        const first = Math.min(
          opened,
          ...others.map(({ occurredAt }) => (occurredAt - 7 - QUIET_DAY) / QUARTER_HOUR_MICROS),
        );
        const payloads = [
          ledger.record(others.map(ann)),
          ledger.record([ann({ type: "OPENED", occurredAt: quarterAt(opened, 8) })]),
        ];
        const sends = () => new Set([...standings(payloads, "SEND").values()].flat());
        expect(sends()).toEqual(new Set([first]));
        for (const sent of [late!, early!]) {
          payloads.push(ledger.record([ann({ type: "SENT", occurredAt: quarterAt(sent, 9) })]));
          expect(sends()).toEqual(new Set([sent]));
          expect(standing(payloads, "EVENT", "unique_opened")).toEqual([opened]);
        }
        expect(standing(payloads, "SEND", "sent")).toEqual([early, early]);
        expect(standing(payloads, "EVENT", "unique_sent")).toEqual([early]);
        expect(faultsOf(ledger.recorded.values(), payloads, UTC)).toEqual([]);
      }),
      runs,
    );
  },
);

test(
  "a bounce after a delivery takes the delivery back, and an open after the bounce brings it back at the earlier of the two",
  LONG,
  () => {
    const quiet = othersThan("DELIVERED", "BOUNCED", "OPENED", "CLICKED", "COMPLAINED", "UNSUBSCRIBED", "CONVERTED");
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), fc.nat(200), quiet, (delivered, bounced, opened, others) => {
        const ledger = new MemoryLedger();
        const payloads = [ledger.record(others.map(ann))];
        for (const [type, quarter, standsAt] of [
          ["DELIVERED", delivered, [delivered]],
          ["BOUNCED", bounced, []],
          ["OPENED", opened, [Math.min(delivered, opened)]],
        ] as const) {
          payloads.push(ledger.record([ann({ type, occurredAt: quarterAt(quarter) })]));
          expect(standing(payloads, "EVENT", "unique_delivered")).toEqual(standsAt);
          expect(standing(payloads, "SEND", "unique_delivered")).toHaveLength(standsAt.length);
          expect(standing(payloads, "EVENT", "delivered")).toEqual([delivered]);
        }
        expect(standing(payloads, "EVENT", "unique_bounced")).toEqual([bounced]);
        expect(faultsOf(ledger.recorded.values(), payloads, UTC)).toEqual([]);
      }),
      runs,
    );
  },
);

test("of one id with two contents the first recorded stays, in one batch or in two", LONG, () => {
  const content = fc.record({
    type: fc.constantFrom(...EVENT_TYPES),
    occurredAt: fc.nat(200).map((quarter) => quarterAt(quarter)),
  });
  fc.assert(
    fc.property(content, content, othersThan(), fc.boolean(), (one, two, others, together) => {
      const [first, second] = [one, two].map((given) => ({
        ...ann(given),
        key: acceptedEvent({ ...given, campaignId, recipient: "ann", eventId: "one id" }).key,
      }));
      const ledger = new MemoryLedger();
      const rest = others.map(ann);
      const payloads = (together ? [[first!, ...rest, second!]] : [[first!], rest, [second!]]).map((batch) =>
        ledger.record(batch),
      );
      expect(ledger.recorded.get(first!.key)).toBe(first);
      expect(faultsOf([first!, ...rest], payloads, UTC)).toEqual([]);
    }),
    runs,
  );
});
