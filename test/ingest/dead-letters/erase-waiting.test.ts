import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../../src/database/statement.js";
import { type RecipientKey, type TenantId, uuidv7 } from "../../../src/ids.js";
import { eraseInbox, eraseLetters, stillWaits } from "../../../src/ingest/dead-letters/erase-waiting.js";
import { writeAsWorker } from "../../../src/tenancy/transactions.js";
import { type Pipeline, startPipeline } from "../../support/pipeline.js";
import { type WatchedAnswer, watchedSession } from "../../support/watched-session.js";
import { accepted, slipIn } from "./poison.js";

const FIRST_LETTER = "00000000-0000-0000-0000-000000000000";
const LATER = "2100-01-01T00:00:00Z";
const EVENTS_PER_CALL = 150;
const CALLS = 30;
/** What one of the calls holds, at the most. */
const CALL_CHARS = EVENTS_PER_CALL * 600;

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 0, projectors: 0 });
});
afterAll(() => pipeline.stop());

/** Calls that wait, each with one event of the person among those of others. */
async function leaveCalls(count: number): Promise<{ tenantId: TenantId; recipientKey: RecipientKey }> {
  const tenantId = await pipeline.createTenant();
  const recipientKey = uuidv7() as RecipientKey;
  for (let call = 0; call < count; call += 1) {
    const events = Array.from({ length: EVENTS_PER_CALL }, (_, n) =>
      accepted(`${call}-${n}`, { metadata: { text: "x".repeat(300) }, ...(n === 0 && { recipientKey }) }),
    );
    await slipIn(pipeline.events, tenantId, events);
  }
  return { tenantId, recipientKey };
}

const buryAll = defineStatement<"events", [TenantId], never>(
  "events",
  "test.bury_all",
  `with row as (delete from inbox where tenant_id = $1 returning *)
   insert into dead_letters (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error)
   select tenant_id, gen_random_uuid(), receipt_id, format, event_count, payload, received_at, now(), 'an error' from row`,
);

test("of calls that wait, or are dead, an erasure never has more than one in hand", async () => {
  const { tenantId, recipientKey } = await leaveCalls(CALLS);
  const answers: WatchedAnswer[] = [];
  const erase = (place: string, step: typeof eraseInbox | typeof eraseLetters) =>
    writeAsWorker(pipeline.events, (session) =>
      step(
        watchedSession(session, (answer) => answers.push(answer)),
        tenantId,
        recipientKey,
        place,
        LATER,
      ),
    );
  const holds = () =>
    writeAsWorker(pipeline.events, (session) =>
      stillWaits(
        watchedSession(session, (answer) => answers.push(answer)),
        tenantId,
        recipientKey,
        LATER,
      ),
    );

  expect(await holds()).toBe(true);
  for (let place: string | null = "0"; place !== null;) place = await erase(place, eraseInbox);
  expect(await holds()).toBe(false);
  await writeAsWorker(pipeline.events, (session) => session.run(buryAll(tenantId)));
  for (let place: string | null = FIRST_LETTER; place !== null;) place = await erase(place, eraseLetters);

  const rewritten = answers.filter(({ name }) => name === "inbox.erase" || name === "dead_letters.erase");
  expect(rewritten).toHaveLength(CALLS);
  expect(Math.max(...answers.map(({ chars }) => chars))).toBeLessThan(CALL_CHARS);
});

test("the first call that still holds the person is the last that is read to find out", async () => {
  const { tenantId, recipientKey } = await leaveCalls(3);
  const names: string[] = [];
  const holds = await writeAsWorker(pipeline.events, (session) =>
    stillWaits(
      watchedSession(session, ({ name }) => names.push(name)),
      tenantId,
      recipientKey,
      LATER,
    ),
  );
  expect({ holds, names }).toEqual({ holds: true, names: ["inbox.find_of_recipient", "inbox.read_payloads"] });
});

const takeAway = defineStatement<"events", [TenantId], never>(
  "events",
  "test.take_away",
  "delete from inbox where tenant_id = $1",
);

test("a row that somebody takes away before it was read passes for one that may hold the person", async () => {
  const { tenantId, recipientKey } = await leaveCalls(1);
  await writeAsWorker(pipeline.events, (session) => eraseInbox(session, tenantId, recipientKey, "0", LATER));
  const holds = (onAnswer: (answer: WatchedAnswer) => unknown) =>
    writeAsWorker(pipeline.events, (session) =>
      stillWaits(watchedSession(session, onAnswer), tenantId, recipientKey, LATER),
    );
  const take = () => writeAsWorker(pipeline.events, (session) => session.run(takeAway(tenantId)));
  expect(await holds(() => undefined)).toBe(false);
  expect(await holds(({ name }) => (name === "inbox.find_of_recipient" ? take() : undefined))).toBe(true);
  expect(await holds(() => undefined)).toBe(false);
});
