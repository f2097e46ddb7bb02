import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import type { EventInput } from "../../src/events/event.js";
import { LANES } from "../../src/events/outbox.js";
import type { TenantId } from "../../src/ids.js";
import { nameRecipient } from "../../src/privacy/erase-recipient.js";
import { findUnrecordedEvents } from "../../src/privacy/recipient-record.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";
import { type WatchedAnswer, watchedSession } from "../support/watched-session.js";

const ANN = "ann@example.org";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 0, projectors: 0 });
});
afterAll(() => pipeline.stop());

/** Intake accepts a call of 300 events; the first `own` of them are Ann's. */
async function accept(tenantId: TenantId, call: number, own: number): Promise<void> {
  const events = Array.from({ length: 300 }, (_, n): EventInput => {
    return {
      type: "OPENED",
      campaignExternalId: "spring",
      recipient: n < own ? ANN : `somebody-${n}@example.org`,
      occurredAt: "2026-11-01T10:00:00Z",
      eventId: `${call}-${n}`,
      metadata: { text: "x".repeat(200) },
    };
  });
  expect((await pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events })).refused).toEqual([]);
}

/** What an export tells, and each answer of the database on the way. */
async function unrecordedOf(tenantId: TenantId) {
  const answers: WatchedAnswer[] = [];
  const { recipientKey } = nameRecipient(pipeline.recipientKeys, tenantId, ANN, ["recipient"]);
  const events = await writeAsTenant(pipeline.events, tenantId, (session) =>
    findUnrecordedEvents(
      watchedSession(session, (answer) => answers.push(answer)),
      tenantId,
      recipientKey,
    ),
  );
  return { ids: events.map((event) => event["eventId"]), answers };
}

const buryOldest = defineStatement<"events", [TenantId], never>(
  "events",
  "test.bury_oldest",
  `with row as (delete from inbox where id = (select min(id) from inbox where tenant_id = $1) returning *)
   insert into dead_letters (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error)
   select tenant_id, gen_random_uuid(), receipt_id, format, event_count, payload, received_at, now(), 'an error' from row`,
);

test("however many calls hold events of a person, an export has one of them at a time in hand", async () => {
  const tenantId = await pipeline.createTenant();
  const calls = [0, 1, 2, 3, 4];
  for (const call of calls) await accept(tenantId, call, 1);
  await writeAsWorker(pipeline.events, (session) => session.run(buryOldest(tenantId)));
  const { ids, answers } = await unrecordedOf(tenantId);
  // Oldest first, also where it is a dead letter.
  expect(ids).toEqual(calls.map((call) => `${call}-0`));
  const largest = Math.max(...answers.map(({ chars }) => chars));
  expect(largest).toBeGreaterThan(300 * 200);
  expect(largest).toBeLessThan(2 * 300 * 200);
});

test("an export tells of the oldest thousand that are not recorded, and reads no call for more", async () => {
  const tenantId = await pipeline.createTenant();
  for (const call of [0, 1, 2, 3, 4, 5]) await accept(tenantId, call, 300);
  const { ids, answers } = await unrecordedOf(tenantId);
  expect(ids).toHaveLength(1000);
  expect([ids[0], ids.at(-1)]).toEqual(["0-0", "3-99"]);
  expect(answers.filter(({ name }) => name === "inbox.read_payloads")).toHaveLength(4);
});
