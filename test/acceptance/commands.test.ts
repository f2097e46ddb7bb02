import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ask as askDatabase } from "../database/running-server.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { ask, bannerOf, killStarted, PID_FILE, RECORD, runCli, startCli } from "./command-line.js";

const SECRET = /^mt_[A-Za-z0-9_-]+\n$/;
const LIMIT_MS = 110_000;

let folder: GuardedFolder;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await createGuardedFolder(PID_FILE);
  env = { DATA_DIR: path.join(folder.path, "data"), PORT: "0" };
});
afterEach(killStarted);
afterAll(() => folder.remove());

const command = (...args: string[]) => runCli(args, env);

test(
  "a command on an empty data folder makes the database, does its work and leaves no server behind",
  async () => {
    expect(await command("tenants", "create", "acme", "--time-zone", "Europe/Berlin")).toMatchObject({
      code: 0,
      stdout: "acme\n",
    });
    await expect(readFile(path.join(folder.path, PID_FILE))).rejects.toThrow("ENOENT");
    expect(await command("keys", "create", "--tenant", "acme", "--scopes", "READ_METRICS,WRITE_EVENTS")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(SECRET),
      stderr: "",
    });
  },
  LIMIT_MS,
);

test("an error that nobody foresaw names the lines of our sources", async () => {
  const file = path.join(folder.path, "no-folder");
  await writeFile(file, "");
  const { code, stderr } = await runCli(["serve"], { ...env, DATA_DIR: path.join(file, "data") });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ +at .*\/src\/open-installation\.ts:\d+:\d+\)$/m);
});

describe("what an operator gets wrong is told in one line on stderr, with exit status 1", () => {
  test.each([
    ["a slug that is taken", ["tenants", "create", "acme"], /already/],
    ["a slug of other characters", ["tenants", "create", "Acme Inc"], /slug/],
    ["a zone that does not exist", ["tenants", "create", "moon", "--time-zone", "Moon/Crater"], /Europe\/Berlin/],
    [
      "a tenant that does not exist",
      ["keys", "create", "--tenant", "nobody", "--scopes", "ALL"],
      /tenants create nobody/,
    ],
    ["a scope that does not exist", ["keys", "create", "--tenant", "acme", "--scopes", "FLY"], /"FLY".*READ_METRICS/],
    ["no scope", ["keys", "create", "--tenant", "acme", "--scopes", ""], /READ_METRICS/],
    [
      "an expiry that is no time",
      ["keys", "create", "--tenant", "acme", "--scopes", "ALL", "--expires-at", "x"],
      /8601/,
    ],
    ["a file that does not exist", ["import", "/nowhere.csv", "--tenant", "acme"], /\/nowhere\.csv/],
    ["an import for nobody", ["import", "/nowhere.csv", "--tenant", "nobody"], /tenants create nobody/],
    ["a check of nobody", ["verify", "--tenant", "nobody"], /nobody/],
    ["an update of nothing", ["tenants", "update", "acme"], /--time-zone or --name/],
    ["an update of nobody", ["tenants", "update", "nobody", "--name", "Nobody"], /tenants create nobody/],
    ["a rebuild of a campaign of all tenants", ["rebuild", "--campaign", "c"], /--tenant/],
    ["half a range", ["verify", "--from", "2026-01-01T00:00:00Z"], /--to/],
  ])(
    "%s",
    async (_what, args, message) => {
      const { code, stdout, stderr } = await command(...args);
      expect(stderr).toMatch(message);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    },
    LIMIT_MS,
  );
});

test(
  "every command explains itself",
  async () => {
    for (const args of [
      [],
      ["start"],
      ["serve"],
      ["work"],
      ["migrate"],
      ["tenants", "create"],
      ["keys", "create"],
      ["keys", "rotate"],
      ["import"],
      ["verify"],
      ["retention"],
      ["rebuild"],
      ["tenants", "update"],
      ["dead-letters"],
      ["dead-letters", "replay"],
      ["documents"],
      ["documents", "register"],
    ]) {
      const { code, stdout, stderr } = await command(...args, "--help");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^Usage: mailtally/);
    }
    expect(await command("fly")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/unknown command 'fly'/),
    });
  },
  LIMIT_MS,
);

