import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { DatabaseUnreachable } from "../../src/database/database-away.js";
import { Pool, type Preamble } from "../../src/database/pool.js";
import { defineStatement, type Statement } from "../../src/database/statement.js";
import { startSeverableProxy } from "../support/severable-proxy.js";
import { createTestDatabases } from "../support/test-databases.js";

const BEGIN = "begin" as Preamble;
const ask = defineStatement<"events", [], { one: number }>("events", "test.ask", "select 1 as one");

const OPTIONS = {
  database: "events",
  maxConnections: 1,
  waitTimeoutMs: 10_000,
  answerTimeoutMs: 200,
  preparedStatements: true,
  log: pino({ level: "silent" }),
} as const;

async function poolThroughProxy() {
  const databases = await createTestDatabases();
  const proxy = await startSeverableProxy(databases.eventsUrl);
  const pool = new Pool<"events">({ ...OPTIONS, url: proxy.url });
  onTestFinished(async () => {
    await pool.stop();
    await proxy.stop();
    await databases.drop();
  });
  return { pool, proxy, url: databases.eventsUrl };
}

test.each(["a statement", "a commit", "the beginning of a transaction"])(
  "%s that gets no answer fails, and its connection is replaced by one that answers",
  async (where) => {
    const { pool, proxy } = await poolThroughProxy();
    await pool.transaction(BEGIN, (session) => session.run(ask()));
    if (where === "the beginning of a transaction") proxy.freeze();
    const hanging = pool.transaction(BEGIN, async (session) => {
      if (where === "a statement") proxy.freeze();
      await session.run(ask());
      if (where === "a commit") proxy.freeze();
    });
    // The pool has one connection: whoever comes next waits for it.
    const next = hanging
      .catch(() => proxy.restore())
      .then(() => pool.transaction(BEGIN, (session) => session.run(ask())));
    await expect(hanging).rejects.toBeInstanceOf(DatabaseUnreachable);
    expect(await next).toEqual([{ one: 1 }]);
    expect(pool.usage).toEqual({ total: 1, idle: 1, waiting: 0 });
  },
);

test("a statement has its time for an answer from when those ahead of it have theirs, and no more for having been sent with them", async () => {
  const { pool } = await poolThroughProxy();
  const sleep = (ms: number) =>
    defineStatement<"events", [], unknown>("events", `test.sleep_${ms}`, `select pg_sleep(${ms / 1000})`)();
  const together = (...statements: Statement<"events", unknown>[]) =>
    pool.transaction(BEGIN, (session) => Promise.all(statements.map((statement) => session.run(statement))));
  await together(sleep(70), sleep(70), sleep(70), sleep(70));
  await expect(together(ask(), ask(), sleep(500))).rejects.toBeInstanceOf(DatabaseUnreachable);
  expect(await together(ask())).toEqual([[{ one: 1 }]]);
});

test("statements that were sent behind one that fails fail with its error, and not with what PostgreSQL refuses them with", async () => {
  const { pool } = await poolThroughProxy();
  const divide = defineStatement<"events", [], never>("events", "test.divide", "select 1 / 0");
  const reasons = pool.transaction(BEGIN, async (session) => {
    const sent = [session.run(ask()), session.run(divide()), session.run(ask()), session.run(ask())];
    const settled = await Promise.allSettled(sent);
    return settled.map((each) =>
      each.status === "rejected" ? (each.reason as { code: unknown; statement: unknown }) : null,
    );
  });
  const cause = { code: "22012", statement: "test.divide" };
  expect(await reasons).toMatchObject([null, cause, cause, cause]);
});

test("a statement's time is told from when those ahead of it have their answers, and nothing of what was not run", async () => {
  const { url } = await poolThroughProxy();
  const told: { name: string; seconds: number; failed: boolean }[] = [];
  const onStatement = (name: string, seconds: number, failed: boolean) => void told.push({ name, seconds, failed });
  const pool = new Pool<"events">({ ...OPTIONS, url, onStatement });
  const slow = defineStatement<"events", [], never>("events", "test.slow", "select pg_sleep(0.1)");
  const divide = defineStatement<"events", [], never>("events", "test.divide", "select 1 / 0");
  await pool
    .transaction(BEGIN, (session) => Promise.all([slow(), ask(), divide(), ask()].map((each) => session.run(each))))
    .catch(() => undefined);
  await pool.stop();
  expect(told.map(({ name, failed }) => [name, failed])).toEqual([
    ["test.slow", false],
    ["test.ask", false],
    ["test.divide", true],
  ]);
  const [slept, asked] = told;
  expect(slept?.seconds).toBeGreaterThan(0.09);
  expect(asked?.seconds).toBeLessThan((slept?.seconds ?? 0) / 2);
});

