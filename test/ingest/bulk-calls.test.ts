import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { EventInput } from "../../src/events/event.js";
import { Overload } from "../../src/ingest/backpressure/high-water-marks.js";
import { BulkCalls } from "../../src/ingest/import/bulk-calls.js";
import type { IntakeAnswer } from "../../src/ingest/inbox-writer.js";
import type { Intake, IntakeCall } from "../../src/ingest/intake.js";
import { newTenantId } from "../support/cache-rig.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const answer: IntakeAnswer = {
  receiptId: null,
  acceptedAt: 0 as IntakeAnswer["acceptedAt"],
  acceptedCount: 1,
  refused: [],
};

/** Finds the inbox full for the first call, and has room for all others. */
function intakeWithoutRoomForTheFirst(): Intake {
  let calls = 0;
  const accept = async (_call: IntakeCall): Promise<IntakeAnswer> => {
    if (calls++ === 0) throw new Overload("tenant", "count", 60);
    return answer;
  };
  return { accept } as Intake;
}

test("events that are stored are let go of, also while a call before them waits for room", async () => {
  const stopping = new AbortController();
  const calls = new BulkCalls({
    intake: intakeWithoutRoomForTheFirst(),
    tenantId: newTenantId(),
    retryForMs: 1_000,
    maxCallsInFlight: 2,
    signal: stopping.signal,
    onAnswer: () => undefined,
  });
  const sent: WeakRef<readonly EventInput[]>[] = [];
  for (let line = 1; line <= 50; line++) {
    const events: EventInput[] = [
      { type: "SENT", recipient: `${line}@example.org`, occurredAt: "2026-11-20T12:00:00Z" },
    ];
    sent.push(new WeakRef(events));
    await calls.send({ events, lines: [line] });
  }
  // What a job holds until it ends is not held any longer.
  await new Promise(setImmediate);
  collectGarbage();
  const kept = sent.filter((events) => events.deref() !== undefined).length;
  // The one that waits, and the last, which the loop above may still hold.
  expect(kept).toBeLessThanOrEqual(2);
  expect(sent[0]?.deref()).toBeDefined();
  expect([calls.durableThroughLine, calls.isSettled]).toEqual([0, false]);
  stopping.abort();
  await calls.settle();
});
