import { Redis } from "ioredis";
import { Client } from "pg";
import { expect, inject, onTestFinished, test } from "vitest";
import { createTestDatabases } from "./test-databases.js";
import { startRedis, testRedisUrl } from "./test-redis.js";
import { waitFor } from "./wait-for.js";

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  onTestFinished(() => client.end().catch(() => undefined));
  return client;
}

test("databases of two tests share nothing, and are gone when dropped", async () => {
  const [one, other] = await Promise.all([createTestDatabases(), createTestDatabases()]);
  onTestFinished(other.drop);
  await (await connect(one.eventsUrl)).query("create table only_here (n int)");

  const elsewhere = await (await connect(other.eventsUrl)).query("select to_regclass('only_here') as found");
  expect(elsewhere.rows).toEqual([{ found: null }]);
  await one.drop();
  await expect(connect(one.metricsUrl)).rejects.toThrow(/does not exist/);
});

test("the run's PostgreSQL has the version that was asked for", async () => {
  const databases = await createTestDatabases();
  onTestFinished(databases.drop);
  const found = await (await connect(databases.metricsUrl)).query("show server_version_num");
  expect(Math.floor(Number(found.rows[0].server_version_num) / 10_000)).toBe(inject("postgresVersion"));
});

test("a Redis of a test's own can be killed without harm to the shared one", async () => {
  const own = await startRedis();
  const [ownClient, shared] = [own.url, testRedisUrl()].map((url) => new Redis(url, { retryStrategy: () => null }));
  onTestFinished(() => [ownClient, shared].forEach((client) => client?.disconnect()));
  ownClient?.on("error", () => undefined);
  expect(await ownClient?.ping()).toBe("PONG");

  await own.kill();

  await waitFor(() => ownClient?.status === "end", { what: "the client to notice" });
  expect(await shared?.ping()).toBe("PONG");
});

test("waiting for what does not come fails, and says what and why", async () => {
  const never = waitFor(() => Promise.reject(new Error("no such row")), { deadlineMs: 1, what: "the row" });
  await expect(never).rejects.toMatchObject({
    message: "Waited 1 ms in vain for the row.",
    cause: { message: "no such row" },
  });
});
