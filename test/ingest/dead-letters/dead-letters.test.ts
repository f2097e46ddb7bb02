import { afterAll, beforeAll, expect, test } from "vitest";
import { defineStatement } from "../../../src/database/statement.js";
import type { PublicError } from "../../../src/errors.js";
import { LANES } from "../../../src/events/outbox.js";
import { Partitions } from "../../../src/events/partitions.js";
import type { DeadLetterId, ReceiptId, TenantId } from "../../../src/ids.js";
import { readDeadEvent } from "../../../src/ingest/dead-letters/dead-letter.js";
import { discardDeadLetters, replayDeadLetters } from "../../../src/ingest/dead-letters/dead-letters.js";
import { listDeadLetters } from "../../../src/ingest/dead-letters/dead-letters-of-all.js";
import { INBOX_FORMAT, readPayload } from "../../../src/ingest/inbox-payload.js";
import { Maintenance } from "../../../src/ingest/maintenance.js";
import { findReceipt } from "../../../src/ingest/receipts.js";
import { writeAsTenant, writeAsWorker } from "../../../src/tenancy/transactions.js";
import { type EpochMicros, instantFromMillis } from "../../../src/time/instant.js";
import { silent } from "../../support/cache-rig.js";
import { type Pipeline, startPipeline } from "../../support/pipeline.js";
import { accepted, closeGate, openGate, poisoned, slipIn, slipInJson } from "./poison.js";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 2 });
});
afterAll(() => pipeline.stop());

const readPayloads = defineStatement<"events", [TenantId], { payload: object[] }>(
  "events",
  "test.read_payloads",
  "select payload from inbox where tenant_id = $1",
);
const readDeadLetters = defineStatement<"events", [TenantId], { payload: unknown; error: string }>(
  "events",
  "test.read_dead_letters",
  "select payload, error from dead_letters where tenant_id = $1",
);
const countSent = defineStatement<"events", [TenantId], { sent: number }>(
  "events",
  "test.count_sent",
  "select count(*) as sent from sent where tenant_id = $1",
);
const forgeReason = defineStatement<"events", [TenantId], never>(
  "events",
  "test.forge_reason",
  "update dead_letters set receipt_id = tenant_id where tenant_id = $1",
);
const forgeLetter = defineStatement<"events", [TenantId], never>(
  "events",
  "test.forge_letter",
  `insert into dead_letters (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error)
   values ($1, $1, $1, 1, 1, '[]', now(), now(), '')`,
);
const dropPartition = defineStatement<"events", [], never>("events", "test.drop_partition", "drop table sent_2026_10");

const addTrigger = defineStatement<"events", [], never>(
  "events",
  "test.add_trigger",
  `do $do$ begin
     create function refuse_gated() returns trigger language plpgsql as $$
       begin if new.message_id = 'gated' then raise exception 'none of these'; end if; return new; end $$;
     create trigger refuse_gated before insert on sent for each row execute function refuse_gated();
   end $do$`,
);
const dropTrigger = defineStatement<"events", [], never>(
  "events",
  "test.drop_trigger",
  "drop function refuse_gated cascade",
);

const sentTo = (recipient: string, occurredAt = "2026-10-01T10:00:00Z") => ({
  type: "SENT",
  campaignExternalId: "spring",
  recipient,
  occurredAt,
});

const countOf = async (tenantId: TenantId) => {
  const [row] = await writeAsWorker(pipeline.events, (session) => session.run(countSent(tenantId)));
  return row?.sent;
};
const receiptOf = (tenantId: TenantId, id: ReceiptId) =>
  writeAsWorker(pipeline.events, (session) => findReceipt(session, tenantId, id));
const lettersOf = (tenantId: TenantId) =>
  writeAsWorker(pipeline.events, (session) =>
    listDeadLetters(session, { tenantId, receiptId: null, ids: null }, 1_000),
  );

/** Letters of two events that the log did not take while a gate was closed; it is open again. */
async function gatedLetters(tenantId: TenantId) {
  await pipeline.asOwner(closeGate());
  const events = ["a", "b", "c"].map((id) => accepted(id, id === "b" ? {} : { messageId: "gated" }));
  const receiptId = await slipIn(pipeline.events, tenantId, events);
  await pipeline.settled();
  await pipeline.asOwner(openGate());
  return { receiptId, ids: (await lettersOf(tenantId)).map(({ id }) => id) };
}

