import * as fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  instantArray,
  instantColumns,
  integerColumns,
  InvalidValue,
  textArray,
  uuidArray,
} from "../../src/database/binary-arrays.js";
import { Pool, type Preamble } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { EARLIEST_INSTANT, END_OF_TIME, type EpochMicros, parseInstant } from "../../src/time/instant.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";

const BEGIN = "begin; set local timezone = 'UTC'" as Preamble;
const MOMENT = parseInstant("2026-11-20T12:00:00.000123Z") ?? Number.NaN;

let databases: TestDatabases;
let pool: Pool<"events">;
beforeAll(async () => {
  databases = await createTestDatabases();
  pool = new Pool({
    database: "events",
    url: databases.eventsUrl,
    maxConnections: 1,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log: pino({ level: "silent" }),
  });
});
afterAll(async () => {
  await pool.stop();
  await databases.drop();
});

const elementsOf = (type: string) =>
  defineStatement<"events", [Buffer], { value: unknown }>(
    "events",
    `test.elements_of_${type}`,
    `select value from unnest($1::${type}[]) as value`,
  );
const uuids = elementsOf("uuid");
const texts = elementsOf("text");
const instants = elementsOf("timestamptz");
const integers = elementsOf("integer");

async function read(statement: ReturnType<typeof uuids>): Promise<unknown[]> {
  return (await pool.transaction(BEGIN, (session) => session.run(statement))).map((row) => row.value);
}

test("PostgreSQL reads the values that were written, in their order", async () => {
  const anyUuid = fc.oneof(fc.uuid(), fc.constant("018f0000-0000-7000-8000-000000000001"));
  const anyText = fc.option(
    fc.oneof(fc.string(), fc.string({ unit: "binary", minLength: 60, maxLength: 70 }), fc.constant("")).map(storable),
    { nil: undefined },
  );
  const anyInstant = fc.oneof(fc.integer({ min: 0, max: 2 ** 52 }), fc.constant(EARLIEST_INSTANT as number));
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyUuid),
      fc.array(anyText),
      fc.array(anyInstant),
      fc.array(fc.integer()),
      async (ids, words, moments, counts) => {
        expect(await read(uuids(uuidArray(ids, (id) => id)))).toEqual(ids);
        expect(await read(texts(textArray(words, (word) => word)))).toEqual(words.map((word) => word ?? null));
        expect(await read(instants(instantArray(moments, (moment) => moment as EpochMicros)))).toEqual(moments);
        const columns = integerColumns(
          counts.map((count) => [0, count]),
          2,
        );
        expect(await read(integers(columns[0] ?? Buffer.of()))).toEqual(counts.map(() => 0));
        expect(await read(integers(columns[1] ?? Buffer.of()))).toEqual(counts);
      },
    ),
    { numRuns: 50 },
  );
});

function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "");
}

test("a time that is not there is infinity beside those that are", async () => {
  const isFinite = defineStatement<"events", [Buffer], { finite: boolean }>(
    "events",
    "test.is_finite",
    "select isfinite(value) as finite from unnest($1::timestamptz[]) as value",
  );
  const never = Number.POSITIVE_INFINITY;
  const [first, second] = instantColumns(
    [
      [never, MOMENT],
      [MOMENT, MOMENT],
    ],
    2,
  );
  const finite = (column: Buffer = Buffer.of()) => pool.transaction(BEGIN, (session) => session.run(isFinite(column)));
  expect(await finite(first)).toEqual([{ finite: false }, { finite: true }]);
  expect(await read(instants(second ?? Buffer.of()))).toEqual([MOMENT, MOMENT]);
});

test.each([
  ["a text that is no UUID", () => uuidArray(["no id"], (id) => id)],
  ["a UUID with a letter that is no digit", () => uuidArray(["018f0000-0000-7000-8000-00000000000g"], (id) => id)],
  ["a UUID with a letter beyond ASCII", () => uuidArray(["018f0000-0000-7000-8000-00000000000é"], (id) => id)],
  ["a moment between microseconds", () => instantArray([0.5], (moment) => moment as EpochMicros)],
  ["a moment past the year 9999", () => instantArray([END_OF_TIME], (moment) => moment)],
  ["a count past 32 bits", () => integerColumns([[2 ** 31]], 1)],
  ["a count that is missing", () => integerColumns([[]], 1)],
  ["a lone surrogate", () => textArray(["\ud800"], (text) => text)],
])("%s is refused before anything is sent", (_, write) => {
  expect(write).toThrow(InvalidValue);
});
