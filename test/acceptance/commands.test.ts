import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ask as askDatabase } from "../database/running-server.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { createTestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { ask, bannerOf, type Ended, killStarted, PID_FILE, RECORD, runCli, startCli } from "./command-line.js";

const SECRET = /^mt_[A-Za-z0-9_-]+\n$/;
const NOBODYS = "01a1fc30-0000-7000-8000-000000000000";
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

test(
  "tenants are listed by slug, as a table and as JSON",
  async () => {
    expect(await command("tenants", "list")).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^Tenant +Name +Time zone +Created\nacme +acme +Europe\/Berlin +\S+Z\n$/),
      stderr: "",
    });
    const { stdout } = await command("tenants", "list", "--json");
    expect(JSON.parse(stdout)).toEqual([
      {
        id: expect.any(String),
        slug: "acme",
        name: "acme",
        timeZone: "Europe/Berlin",
        rollupTimeZone: "Europe/Berlin",
        createdAt: expect.stringMatching(/Z$/),
      },
    ]);
    const listed = JSON.parse(stdout) as { id: string }[];
    expect(Buffer.from(listed[0]?.id ?? "", "base64").toString()).toMatch(/^Tenant:/);
  },
  LIMIT_MS,
);

test("an error that nobody foresaw names the lines of our sources", async () => {
  const dataDir = path.join(folder.path, "damaged");
  await mkdir(dataDir);
  await writeFile(path.join(dataDir, "postgresql.json"), "");
  const { code, stderr } = await runCli(["serve"], { ...env, DATA_DIR: dataDir });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ +at .*\/src\/database\/embedded-record\.ts:\d+:\d+\)$/m);
});

test(
  "a data folder that is none, or lies in none, is told in a line that names DATA_DIR",
  async () => {
    const databases = await createTestDatabases();
    const file = path.join(folder.path, "no-folder");
    await writeFile(file, "");
    const configured = {
      EVENTS_DATABASE_URL: databases.eventsUrl,
      METRICS_DATABASE_URL: databases.metricsUrl,
    };
    for (const dataDir of [file, path.join(file, "data")]) {
      for (const urls of [{}, configured]) {
        const { code, stderr } = await runCli(["migrate"], { DATA_DIR: dataDir, LOG_LEVEL: "warn", ...urls });
        expect({ code, stderr }).toEqual({
          code: 1,
          stderr: expect.stringMatching(
            /^The configuration cannot be used:\n  DATA_DIR cannot be used: .*no-folder.*\n$/,
          ),
        });
      }
    }
    await databases.drop();
  },
  LIMIT_MS,
);

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
    [
      "a check of a campaign's id that nobody has",
      ["verify", "--tenant", "acme", "--campaign", NOBODYS],
      /no campaign/,
    ],
    ["a rebuild of such a one", ["rebuild", "--tenant", "acme", "--campaign", NOBODYS], /no campaign/],
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
      ["tenants", "list"],
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
    const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
    expect(await command("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
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
    const { data } = await ask<{ campaign: { id: string } }>(url, key, '{ campaign(externalId: "c") { id } }');
    for (const name of ["c", data.campaign.id]) {
      expect(await command("verify", "--tenant", "beside", "--campaign", name)).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/1 campaigns with 2 events/),
      });
    }
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
    expect(taken).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/HOST and PORT: .* must be free: .*EADDRINUSE/),
    });
    expect(taken.stderr).not.toMatch(/\n\s+at /);
    await expect(readFile(path.join(other, "postgresql", "postmaster.pid"))).rejects.toThrow("ENOENT");
    server.signalGroup("SIGTERM");
    expect(await server.ended()).toMatchObject({ code: 0 });
  },
  LIMIT_MS,
);

/** Its reader is gone before it prints. */
async function commandUnread(stream: "stdout" | "stderr", ...args: string[]): Promise<Ended> {
  const program = startCli(args, env);
  program.child[stream]?.destroy();
  return program.ended();
}

describe("a command whose reader has gone ends quietly, as SIGPIPE would end it, and leaves no server behind", () => {
  test.each([
    ["stdout", ["keys", "list", "--tenant", "acme"]],
    ["stdout", ["recipients", "export", "--tenant", "acme", "--recipient", "ann@example.org"]],
    ["stderr", ["verify"]],
    ["stderr", ["tenants", "create", "acme"]],
  ] as const)(
    "%s of %j",
    async (stream, args) => {
      expect(await commandUnread(stream, ...args)).toEqual({ code: 141, stdout: "", stderr: "" });
      await expect(readFile(path.join(folder.path, PID_FILE))).rejects.toThrow("ENOENT");
    },
    LIMIT_MS,
  );
});

test.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
] as const)(
  "migrate: %s in the middle leaves no server behind",
  async (signal, code) => {
    const own = await createGuardedFolder(PID_FILE);
    const pidFile = path.join(own.path, PID_FILE);
    const program = startCli(["migrate"], { DATA_DIR: path.join(own.path, "data"), MAILTALLY_SECRETE: "misspelt" });
    await waitFor(() => access(pidFile).then(() => true), { what: "its server", deadlineMs: 30_000 });
    program.child.kill(signal);
    expect(await program.ended()).toMatchObject({
      code,
      stderr: expect.stringContaining("MAILTALLY_SECRETE is not a"),
    });
    await expect(readFile(pidFile)).rejects.toThrow("ENOENT");
    await own.remove();
  },
  LIMIT_MS,
);

test(
  "an error that came from no call ends a command, and leaves no server behind",
  async () => {
    const thrower = `process.on("SIGUSR2", () => { throw new Error("out of the blue") })`;
    const options = `--import=data:text/javascript,${encodeURIComponent(thrower)}`;
    // Waits for events that do not come.
    const program = startCli(["import", "-", "--tenant", "acme"], { ...env, NODE_OPTIONS: options });
    await waitFor(() => access(path.join(folder.path, PID_FILE)).then(() => true), { what: "the command's server" });
    program.child.kill("SIGUSR2");
    expect(await program.ended()).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Error: out of the blue\n/),
    });
    await expect(readFile(path.join(folder.path, PID_FILE))).rejects.toThrow("ENOENT");
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