test("where the database refuses one event and the program cannot write another, both are buried and the rest counts", async () => {
  const tenantId = await pipeline.createTenant();
  await pipeline.asOwner(closeGate());
  const unwritable = accepted("unwritable", { type: "DELIVERED", mailboxProvider: 5 });
  await slipIn(pipeline.events, tenantId, [accepted("refused", { messageId: "gated" }), unwritable, accepted("good")]);
  await pipeline.settled();
  await pipeline.asOwner(openGate());
  const letters = await lettersOf(tenantId);
  const buried = letters.flatMap(({ format, payload }) => readPayload(format, payload).map(({ eventId }) => eventId));
  expect(buried.toSorted()).toEqual(["refused", "unwritable"]);
  expect(await countOf(tenantId)).toBe(1);
});

test("an event that a trigger of somebody's refuses is buried, and what came with it counts", async () => {
  const tenantId = await pipeline.createTenant();
  await pipeline.asOwner(addTrigger());
  await slipIn(pipeline.events, tenantId, [accepted("good"), accepted("refused", { messageId: "gated" })]);
  await pipeline.settled();
  await pipeline.asOwner(dropTrigger());
  const letters = await lettersOf(tenantId);
  expect(letters.map(({ reason, sqlState }) => [reason, sqlState])).toEqual([["CONSTRAINT", "P0001"]]);
  expect(await countOf(tenantId)).toBe(1);
});

test("an event that cannot be recorded stands alone among the dead letters with all that is known of it, and what came with it counts", async () => {
  const tenantId = await pipeline.createTenant();
  const events = Array.from({ length: 9 }, (_, index) => (index === 4 ? poisoned("e4") : accepted(`e${index}`)));
  const receiptId = await slipIn(pipeline.events, tenantId, events, LANES.BULK);
  await pipeline.settled();

  const letters = await lettersOf(tenantId);
  expect(letters).toEqual([
    {
      tenantId,
      id: expect.any(String),
      receiptId,
      lane: LANES.BULK,
      format: INBOX_FORMAT,
      eventCount: 1,
      payload: expect.any(String),
      receivedAt: expect.any(Number),
      firstFailedAt: expect.any(Number),
      diedAt: expect.any(Number),
      attempts: 3,
      reason: "INVALID_VALUE",
      error: expect.stringContaining("uuid"),
      sqlState: "22P02",
      constraint: null,
      table: null,
      // It was found on the way to one.
      statement: null,
    },
  ]);
  const [letter] = letters;
  expect(readPayload(INBOX_FORMAT, letter?.payload ?? "")).toEqual([events[4]]);
  expect(letter?.firstFailedAt).toBeLessThan(letter?.diedAt ?? 0);
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({
    status: "DEAD",
    reason: "INVALID_VALUE",
    recordedCount: 8,
    duplicateCount: 0,
  });
  expect(await countOf(tenantId)).toBe(8);
});

test("a rule of the log that an event breaks is named beside it, and rows that PostgreSQL quotes are not kept", async () => {
  const tenantId = await pipeline.createTenant();
  await gatedLetters(tenantId);
  const letters = await lettersOf(tenantId);
  expect(
    letters.map(({ reason, sqlState, constraint, table, statement }) => [
      reason,
      sqlState,
      constraint,
      table,
      statement,
    ]),
  ).toEqual(
    Array.from({ length: 2 }, () => ["CONSTRAINT", "23514", "sent_gate", "sent_2026_10", "event_log.append_sent"]),
  );
  expect(letters.map(({ error }) => error).join(" ")).not.toContain("example.com");
});

test.each([
  ["an object", "{}", 1],
  ["null", "null", 1],
  ["an array of what is no event", "[5, null]", 1],
  ["an event without anything", "[{}]", 1],
  ["a click without its link", JSON.stringify([accepted("click", { type: "CLICKED" })]), 1],
  ["an escaped NUL", JSON.stringify([accepted("nul", { messageId: "\0" })]), 1],
  ["a moment out of time", JSON.stringify([accepted("late", { occurredAt: 1e300 })]), 1],
  ["a format that no program writes any more", "[]", 0],
])("%s in the inbox becomes a dead letter, and takes nothing down", async (_what, payload, format) => {
  const tenantId = await pipeline.createTenant();
  const receiptId = await slipInJson(pipeline.events, tenantId, payload, format);
  await slipIn(pipeline.events, tenantId, [accepted("good")]);
  await pipeline.settled();
  expect((await lettersOf(tenantId)).map((letter) => [letter.receiptId, letter.payload, letter.format])).toEqual([
    [receiptId, payload, format],
  ]);
  expect((await receiptOf(tenantId, receiptId))?.status).toBe("DEAD");
  expect(await countOf(tenantId)).toBe(1);
});

