import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { WorkLoop } from "../src/work-loop.js";

test("to be woken ends a rest, and not the pause after a failure", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let isBroken = true;
  let tries = 0;
  const loop = new WorkLoop({
    name: "broken",
    step: async () => {
      tries++;
      if (isBroken) throw new Error("away");
      return false;
    },
    idleMs: 60_000,
    log: pino({ level: "silent" }),
  });
  const wakeFor = async (ms: number) => {
    for (let passed = 0; passed < ms; passed++) {
      loop.wake();
      await vi.advanceTimersByTimeAsync(1);
    }
  };
  // The first pause has at least 50 ms, the second at most 300.
  await wakeFor(49);
  expect(tries).toBe(1);
  isBroken = false;
  await vi.advanceTimersByTimeAsync(300);
  expect(tries).toBe(2);
  await wakeFor(3);
  expect(tries).toBe(5);
  await loop.stop();
});

test("a loop that pauses after a failure stops at once", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const step = () => Promise.reject(new Error("away"));
  const loop = new WorkLoop({ name: "broken", step, idleMs: 1, log: pino({ level: "silent" }) });
  // Up to the pause, which no timer ends here.
  await vi.advanceTimersByTimeAsync(0);
  await expect(loop.stop()).resolves.toBeUndefined();
});
