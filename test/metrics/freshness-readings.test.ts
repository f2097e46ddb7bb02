import { expect, test } from "vitest";
import type { Session } from "../../src/database/pool.js";
import { appendToOutbox, LANES } from "../../src/events/outbox.js";
import { type TenantId, uuidv7 } from "../../src/ids.js";
import { FreshnessReadings } from "../../src/metrics/freshness-readings.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { at } from "../time/times.js";
import { metricsUnderTest, newTenant } from "./metrics-under-test.js";

const subject = metricsUnderTest();
const now = at("2026-05-01T12:00:00Z");

/** Readings by a clock of the test's own, on which each statement takes as long as the test says. */
function readingsThatTake(ms: { statement: number }) {
  let clock = 0;
  const readings = new FreshnessReadings(() => clock);
  return {
    pass: (some: number) => (clock += some),
    /** The pending events, and how many statements that took. */
    async ask(tenantId: TenantId): Promise<readonly [pending: number, statements: number]> {
      const { result, statements } = await subject.read(subject.events, tenantId, (session) => {
        const slow: Session<"events"> = {
          run: async (statement) => {
            const rows = await session.run(statement);
            clock += ms.statement;
            return rows;
          },
        };
        return readings.read(slow, tenantId, now);
      });
      return [result.pendingEvents, statements.length];
    },
  };
}

const wait = (tenantId: TenantId, eventCount: number) =>
  writeAsWorker(subject.events, (session) =>
    appendToOutbox(session, [
      { id: uuidv7(), tenantId, lane: LANES.LIVE, eventCount, receivedAt: at("2026-05-01T11:00:00Z"), payload: {} },
    ]),
  );

test("what took long to count is not counted again at once, for this tenant alone", async () => {
  const [flooded, other] = [newTenant(), newTenant()];
  const { ask, pass } = readingsThatTake({ statement: 100 });
  await wait(flooded, 5);
  await wait(other, 1);
  expect(await ask(flooded)).toEqual([5, 1]);
  await wait(flooded, 2);
  pass(1_999);
  expect(await ask(flooded)).toEqual([5, 0]);
  expect(await ask(other)).toEqual([1, 1]);
  pass(1);
  expect(await ask(flooded)).toEqual([7, 1]);
});

test("a quick reading, and one that finds nothing, is made every time", async () => {
  const tenantId = newTenant();
  const quick = readingsThatTake({ statement: 10 });
  const slow = readingsThatTake({ statement: 60_000 });
  expect(await slow.ask(tenantId)).toEqual([0, 1]);
  await wait(tenantId, 3);
  expect(await slow.ask(tenantId)).toEqual([3, 1]);
  expect(await quick.ask(tenantId)).toEqual([3, 1]);
  await wait(tenantId, 1);
  expect(await quick.ask(tenantId)).toEqual([4, 1]);
});

test("a reading rests for five seconds at the longest, and one counts anew for all who ask meanwhile", async () => {
  const tenantId = newTenant();
  const { ask, pass } = readingsThatTake({ statement: 60_000 });
  await wait(tenantId, 3);
  await ask(tenantId);
  await wait(tenantId, 1);
  pass(5_000);
  const answers = await Promise.all([ask(tenantId), ask(tenantId), ask(tenantId)]);
  expect(answers.toSorted()).toEqual([
    [3, 0],
    [3, 0],
    [4, 1],
  ]);
});