test("good events that share a row with one that holds an escaped NUL count", async () => {
  const tenantId = await pipeline.createTenant();
  const events = [accepted("a"), accepted("nul", { metadata: { text: "\0" } }), accepted("b")];
  await slipInJson(pipeline.events, tenantId, JSON.stringify(events));
  await pipeline.settled();
  expect(await countOf(tenantId)).toBe(2);
  expect((await lettersOf(tenantId)).map((letter) => readDeadEvent(letter).eventId)).toEqual(["nul"]);
});

test("letters count once, however many replay them at the same time, and their receipt is APPLIED when none is left", async () => {
  const tenantId = await pipeline.createTenant();
  const { receiptId, ids } = await gatedLetters(tenantId);
  expect(ids).toHaveLength(2);
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({
    status: "DEAD",
    reason: "CONSTRAINT",
    recordedCount: 1,
  });

  const orders = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? ids : ids.toReversed()));
  const replays = await Promise.allSettled(
    orders.map((order, index) =>
      // Half of them as the API does, half as the command line.
      index < 4
        ? writeAsTenant(pipeline.events, tenantId, (session) => replayDeadLetters(session, tenantId, order))
        : writeAsWorker(pipeline.events, (session) => replayDeadLetters(session, tenantId, order)),
    ),
  );
  expect(replays.filter((replay) => replay.status === "fulfilled").map(({ value }) => value)).toEqual([2]);
  expect(
    replays.flatMap((replay) => (replay.status === "rejected" ? [(replay.reason as PublicError).code] : [])),
  ).toEqual(Array.from({ length: 7 }, () => "NOT_FOUND"));
  await pipeline.settled();
  expect(await countOf(tenantId)).toBe(3);
  expect(await lettersOf(tenantId)).toEqual([]);
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({
    status: "APPLIED",
    reason: null,
    recordedCount: 3,
    duplicateCount: 0,
  });
});

test("of all that are replayed together those go that are left, where that was asked for", async () => {
  const tenantId = await pipeline.createTenant();
  const { ids } = await gatedLetters(tenantId);
  const replay = (some: readonly DeadLetterId[]) =>
    writeAsWorker(pipeline.events, (session) => replayDeadLetters(session, tenantId, some, "skip"));
  expect([await replay(ids.slice(0, 1)), await replay(ids), await replay(ids), await replay([])]).toEqual([1, 1, 0, 0]);
  await pipeline.settled();
  expect(await countOf(tenantId)).toBe(3);
});

test("a receipt is QUEUED while a letter is tried again, and DEAD until the last one is recorded", async () => {
  const tenantId = await pipeline.createTenant();
  const { receiptId, ids } = await gatedLetters(tenantId);
  const meanwhile = await writeAsWorker(pipeline.events, async (session) => {
    await replayDeadLetters(session, tenantId, ids.slice(0, 1));
    return findReceipt(session, tenantId, receiptId);
  });
  expect(meanwhile).toMatchObject({ status: "QUEUED", reason: null });
  await pipeline.settled();
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({ status: "DEAD", recordedCount: 2 });
  await writeAsWorker(pipeline.events, (session) => replayDeadLetters(session, tenantId, ids.slice(1)));
  await pipeline.settled();
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({ status: "APPLIED", recordedCount: 3 });
});

test("a letter that fails again is one letter again", async () => {
  const tenantId = await pipeline.createTenant();
  await slipIn(pipeline.events, tenantId, [poisoned("bad")]);
  await pipeline.settled();
  const [first] = await lettersOf(tenantId);
  await writeAsWorker(pipeline.events, (session) => replayDeadLetters(session, tenantId, [first!.id]));
  await pipeline.settled();
  const letters = await lettersOf(tenantId);
  expect(letters.map(({ receiptId, payload }) => ({ receiptId, payload }))).toEqual([
    { receiptId: first?.receiptId, payload: first?.payload },
  ]);
});

