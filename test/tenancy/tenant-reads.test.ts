import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { DatabaseUnreachable } from "../../src/database/database-away.js";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { TenantReads } from "../../src/tenancy/transactions.js";
import { newTenantId, silent } from "../support/cache-rig.js";
import { createTestDatabases } from "../support/test-databases.js";

interface Seen {
  readonly tenant: string;
  readonly transaction: string;
  readonly value: number;
}

const see = defineStatement<"events", [value: number], Seen>(
  "events",
  "test.see",
  `select current_setting('app.current_tenant') as tenant, $1::int as value,
     concat(pg_backend_pid(), ' ', extract(epoch from transaction_timestamp())) as transaction`,
);
const fail = defineStatement<"events", [], Seen>("events", "test.fail", "select 1 / (random() * 0)::int");
const COMMON = { waitTimeoutMs: 10_000, preparedStatements: true, log: silent } as const;

async function poolOf({ maxConnections }: { readonly maxConnections: number }): Promise<Pool<"events">> {
  const databases = await createTestDatabases();
  const pool = new Pool({
    database: "events",
    url: databases.eventsUrl,
    maxConnections,
    ...COMMON,
  });
  onTestFinished(async () => {
    await pool.stop();
    await databases.drop();
  });
  return pool;
}

/** A way to the database that counts the pieces which clients send, each of them far smaller than what a socket takes at once. */
async function countPieces(databaseUrl: string) {
  const { hostname, port } = new URL(databaseUrl);
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) sockets.add(socket.on("error", () => undefined));
    client.on("data", () => count++);
    client.pipe(upstream).pipe(client);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    pieces: () => count,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await once(server.close(), "close");
    },
  };
}

test("what a request asks for at once is answered in one transaction of its tenant, also one statement several times", async () => {
  const pool = await poolOf({ maxConnections: 1 });
  const tenantId = newTenantId();
  const reads = new TenantReads(pool, tenantId);
  const answers = (await Promise.all([1, 2, 3].map((value) => reads.run(see(value))))).flat();
  await reads.end();
  expect(answers.map(({ value }) => value)).toEqual([1, 2, 3]);
  expect(answers.map(({ tenant }) => tenant)).toEqual([tenantId, tenantId, tenantId]);
  expect(new Set(answers.map(({ transaction }) => transaction)).size).toBe(1);
});

test("BEGIN leaves with the first statement, what is asked for at once in one piece, and the end with the next beginning", async () => {
  const databases = await createTestDatabases();
  const { url, pieces, stop } = await countPieces(databases.eventsUrl);
  const pool = new Pool({ database: "events", url, maxConnections: 1, ...COMMON });
  onTestFinished(async () => {
    await pool.stop();
    await stop();
    await databases.drop();
  });
  const first = new TenantReads(pool, newTenantId());
  await first.run(see(0));
  await first.end();
  const reads = new TenantReads(pool, newTenantId());
  const before = pieces();
  await reads.run(see(1));
  expect(pieces() - before).toBe(1);
  await Promise.all([reads.run(see(2)), reads.run(see(3))]);
  expect(pieces() - before).toBe(2);
  // The end of one request and the beginning of the next, which has waited for its connection.
  const next = new TenantReads(pool, newTenantId());
  const waiting = next.run(see(4));
  await reads.end();
  await waiting;
  expect(pieces() - before).toBe(3);
  await next.end();
});

test("a statement that fails does not take those with it that were sent behind it, nor the next ones", async () => {
  const pool = await poolOf({ maxConnections: 1 });
  const tenantId = newTenantId();
  const reads = new TenantReads(pool, tenantId);
  const [before, failed, behind, alsoFailed, last] = await Promise.allSettled([
    reads.run(see(1)),
    reads.run(fail()),
    reads.run(see(2)),
    reads.run(fail()),
    reads.run(see(3)),
  ]);
  const next = await reads.run(see(4));
  await reads.end();
  expect(before).toMatchObject({ status: "fulfilled", value: [{ value: 1, tenant: tenantId }] });
  expect(failed).toMatchObject({ status: "rejected", reason: { code: "22012" } });
  expect(behind).toMatchObject({ status: "fulfilled", value: [{ value: 2, tenant: tenantId }] });
  expect(alsoFailed).toMatchObject({ status: "rejected", reason: { code: "22012" } });
  expect(last).toMatchObject({ status: "fulfilled", value: [{ value: 3, tenant: tenantId }] });
  expect(next).toMatchObject([{ value: 4, tenant: tenantId }]);
  expect(pool.usage).toEqual({ total: 1, idle: 1, waiting: 0 });
});

test("what waits for a connection that is not to be had fails together, and the next one is tried for again", async () => {
  const sockets: Socket[] = [];
  const database = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
  await once(database.listen(0, "127.0.0.1"), "listening");
  const url = `postgres://nobody@127.0.0.1:${(database.address() as AddressInfo).port}/silent`;
  const pool = new Pool({ database: "events", url, maxConnections: 5, ...COMMON, waitTimeoutMs: 100 });
  onTestFinished(async () => {
    await pool.stop();
    for (const socket of sockets) socket.destroy();
    await once(database.close(), "close");
  });
  const reads = new TenantReads(pool, newTenantId());
  const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, value) => reads.run(see(value))));
  expect(answers.every(({ status }) => status === "rejected")).toBe(true);
  expect(sockets).toHaveLength(1);
  await expect(reads.run(see(0))).rejects.toBeInstanceOf(DatabaseUnreachable);
  expect(sockets).toHaveLength(2);
  await reads.end();
});

test("what is asked for while the transaction of a failed statement ends is waited for by the end of the request", async () => {
  const pool = await poolOf({ maxConnections: 1 });
  const reads = new TenantReads(pool, newTenantId());
  const answers = [reads.run(fail()), reads.run(see(1))].map((answer) => answer.catch(() => "failed"));
  await reads.end();
  expect(await Promise.all(answers)).toMatchObject(["failed", [{ value: 1 }]]);
  expect(pool.usage).toEqual({ total: 1, idle: 1, waiting: 0 });
});