test(
  "commands work beside the running server; verify finds one damaged cell and rebuild mends it",
  async () => {
    const server = startCli(["start"], env);
    const { url } = await bannerOf(server);
    expect(await command("migrate")).toMatchObject({ code: 0 });
    expect(await command("tenants", "create", "beside")).toMatchObject({ code: 0, stdout: "beside\n" });
    const made = await command("keys", "create", "--tenant", "beside", "--scopes", "ALL");
    expect(made.stdout).toMatch(SECRET);
    const key = made.stdout.trim();
    const event = {
      type: "SENT",
      campaignExternalId: "c",
      recipient: "a@example.org",
      occurredAt: "2026-11-01T10:00:00Z",
    };
    const recorded = await ask(url, key, RECORD, { input: { events: [event] } });
    expect(recorded.data).toMatchObject({ recordEvents: { acceptedCount: 1 } });
    const trail = "{ viewer { tenant { auditTrail { nodes { action actor { kind } } } } } }";
    expect((await ask(url, key, trail)).data).toEqual({
      viewer: { tenant: { auditTrail: { nodes: [{ action: "TENANT_CREATED", actor: { kind: "OPERATOR" } }] } } },
    });

    await mkdir(path.join(folder.path, "files"), { recursive: true });
    const file = path.join(folder.path, "files", "events.ndjson");
    await writeFile(file, `${JSON.stringify({ ...event, recipient: "b@example.org" })}\n`);
    expect(await command("import", file, "--tenant", "beside")).toMatchObject({ code: 0, stdout: "" });
    await expect.poll(() => sentTo(url, key), { timeout: 20_000, message: "both events in the KPIs" }).toBe("2");

    expect(await command("verify", "--tenant", "beside")).toMatchObject({ code: 0, stdout: "" });
    await askDatabase(
      await superuserUrl(),
      "with t as (update campaign_totals set sent = sent + 1 where tenant_id = (select id from tenants where slug = 'beside') returning 1) select count(*) from t",
    );
    const damaged = await command("verify", "--tenant", "beside");
    expect(damaged.stdout).toMatch(/^beside: .*2.*\n$/);
    expect(damaged).toMatchObject({ code: 1, stderr: expect.stringMatching(/1 difference/) });
    expect(await command("rebuild", "--tenant", "beside")).toMatchObject({
      code: 0,
      stdout: damaged.stdout,
      stderr: expect.stringMatching(/1 differences mended/),
    });
    expect(await command("rebuild", "--tenant", "beside")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringMatching(/nothing to mend/),
    });

    expect(await dayOf(url, key)).toBe("2026-11-01T00:00:00.000Z");
    expect(await command("tenants", "update", "beside", "--time-zone", "Pacific/Kiritimati")).toMatchObject({
      code: 0,
      stdout: "beside\n",
      stderr: expect.stringMatching(/day rollups are those of Pacific\/Kiritimati/),
    });
    expect(await dayOf(url, key)).toBe("2026-11-01T10:00:00.000Z");
    expect(await command("verify", "--tenant", "beside")).toMatchObject({ code: 0, stdout: "" });

    const second = await runCli(["start"], env);
    expect(second).toMatchObject({ code: 1, stderr: expect.stringMatching(/already running .* pid \d+/) });
    expect(second.stderr).not.toMatch(/\n\s+at /);

    server.signalGroup("SIGINT");
    expect(await server.ended()).toMatchObject({ code: 0 });
  },
  LIMIT_MS,
);

test(
  "a port that is taken is told in a line, and the process ends",
  async () => {
    const server = startCli(["start"], env);
    const { url } = await bannerOf(server);
    const other = path.join(folder.path, "other");
    const taken = await runCli(["start"], { DATA_DIR: other, PORT: new URL(url).port });
    expect(taken).toMatchObject({ code: 1, stderr: expect.stringMatching(/must be free: .*EADDRINUSE/) });
    expect(taken.stderr).not.toMatch(/\n\s+at /);
    await expect(readFile(path.join(other, "postgresql", "postmaster.pid"))).rejects.toThrow("ENOENT");
    server.signalGroup("SIGTERM");
    expect(await server.ended()).toMatchObject({ code: 0 });
  },
  LIMIT_MS,
);

async function sentTo(url: string, key: string): Promise<string | undefined> {
  const { data } = await ask<{ kpis: { metrics: { sent: { total: unknown } } } }>(
    url,
    key,
    `{ kpis(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }) { metrics { sent { total } } } }`,
  );
  return String(data.kpis.metrics.sent.total);
}

/** Where the day begins on which the tenant's mail went out. */
async function dayOf(url: string, key: string): Promise<string | undefined> {
  const { data } = await ask<{
    kpis: { series: readonly { start: string; metrics: { sent: { total: unknown } } }[] };
  }>(
    url,
    key,
    `{ kpis(range: { from: "2026-10-30T00:00:00Z", to: "2026-11-03T00:00:00Z" }) {
      series(granularity: DAY) { start metrics { sent { total } } } } }`,
  );
  return data.kpis.series.find(({ metrics }) => Number(metrics.sent.total) > 0)?.start;
}

async function superuserUrl(): Promise<string> {
  const record = JSON.parse(await readFile(path.join(env["DATA_DIR"] ?? "", "postgresql.json"), "utf8")) as {
    superuserPassword: string;
  };
  const port = (await readFile(path.join(folder.path, PID_FILE), "utf8")).split("\n")[3];
  return `postgres://postgres:${record.superuserPassword}@127.0.0.1:${port}/metrics`;
}