test("a letter that is given up loses its event at once, is nobody's any more, and its receipt says so for as long as it lives", async () => {
  const tenantId = await pipeline.createTenant();
  const { receiptId, ids } = await gatedLetters(tenantId);
  const [kept, dropped] = ids as [DeadLetterId, DeadLetterId];
  const now = instantFromMillis(Date.now());
  const discard = () =>
    writeAsTenant(pipeline.events, tenantId, (session) => discardDeadLetters(session, tenantId, [dropped], now));
  expect(await discard()).toBe(1);
  expect((await lettersOf(tenantId)).map(({ id }) => id)).toEqual([kept]);
  expect((await receiptOf(tenantId, receiptId))?.reason).toBe("CONSTRAINT");
  expect(await writeAsWorker(pipeline.events, (session) => session.run(readDeadLetters(tenantId)))).toEqual(
    expect.arrayContaining([{ payload: null, error: "" }]),
  );
  await expect(discard()).rejects.toMatchObject({ code: "NOT_FOUND" });
  // One that is gone takes the others of the call with it: all are replayed, or none.
  await expect(
    writeAsTenant(pipeline.events, tenantId, (session) => replayDeadLetters(session, tenantId, ids)),
  ).rejects.toMatchObject({ code: "NOT_FOUND" });

  await writeAsWorker(pipeline.events, (session) => replayDeadLetters(session, tenantId, [kept]));
  await pipeline.settled();
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({ status: "DEAD", reason: "DISCARDED", recordedCount: 2 });

  const inDays = async (days: number) => {
    const { events, metrics } = pipeline;
    const later = () => (now + days * 86_400_000_000) as EpochMicros;
    const partitions = new Partitions(events);
    await new Maintenance({ events, metrics, partitions, eventRetentionDays: null, now: later, log: silent }).run();
    return writeAsWorker(events, (session) => session.run(readDeadLetters(tenantId)));
  };
  expect(await inDays(6.9)).toHaveLength(1);
  expect(await inDays(7.1)).toEqual([]);
});

test("a letter that was given up is known for as long as its receipt, also where that lives on for another event of its call", async () => {
  const tenantId = await pipeline.createTenant();
  const { receiptId, ids } = await gatedLetters(tenantId);
  const [kept, dropped] = ids as [DeadLetterId, DeadLetterId];
  const now = instantFromMillis(Date.now());
  const daysOn = (days: number) => (now + days * 86_400_000_000) as EpochMicros;
  await writeAsWorker(pipeline.events, (session) => discardDeadLetters(session, tenantId, [dropped], daysOn(-7.1)));
  await writeAsWorker(pipeline.events, (session) => replayDeadLetters(session, tenantId, [kept]));
  await pipeline.settled();
  const { events, metrics } = pipeline;
  const maintain = async (days: number) => {
    const options = { events, metrics, partitions: new Partitions(events), eventRetentionDays: null, log: silent };
    await new Maintenance({ ...options, now: () => daysOn(days) }).run();
  };
  await maintain(0);
  expect(await receiptOf(tenantId, receiptId)).toMatchObject({ status: "DEAD", reason: "DISCARDED" });
  await maintain(7.1);
  expect(await receiptOf(tenantId, receiptId)).toBeNull();
  expect(await writeAsWorker(events, (session) => session.run(readDeadLetters(tenantId)))).toEqual([]);
});

test("what the API may do to letters is to take its tenant's out or to empty them, and nothing else", async () => {
  const [mine, other] = [await pipeline.createTenant(), await pipeline.createTenant()];
  const { ids } = await gatedLetters(other);
  await expect(
    writeAsTenant(pipeline.events, mine, (session) => replayDeadLetters(session, other, ids)),
  ).rejects.toMatchObject({ code: "NOT_FOUND" });
  for (const change of [forgeReason(other), forgeLetter(mine)]) {
    await expect(writeAsTenant(pipeline.events, mine, (session) => session.run<never>(change))).rejects.toMatchObject({
      code: "42501",
    });
  }
  expect(await lettersOf(other)).toHaveLength(2);
});

test("events whose partition was dropped meanwhile are recorded all the same", async () => {
  const tenantId = await pipeline.createTenant();
  const accept = (name: string) =>
    pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events: [sentTo(`${name}@example.com`)] });
  await accept("before");
  await pipeline.settled();
  await pipeline.asOwner(dropPartition());
  await accept("after");
  await pipeline.settled();
  const [log, waiting, dead] = await writeAsWorker(pipeline.events, async (session) => [
    await session.run(countSent(tenantId)),
    await session.run(readPayloads(tenantId)),
    await session.run(readDeadLetters(tenantId)),
  ]);
  expect({ log, waiting, dead }).toEqual({ log: [{ sent: 1 }], waiting: [], dead: [] });
});
