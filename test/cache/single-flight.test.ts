import { expect, test } from "vitest";
import { AbandonedWork, SingleFlight } from "../../src/cache/single-flight.js";

test("work that is asked for while it runs runs once, and after it has ended again", async () => {
  const flights = new SingleFlight<number>();
  let runs = 0;
  const work = async () => ++runs;
  const [first, second] = [flights.run("a", work), flights.run("a", work)];
  expect([first.joined, second.joined]).toEqual([false, true]);
  expect(await Promise.all([first.result, second.result])).toEqual([1, 1]);
  expect(await flights.run("a", work).result).toBe(2);
});

test("a failure is everybody's who asked, and nobody's who asks after it, however it came", async () => {
  const flights = new SingleFlight<number>();
  const fails = [
    async () => Promise.reject(new Error("it fails")),
    () => {
      throw new Error("it fails");
    },
  ];
  for (const fail of fails) {
    const asked = [flights.run("a", fail), flights.run("a", fail)].map(({ result }) => result);
    await Promise.all(asked.map((result) => expect(result).rejects.toThrow("it fails")));
    expect(await flights.run("a", async () => 7).result).toBe(7);
  }
});

test("work that the first has abandoned is done once more, for all who joined it", async () => {
  const flights = new SingleFlight<number>();
  let runs = 0;
  const first = flights.run("a", async () => Promise.reject(new AbandonedWork("it has ended")));
  const joined = [1, 2].map(() => flights.run("a", async () => ++runs).result);
  await expect(first.result).rejects.toThrow(AbandonedWork);
  expect(await Promise.all(joined)).toEqual([1, 1]);
});
