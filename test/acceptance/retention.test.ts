import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { ask, killStarted, printed, RECORD, runCli, startCli } from "./command-line.js";

let databases: TestDatabases;
let env: Record<string, string>;
beforeEach(async () => {
  databases = await createTestDatabases();
  env = {
    DATA_DIR: await mkdtemp(path.join(tmpdir(), "mailtally-retention-")),
    PORT: "0",
    EVENTS_DATABASE_URL: databases.eventsUrl,
    METRICS_DATABASE_URL: databases.metricsUrl,
    MAILTALLY_SECRET: "a secret of the tests, long enough for it",
    LOG_LEVEL: "info",
  };
});
afterEach(async () => {
  await killStarted();
  await databases.drop();
  await rm(env["DATA_DIR"] ?? "", { recursive: true });
});

const DAY_MS = 86_400_000;
const QUERY = `{ campaign(externalId: "c") { metrics { sent { total unique } } } }`;

interface Sent {
  readonly campaign: { metrics: { sent: { total: unknown; unique: unknown } } } | null;
}

test("without a setting nothing is dropped; with one a dry run tells what a worker then drops, and the counts stay", async () => {
  await runCli(["tenants", "create", "acme"], env);
  const key = (await runCli(["keys", "create", "--tenant", "acme", "--scopes", "ALL"], env)).stdout.trim();
  const serving = startCli(["serve"], env);
  const url = await printed(serving, /"url":"([^"]+)"/);
  const events = [200, 0].map((days) => ({
    type: "SENT",
    campaignExternalId: "c",
    recipient: `${days}@example.org`,
    occurredAt: new Date(Date.now() - days * DAY_MS).toISOString(),
  }));
  await ask(url, key, RECORD, { input: { events } });
  const first = startCli(["work"], env);
  const sent = async () => (await ask<Sent>(url, key, QUERY)).data.campaign?.metrics.sent;
  await waitFor(async () => Number((await sent())?.total) === 2, { what: "the events to count", deadlineMs: 30_000 });
  first.signalGroup("SIGTERM");
  expect(await first.ended()).toMatchObject({ code: 0 });

  expect(await runCli(["retention"], env)).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringMatching(/is not set: events are kept/) as string,
  });
  const kept = { ...env, EVENT_RETENTION_DAYS: "60" };
  const dry = await runCli(["retention", "--dry-run"], kept);
  expect(dry.code).toBe(0);
  expect(dry.stdout.trim().split("\n")).toHaveLength(10);
  expect(dry.stdout).toMatch(/^sent_\d{4}_\d\d: from \d{4}-\d\d-01 to before \d{4}-\d\d-01, .* rows, \d+\.\d MB$/m);
  expect(dry.stderr).toMatch(/10 partitions past 60 days, wholly before .*: would be dropped/);
  expect((await runCli(["retention", "--dry-run"], kept)).stdout).toBe(dry.stdout);

  const worker = startCli(["work"], kept);
  await waitFor(() => (worker.stdout() + worker.stderr()).match(/dropped a partition past retention/g)?.length === 10, {
    what: "the worker to say what it dropped",
    deadlineMs: 30_000,
  });
  expect((await runCli(["retention"], kept)).stdout).toBe("");
  expect(await sent()).toEqual({ total: 2, unique: 2 });
  expect(await runCli(["verify"], kept)).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringMatching(/1 campaigns reach past retention.*: events before \d{4}-\d\d-01T00:00:00/) as string,
  });
}, 60_000);