describe("a transaction of one statement", () => {
  const keep = defineStatement<"events", [value: unknown], { value: number }>(
    "events",
    "test.keep",
    "insert into kept (value) values ($1::integer) returning value",
  );
  const read = defineStatement<"events", [], { value: number }>("events", "test.read_kept", "select value from kept");
  const make = defineStatement<"events", [], never>(
    "events",
    "test.make_kept",
    "create table kept (value integer check (value > 0), unique (value) deferrable initially deferred)",
  );
  const cannotBeSent = {
    toPostgres: () => {
      throw new Error("This has no text");
    },
  };

  test("is committed when it is answered", async () => {
    const { pool, url } = await poolThroughProxy();
    const other = new Pool<"events">({ ...OPTIONS, url });
    await pool.runAlone(BEGIN, make());
    expect(await pool.runAlone(BEGIN, keep(1))).toEqual([{ value: 1 }]);
    expect(await other.runAlone(BEGIN, read())).toEqual([{ value: 1 }]);
    expect(pool.usage).toEqual({ total: 1, idle: 1, waiting: 0 });
    await other.stop();
  });

  test.each([
    ["it fails", -1, { code: "23514", statement: "test.keep" }],
    ["its commit fails", 1, { code: "23505" }],
    ["it cannot be sent", cannotBeSent, { message: "This has no text" }],
  ])("leaves nothing behind where %s, and a connection that answers", async (_where, value, reason) => {
    const { pool } = await poolThroughProxy();
    await pool.runAlone(BEGIN, make());
    await pool.runAlone(BEGIN, keep(1));
    await expect(pool.runAlone(BEGIN, keep(value))).rejects.toMatchObject(reason);
    expect(await pool.runAlone(BEGIN, read())).toEqual([{ value: 1 }]);
    expect(pool.usage).toEqual({ total: 1, idle: 1, waiting: 0 });
  });

  test("fails where it gets no answer, and its connection is replaced by one that answers", async () => {
    const { pool, proxy } = await poolThroughProxy();
    await pool.runAlone(BEGIN, ask());
    proxy.freeze();
    await expect(pool.runAlone(BEGIN, ask())).rejects.toBeInstanceOf(DatabaseUnreachable);
    await proxy.restore();
    expect(await pool.runAlone(BEGIN, ask())).toEqual([{ one: 1 }]);
    expect(pool.usage).toEqual({ total: 1, idle: 1, waiting: 0 });
  });
});

test("who waits for a connection past the limit fails, and the next one gets it when it is free", async () => {
  const databases = await createTestDatabases();
  const pool = new Pool({
    database: "events",
    url: databases.eventsUrl,
    maxConnections: 1,
    waitTimeoutMs: 500,
    preparedStatements: true,
    log: pino({ level: "silent" }),
  });
  onTestFinished(async () => {
    await pool.stop();
    await databases.drop();
  });
  const held = await pool.begin(BEGIN);
  await held.run(ask());
  await expect(pool.begin(BEGIN)).rejects.toBeInstanceOf(DatabaseUnreachable);
  await held.commit();
  expect(await pool.transaction(BEGIN, (session) => session.run(ask()))).toEqual([{ one: 1 }]);
});

test("a transaction that has ended takes no statements and is not ended again: its connection is somebody else's", async () => {
  const { pool } = await poolThroughProxy();
  const which = defineStatement<"events", [], { id: string }>(
    "events",
    "test.which",
    "select pg_current_xact_id()::text as id",
  );
  const ended = await pool.begin(BEGIN);
  await ended.run(ask());
  await ended.commit();
  const next = await pool.begin(BEGIN);
  const before = await next.run(which());
  await ended.rollback();
  ended.leave();
  await expect(ended.run(ask())).rejects.toThrow("The transaction has ended");
  await expect(ended.commit()).rejects.toThrow("The transaction has ended");
  expect(pool.usage).toEqual({ total: 1, idle: 0, waiting: 0 });
  expect(await next.run(which())).toEqual(before);
  await next.commit();
  expect(pool.usage).toEqual({ total: 1, idle: 1, waiting: 0 });
});

test.each(["commit", "rollback", "leave"] as const)(
  "once a transaction's %s was sent no statement is sent behind it: it would be in no transaction",
  async (end) => {
    const { pool } = await poolThroughProxy();
    const transaction = await pool.begin(BEGIN);
    await transaction.run(ask());
    const ends = transaction[end]();
    await expect(transaction.run(ask())).rejects.toThrow("The transaction has ended");
    await ends;
    expect(await pool.transaction(BEGIN, (session) => session.run(ask()))).toEqual([{ one: 1 }]);
  },
);
