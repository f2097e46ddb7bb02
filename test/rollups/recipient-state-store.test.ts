import * as fc from "fast-check";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { Pool } from "../../src/database/pool.js";
import type { AcceptedEvent } from "../../src/events/event.js";
import { type CampaignId, type ReceiptId, type TenantId, uuidv7 } from "../../src/ids.js";
import { emptyState, foldEvent, type RecipientState } from "../../src/rollups/recipient-state.js";
import { applyToStates } from "../../src/rollups/recipient-state-store.js";
import { beginAsWorker } from "../../src/tenancy/transactions.js";
import type { EpochMicros } from "../../src/time/instant.js";
import { PROPERTY_RUNS, PROPERTY_TIMEOUT_MS } from "../support/property-runs.js";
import { createTestDatabases } from "../support/test-databases.js";
import { at } from "../time/times.js";
import { acceptedEvent } from "./rollup-scene.js";

const tenantId = uuidv7() as TenantId;
const receiptId = uuidv7() as ReceiptId;
const campaignId = uuidv7() as CampaignId;
const MORNING = at("2026-06-15T08:00:00Z");

/** Few people and few moments, so that most batches meet a state, and many a time that is there already. */
const anyEvent = fc
  .record({
    recipient: fc.constantFrom("ann", "bob"),
    occurredAt: fc.nat(3).map((minute) => (MORNING + minute * 60_000_000) as EpochMicros),
    what: fc.constantFrom(
      { type: "SENT" as const },
      { type: "DELIVERED" as const },
      { type: "OPENED" as const, traffic: "HUMAN" as const },
      { type: "OPENED" as const, traffic: "MACHINE" as const },
      { type: "BOUNCED" as const, bounceClass: "HARD" as const },
      { type: "BOUNCED" as const, bounceClass: "SOFT" as const },
      { type: "CONVERTED" as const, amount: "12.50", currency: "EUR" },
      { type: "CONVERTED" as const, amount: "1", currency: "USD" },
    ),
  })
  .map(({ what, ...rest }) => ({ campaignId, ...what, ...rest }));

test(
  "every change says what a state was and what it is, as folding all events so far does",
  { timeout: PROPERTY_TIMEOUT_MS },
  async () => {
    const databases = await createTestDatabases();
    const events = new Pool({
      database: "events",
      url: databases.eventsUrl,
      maxConnections: 1,
      waitTimeoutMs: 10_000,
      preparedStatements: true,
      log: pino({ level: "silent" }),
    });
    onTestFinished(async () => {
      await events.stop();
      await databases.drop();
    });
    const batches = fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(batches, async (history) => {
        const known = new Map<string, RecipientState>();
        const session = await beginAsWorker(events);
        try {
          for (const batch of history) {
            const received = batch.map((happening) => acceptedEvent(happening));
            const changes = await applyToStates(
              session,
              received.map((event) => ({ tenantId, receiptId, receivedAt: MORNING, event })),
            );
            const touched = Map.groupBy(received, (event) => event.recipientKey);
            expect(changes.map((change) => change.recipientKey).toSorted()).toEqual([...touched.keys()].toSorted());
            for (const { recipientKey, before, after, isNew } of changes) {
              expect(isNew).toBe(!known.has(recipientKey));
              expect(before).toEqual(known.get(recipientKey) ?? emptyState());
              const folded = foldedOnto(before, touched.get(recipientKey) ?? []);
              expect(after).toEqual(folded);
              known.set(recipientKey, folded);
            }
          }
        } finally {
          await session.rollback();
        }
      }),
      { numRuns: Math.min(PROPERTY_RUNS, 200) },
    );
  },
);

function foldedOnto(before: RecipientState, events: readonly AcceptedEvent[]): RecipientState {
  const state = { ...before, firstTimes: [...before.firstTimes], counts: [...before.counts] };
  for (const event of events) foldEvent(state, event);
  return state;
}
