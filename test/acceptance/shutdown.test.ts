/**
 * Signals to real processes in the middle of their work: what was acknowledged is counted, once, and nobody who hangs holds
 * a process longer than its limit. On the tests' PostgreSQL; the embedded one is start.test.ts's.
 */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startTime } from "../../src/database/embedded-process.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { ask, type CliProcess, killStarted, printed, RECORD, runCli, startCli } from "./command-line.js";

const LIMIT_MS = 60_000;

let dataDir: string;
let databases: TestDatabases;
let env: Record<string, string>;
let key: string;
/** As the worker sees the event log. */
let eventLog: Client;
const sockets: Socket[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "mailtally-shutdown-"));
});
beforeEach(async () => {
  databases = await createTestDatabases();
  env = {
    DATA_DIR: dataDir,
    PORT: "0",
    EVENTS_DATABASE_URL: databases.eventsUrl,
    METRICS_DATABASE_URL: databases.metricsUrl,
    MAILTALLY_SECRET: "a secret of the tests, long enough for it",
    LOG_LEVEL: "info",
  };
  await runCli(["tenants", "create", "acme"], env);
  key = (await runCli(["keys", "create", "--tenant", "acme", "--scopes", "ALL"], env)).stdout.trim();
  eventLog = new Client({ connectionString: databases.eventsUrl });
  await eventLog.connect();
  await eventLog.query("set role mailtally_worker");
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await killStarted();
  await eventLog.end();
  await databases.drop();
});
afterAll(() => rm(dataDir, { recursive: true }));

async function serveUntilReady(more: Record<string, string> = {}): Promise<{ program: CliProcess; url: string }> {
  const program = startCli(["serve"], { ...env, ...more });
  return { program, url: await printed(program, /"url":"([^"]+)"/) };
}

const eventsNamed = (names: readonly string[]) =>
  names.map((name) => ({
    type: "SENT",
    eventId: name,
    campaignExternalId: "c",
    recipient: `${name}@example.org`,
    occurredAt: "2026-11-01T10:00:00Z",
  }));

/** Acknowledged, or it throws. */
async function record(url: string, names: readonly string[]): Promise<void> {
  const { data } = await ask(url, key, RECORD, { input: { events: eventsNamed(names) } });
  expect(data).toMatchObject({ recordEvents: { acceptedCount: names.length } });
}

async function countOf(text: string): Promise<number> {
  const { rows } = await eventLog.query<{ count: string }>(`select coalesce(${text}, 0)::text as count`);
  return Number(rows[0]?.count);
}
const countWaiting = () => countOf("(select sum(event_count) from inbox)");
const countRecorded = () => countOf("(select count(*) from sent)");

/** Lets a new worker do the rest. Returns what is in the log; the rollups say the same. */
async function finish(): Promise<string[]> {
  const worker = startCli(["work"], env);
  await printed(worker, /"working"/);
  await waitFor(async () => (await countOf("(select count(*) from inbox) + (select count(*) from outbox)")) === 0, {
    what: "everything to be counted",
    deadlineMs: 30_000,
  });
  worker.signalGroup("SIGTERM");
  expect(await worker.ended()).toMatchObject({ code: 0 });
  expect(await runCli(["verify"], env)).toMatchObject({ code: 0, stdout: "" });
  const { rows } = await eventLog.query<{ event_id: string }>("select event_id from sent");
  return rows.map((row) => row.event_id);
}

async function expectEnd(program: CliProcess, code: number, limitMs: number): Promise<number> {
  const started = performance.now();
  expect(await program.ended()).toMatchObject({ code });
  const tookMs = performance.now() - started;
  expect(tookMs).toBeLessThan(limitMs);
  return tookMs;
}

/** A client of its own on a plain socket, which says this much and then waits. */
async function say(url: string, text: string): Promise<{ heard: () => string; isClosed: () => boolean }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  let heard = "";
  socket.on("data", (chunk: Buffer) => (heard += chunk.toString()));
  socket.on("error", () => undefined);
  socket.write(text);
  await waitFor(() => socket.readyState === "open" && socket.writableLength === 0, { what: "the bytes to be sent" });
  return { heard: () => heard, isClosed: () => socket.closed };
}

const HALF_A_CALL = [
  "POST /graphql HTTP/1.1",
  "host: localhost",
  "content-type: application/json",
  "content-length: 1000",
  "",
  '{"query": "mutation',
].join("\r\n");

