import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { Pool, type Preamble, type Session } from "../../src/database/pool.js";
import { runInOrder } from "../../src/database/run-in-order.js";
import { defineStatement, type Statement } from "../../src/database/statement.js";
import { createTestDatabases } from "../support/test-databases.js";

const BEGIN = "begin" as Preamble;
const MANY = 100;

const make = defineStatement<"events", [], never>(
  "events",
  "test.make_kept",
  "create table kept (at integer generated always as identity, value integer check (value <> 40 and value <> 42))",
);
const keep = defineStatement<"events", [value: number], never>(
  "events",
  "test.keep",
  "insert into kept (value) values ($1)",
);
const read = defineStatement<"events", [], { value: number }>(
  "events",
  "test.read_kept",
  "select value from kept order by at",
);

async function eventsPool(): Promise<Pool<"events">> {
  const databases = await createTestDatabases();
  const pool = new Pool<"events">({
    database: "events",
    url: databases.eventsUrl,
    maxConnections: 3,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log: pino({ level: "silent" }),
  });
  onTestFinished(async () => {
    await pool.stop();
    await databases.drop();
  });
  await pool.runAlone(BEGIN, make());
  return pool;
}

/** A session that tells how many of its statements have been sent, and how many of these have had no answer at most. */
function counted(session: Session<"events">) {
  const counts = { sent: 0, unanswered: 0, most: 0 };
  const counting: Session<"events"> = {
    async run<Row>(statement: Statement<"events", Row>): Promise<Row[]> {
      counts.sent += 1;
      counts.unanswered += 1;
      counts.most = Math.max(counts.most, counts.unanswered);
      try {
        return await session.run(statement);
      } finally {
        counts.unanswered -= 1;
      }
    },
  };
  return { counts, counting };
}

test("any number of statements run in their order, and what is run next comes behind them, with 16 unanswered at most", async () => {
  const pool = await eventsPool();
  const values = Array.from({ length: MANY }, (_, at) => (at < 40 ? at : at + 10));
  const counts = await pool.transaction(BEGIN, async (session) => {
    const seen = counted(session);
    await runInOrder(
      seen.counting,
      values.map((value) => keep(value)),
    );
    return seen.counts;
  });
  expect(counts).toEqual({ sent: MANY, unanswered: 0, most: 16 });
  await pool.transaction(BEGIN, (session) =>
    Promise.all([runInOrder(session, [keep(-1), keep(-2)]), session.run(keep(-3))]),
  );
  const rows = await pool.runAlone(BEGIN, read());
  expect(rows.map(({ value }) => value)).toEqual([...values, -1, -2, -3]);
});

test("nothing is sent any more once a statement is known to have failed, and nothing of the transaction stays", async () => {
  const pool = await eventsPool();
  const values = Array.from({ length: MANY }, (_, at) => at);
  const transaction = await pool.begin(BEGIN);
  const { counts, counting } = counted(transaction);
  await expect(
    runInOrder(
      counting,
      values.map((value) => keep(value)),
    ),
  ).rejects.toMatchObject({ code: "23514", statement: "test.keep" });
  expect(counts.sent).toBe(40 + 16);
  await transaction.rollback();
  expect(await pool.runAlone(BEGIN, read())).toEqual([]);
});

test("of several statements that fail the first is told, also where another one's answer comes sooner", async () => {
  const pool = await eventsPool();
  const lock = defineStatement<"events", [], never>("events", "test.lock", "select pg_advisory_xact_lock(1)");
  const divideLocked = defineStatement<"events", [], never>(
    "events",
    "test.divide_locked",
    "select 1 / length(pg_advisory_xact_lock(1)::text)",
  );
  const holder = await pool.begin(BEGIN);
  await holder.run(lock());
  // Each statement in a transaction of its own, so that the second one's answer does not wait for the first one's.
  const apart: Session<"events"> = {
    async run<Row>(statement: Statement<"events", Row>): Promise<Row[]> {
      const ran = pool.runAlone(BEGIN, statement);
      if (statement.name === "test.keep") await ran.finally(() => holder.rollback());
      return ran;
    },
  };
  await expect(runInOrder(apart, [divideLocked(), keep(42)])).rejects.toMatchObject({ code: "22012" });
});
