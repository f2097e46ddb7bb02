import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Pool } from "../../src/database/pool.js";
import { DepthReadings } from "../../src/ingest/depth-readings.js";
import { systemClock } from "../../src/runtime.js";
import { startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

const log = pino({ level: "silent" });
const SECOND_MS = 1_000;

let databases: TestDatabases;
const statements: string[] = [];
/** The clock of all readings here: it stands still unless a test moves it. */
let elapsedMs = 0;

beforeAll(async () => {
  databases = await createTestDatabases();
});
afterAll(() => databases.drop());
beforeEach(() => {
  elapsedMs = 0;
  statements.length = 0;
});

function poolAt(url: string, onStatement: () => void = () => undefined): Pool<"events"> {
  return new Pool({
    database: "events",
    url,
    maxConnections: 2,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log,
    onStatement: (name) => {
      statements.push(name);
      onStatement();
    },
  });
}

function readingsOf(events: Pool<"events">, patienceMs?: number): DepthReadings {
  const patience = patienceMs === undefined ? {} : { patienceMs };
  return new DepthReadings({ events, now: systemClock, log, elapsedMs: () => elapsedMs, ...patience });
}

test("however many ask, the inbox is read once at a time, and one that takes long is rare", async () => {
  let tookMs = 0;
  const events = poolAt(databases.eventsUrl, () => (elapsedMs += tookMs));
  const readings = readingsOf(events);
  const nothing = { events: 0, ageSeconds: 0 };
  expect(await Promise.all(Array.from({ length: 20 }, () => readings.read()))).toEqual(
    Array.from({ length: 20 }, () => nothing),
  );
  expect(statements).toEqual(["inbox.read_depth"]);

  tookMs = 2 * SECOND_MS;
  elapsedMs += SECOND_MS;
  await readings.read();
  expect(statements.length).toBe(2);
  elapsedMs += 99 * SECOND_MS;
  expect(await readings.read()).toEqual(nothing);
  expect(statements.length).toBe(2);
  elapsedMs += SECOND_MS;
  await readings.read();
  expect(statements.length).toBe(3);
  await events.stop();
});

test("while the database says nothing the last reading stands for half a minute, and then none does", async () => {
  const proxy = await startSeverableProxy(databases.eventsUrl);
  const events = poolAt(proxy.url);
  const readings = readingsOf(events, 50);
  await expect.poll(() => readings.read()).not.toBeNull();

  proxy.freeze();
  elapsedMs += 30 * SECOND_MS;
  expect(await readings.read()).not.toBeNull();
  elapsedMs += SECOND_MS;
  expect(await readings.read()).toBeNull();
  expect(await readings.read()).toBeNull();

  await proxy.sever();
  await proxy.restore();
  await expect.poll(() => readings.read()).not.toBeNull();
  await events.stop();
  await proxy.stop();
});