test.each([
  ["serve", "SIGTERM"],
  ["start", "SIGINT"],
] as const)(
  "%s: after %s amid many calls every acknowledged event is counted once, and idle clients hold nobody",
  async (command, signal) => {
    const program = startCli([command], { ...env, SHUTDOWN_TIMEOUT_MS: "10000" });
    const url = await printed(program, command === "serve" ? /"url":"([^"]+)"/ : /ready: (\S+)\/graphql,/);
    const idle = await say(url, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await waitFor(() => idle.heard().includes("alive"), { what: "an answer on a connection that stays open" });

    const acknowledged: string[] = [];
    const callers = Array.from({ length: 24 }, async (_, caller) => {
      for (let call = 0; ; call++) {
        const names = Array.from({ length: 20 }, (__, index) => `e-${caller}-${call}-${index}`);
        // Until the server is gone.
        try {
          await record(url, names);
        } catch {
          return;
        }
        acknowledged.push(...names);
      }
    });
    await waitFor(() => acknowledged.length > 2_000, { what: "many calls", deadlineMs: 30_000 });
    const before = acknowledged.length;
    program.signalGroup(signal);
    const tookMs = await expectEnd(program, 0, 8_000);
    await Promise.all(callers);
    process.stdout.write(
      `${command} left ${tookMs.toFixed(0)} ms after ${signal}; ${acknowledged.length - before} events were acknowledged after it\n`,
    );
    expect(idle.isClosed()).toBe(true);

    const counted = await finish();
    const ids = new Set(counted);
    expect(counted).toHaveLength(ids.size);
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
  },
  LIMIT_MS,
);

test(
  "serve: a client with half a call is waited for until the limit and no longer, and a second signal does not wait at all",
  async () => {
    const waiting = await serveUntilReady({ SHUTDOWN_TIMEOUT_MS: "1000" });
    const hanging = await say(waiting.url, HALF_A_CALL);
    await record(waiting.url, ["a"]);
    waiting.program.signalGroup("SIGTERM");
    expect(await expectEnd(waiting.program, 0, 5_000)).toBeGreaterThan(900);
    expect(hanging.isClosed()).toBe(true);

    const leaving = await serveUntilReady({ SHUTDOWN_TIMEOUT_MS: "30000" });
    await say(leaving.url, HALF_A_CALL);
    await record(leaving.url, ["b"]);
    leaving.program.signalGroup("SIGTERM");
    await printed(leaving.program, /"stopping"/);
    leaving.program.signalGroup("SIGTERM");
    await expectEnd(leaving.program, 1, 5_000);
    expect((await finish()).toSorted()).toEqual(["a", "b"]);
  },
  LIMIT_MS,
);

test(
  "serve: through the delay new connections are answered as ever, and only /readyz says that it stops",
  async () => {
    const { program, url } = await serveUntilReady({ SHUTDOWN_DELAY_MS: "1500", SHUTDOWN_TIMEOUT_MS: "300" });
    const signalled = performance.now();
    program.signalGroup("SIGTERM");
    await waitFor(async () => (await readiness(url)).status === 503, { what: "it to announce its stop" });
    await record(url, ["a"]);
    await record(url, ["b"]);
    await expectEnd(program, 0, 5_000);
    expect(performance.now() - signalled).toBeGreaterThan(1_400);
    expect((await finish()).toSorted()).toEqual(["a", "b"]);
  },
  LIMIT_MS,
);

/** Accepts connections and never answers. */
async function silentDatabase(): Promise<{ url: string; isAsked: () => Promise<unknown>; close: () => void }> {
  const clients: Socket[] = [];
  const server = createServer((socket) => void clients.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://nobody@127.0.0.1:${port}/none`,
    isAsked: () => waitFor(() => clients.length > 0, { what: "the database to be asked", deadlineMs: 20_000 }),
    close() {
      for (const client of clients) client.destroy();
      server.close();
    },
  };
}

test(
  "serve: a signal while it still begins, on a database that accepts and never answers, ends it within the limit",
  async () => {
    const silent = await silentDatabase();
    const program = startCli(["serve"], { ...env, EVENTS_DATABASE_URL: silent.url, SHUTDOWN_TIMEOUT_MS: "300" });
    await silent.isAsked();
    program.signalGroup("SIGTERM");
    await expectEnd(program, 1, 5_000);
    silent.close();
  },
  LIMIT_MS,
);

test(
  "a command that waits for a database that accepts and never answers ends at the first signal",
  async () => {
    const silent = await silentDatabase();
    const program = startCli(["keys", "list", "--tenant", "acme"], { ...env, EVENTS_DATABASE_URL: silent.url });
    await silent.isAsked();
    program.signalGroup("SIGINT");
    await expectEnd(program, 130, 2_000);
    silent.close();
  },
  LIMIT_MS,
);

