import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { afterEach, describe, expect, test } from "vitest";
import { EVENT_TYPES } from "../../src/events/event.js";
import { type CliProcess, killStarted, printed, runCli, startCli } from "../acceptance/command-line.js";
import { createEmptyDatabases, type TestDatabases } from "../support/test-databases.js";
import { testRedisUrl } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";
import { buildVersion, EARLIER_VERSIONS, whyAbsent } from "./earlier-versions.js";
import { startLoad } from "./upgrade-load.js";

const LIMIT_MS = 180_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await killStarted();
  for (const cleanUp of cleanups.splice(0).toReversed()) await cleanUp();
});

async function newEnvironment(): Promise<{ databases: TestDatabases; env: Record<string, string> }> {
  const databases = await createEmptyDatabases();
  cleanups.push(() => databases.drop());
  const dataDir = await mkdtemp(path.join(tmpdir(), "mailtally-upgrade-"));
  cleanups.push(() => rm(dataDir, { recursive: true }));
  const env = {
    DATA_DIR: dataDir,
    PORT: "0",
    EVENTS_DATABASE_URL: databases.eventsUrl,
    METRICS_DATABASE_URL: databases.metricsUrl,
    REDIS_URL: testRedisUrl(),
    MAILTALLY_SECRET: "a secret of the tests, long enough for it",
    WORKER_POLL_MS: "20",
  };
  return { databases, env };
}

async function stop(program: CliProcess): Promise<void> {
  program.signalGroup("SIGTERM");
  expect(await program.ended()).toMatchObject({ code: 0 });
}

async function asWorker<Row extends object>(url: string, query: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("begin; set local role mailtally_worker");
    return (await client.query<Row>(query)).rows;
  } finally {
    await client.end();
  }
}

const upgrades = EARLIER_VERSIONS.map((version) => {
  const why = whyAbsent(version);
  return [`from ${version.name}${why === null ? "" : ` (skipped: ${why})`}`, version, why] as const;
});

describe.each(upgrades)("%s", (_title, version, why) => {
  test.skipIf(why !== null)(
    "old and new programs side by side fail no request and lose no event while the databases are migrated under load",
    async () => {
      const old = await buildVersion(version);
      cleanups.push(() => old.remove());
      const { databases, env } = await newEnvironment();
      expect(await runCli(["migrate"], env, old.cli)).toMatchObject({ code: 0 });
      expect(await runCli(["tenants", "create", "acme"], env, old.cli)).toMatchObject({ code: 0 });
      const made = await runCli(["keys", "create", "--tenant", "acme", "--scopes", "ALL"], env, old.cli);
      const key = made.stdout.trim();

      const [oldWork, oldServe] = [startCli(["work"], env, old.cli), startCli(["serve"], env, old.cli)];
      const oldLoad = startLoad(await printed(oldServe, /"url":"([^"]+)"/), key, "old");
      await oldLoad.goesOn(10);

      expect(await runCli(["migrate"], env)).toMatchObject({ code: 0 });
      await oldLoad.goesOn(10);

      // What crashes in the middle of a deploy comes up again, on the newer schema.
      const [oldWorkAgain, oldServeAgain] = [startCli(["work"], env, old.cli), startCli(["serve"], env, old.cli)];
      const oldLoadAgain = startLoad(await printed(oldServeAgain, /"url":"([^"]+)"/), key, "again");
      await printed(oldWorkAgain, /"msg":"working"/);
      const newWork = startCli(["work"], env);
      await printed(newWork, /"msg":"working"/);
      const newServe = startCli(["serve"], env);
      const newLoad = startLoad(await printed(newServe, /"url":"([^"]+)"/), key, "new");
      await Promise.all([oldLoad, oldLoadAgain, newLoad].map((load) => load.goesOn(15)));

      await Promise.all([oldLoad.stop(), oldLoadAgain.stop()]);
      await Promise.all([oldServe, oldServeAgain, oldWork, oldWorkAgain].map(stop));
      await newLoad.goesOn(10);
      await newLoad.stop();

      const loads = [oldLoad, oldLoadAgain, newLoad];
      expect(loads.flatMap(({ failures }) => [...failures])).toEqual([]);
      await waitFor(
        async () => {
          const [rows] = await asWorker<{ waiting: string }>(
            databases.eventsUrl,
            "select (select count(*) from inbox) + (select count(*) from outbox) as waiting",
          );
          return rows?.waiting === "0";
        },
        { what: "inbox and outbox to be empty", deadlineMs: 30_000 },
      );
      const dead = await asWorker(databases.eventsUrl, "select error from dead_letters");
      expect(dead).toEqual([]);
      const log = await asWorker<{ event_id: string }>(
        databases.eventsUrl,
        EVENT_TYPES.map((type) => `select event_id from ${type.toLowerCase()}`).join(" union all "),
      );
      const acknowledged = new Set(loads.flatMap((load) => [...load.acknowledged]));
      expect(log.map((row) => row.event_id).toSorted()).toEqual([...acknowledged].toSorted());

      expect(await runCli(["rebuild"], env)).toMatchObject({ code: 0 });
      expect(await runCli(["verify"], env)).toMatchObject({ code: 0, stdout: "" });
      await Promise.all([newServe, newWork].map(stop));
    },
    LIMIT_MS,
  );
});