test(
  "whoever waits for others at the embedded database ends at the first signal",
  async () => {
    const folder = await mkdtemp(path.join(dataDir, "embedded-"));
    const holder = { id: "holder", pid: process.pid, started: await startTime(process.pid), role: "command" };
    await writeFile(path.join(folder, "postgresql.lock"), JSON.stringify(holder));
    for (const [args, code] of [
      [["keys", "list", "--tenant", "acme"], 130],
      [["start"], 0],
    ] as const) {
      const program = startCli(args, { DATA_DIR: folder, PORT: "0" });
      // Links its own to the lock's name again and again, and so has read who holds it.
      await waitFor(async () => (await readdir(folder)).length > 1, { what: "it to wait", deadlineMs: 20_000 });
      program.signalGroup("SIGINT");
      await expectEnd(program, code, 5_000);
    }
  },
  LIMIT_MS,
);

/** Keeps every batch and every call from going on until it is released. */
async function hold(table: "sent" | "inbox"): Promise<() => Promise<void>> {
  // Made beforehand: whoever makes partitions would be held up as well, before any batch is.
  await eventLog.query(
    `select ensure_event_partitions(moment)
     from unnest(array['2026-11-01', now(), now() + interval '1 month', now() + interval '2 months']) as moment`,
  );
  const client = new Client({ connectionString: databases.eventsUrl });
  await client.connect();
  await client.query(`begin; lock table ${table} in share mode`);
  return () => client.end();
}

const isHeldUp = (table: "sent" | "inbox") =>
  waitFor(
    async () => {
      const { rowCount } = await eventLog.query(
        `select from pg_locks
         where not granted and relation = $1::regclass and mode = 'RowExclusiveLock'
           and database = (select oid from pg_database where datname = current_database())`,
        [table],
      );
      return rowCount;
    },
    { what: "somebody to be held up", deadlineMs: 20_000 },
  );

test(
  "serve: a database that hangs holds it for twice the limit and no longer",
  async () => {
    const { program, url } = await serveUntilReady({ SHUTDOWN_TIMEOUT_MS: "700" });
    await record(url, ["a"]);
    const release = await hold("inbox");
    const unanswered = record(url, ["b"]).then(
      () => "answered",
      () => "cut",
    );
    await isHeldUp("inbox");
    program.signalGroup("SIGTERM");
    await expectEnd(program, 1, 5_000);
    expect(await unanswered).toBe("cut");
    await release();
    // What nobody acknowledged may be there or not.
    expect(await finish()).toContain("a");
  },
  LIMIT_MS,
);

async function readiness(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, body: await response.json() };
}

test(
  "work: the batch in hand is finished after SIGTERM, and the rest waits for the next worker",
  async () => {
    const { program, url } = await serveUntilReady();
    const names = Array.from({ length: 1_000 }, (_, index) => `e${index}`);
    for (let start = 0; start < names.length; start += 100) await record(url, names.slice(start, start + 100));
    program.signalGroup("SIGTERM");
    await expectEnd(program, 0, 5_000);

    const release = await hold("sent");
    const worker = startCli(["work"], {
      ...env,
      WORKER_BATCH_EVENTS: "200",
      WORKER_CONCURRENCY: "1",
      WORKER_PORT: "0",
    });
    const probes = await printed(worker, /listening at (http:[^"]+)"/);
    await isHeldUp("sent");
    expect(await readiness(probes)).toMatchObject({ status: 200 });
    worker.signalGroup("SIGTERM");
    await printed(worker, /"stopping"/);
    expect(await readiness(probes)).toMatchObject({ status: 503, body: { status: "stopping" } });
    expect([await countRecorded(), worker.child.exitCode]).toEqual([0, null]);
    await release();
    await expectEnd(worker, 0, 5_000);
    expect([await countRecorded(), await countWaiting()]).toEqual([200, 800]);
    expect((await finish()).toSorted()).toEqual(names.toSorted());
  },
  LIMIT_MS,
);

test.each([
  ["a second SIGTERM", 2, "30000"],
  ["the end of the limit", 1, "500"],
] as const)(
  "work: %s leaves in the middle of a batch, and the next worker records all of it once",
  async (_what, signals, limit) => {
    const { program, url } = await serveUntilReady();
    const names = Array.from({ length: 300 }, (_, index) => `e${index}`);
    await record(url, names);
    program.signalGroup("SIGTERM");
    await expectEnd(program, 0, 5_000);

    const release = await hold("sent");
    const worker = startCli(["work"], { ...env, SHUTDOWN_TIMEOUT_MS: limit });
    await isHeldUp("sent");
    worker.signalGroup("SIGTERM");
    await printed(worker, /"stopping"/);
    if (signals === 2) worker.signalGroup("SIGTERM");
    await expectEnd(worker, 1, 5_000);
    expect([await countRecorded(), await countWaiting()]).toEqual([0, 300]);
    await release();
    expect((await finish()).toSorted()).toEqual(names.toSorted());
  },
  LIMIT_MS,
);
