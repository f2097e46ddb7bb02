import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { getPriority } from "node:os";
import path from "node:path";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, expect, inject, test } from "vitest";
import { type EmbeddedServer, startEmbeddedServer } from "../../src/database/embedded-server.js";
import { silent } from "../support/cache-rig.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { testRedisUrl } from "../support/test-redis.js";
import { POSTGRES_15 } from "../support/test-services.js";
import { waitFor } from "../support/wait-for.js";
import { ask, type CliProcess, killStarted, printed, RECORD, runCli, startCli } from "./command-line.js";

const LIMIT_MS = 110_000;
const KPIS = `{ kpis(range: { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }) { metrics { sent { total unique } } } }`;

let folder: GuardedFolder;
let server: EmbeddedServer;

beforeAll(async () => {
  folder = await createGuardedFolder(path.join("server", "postgresql", "postmaster.pid"));
  server = await startEmbeddedServer({
    dataDir: path.join(folder.path, "server"),
    databases: [],
    log: silent,
    ...(inject("postgresVersion") === 15 && { postgres: POSTGRES_15 }),
  });
});
afterEach(killStarted);
afterAll(async () => {
  await server.stop();
  await folder.remove();
});

async function asSuperuser<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: await superuserUrl(database) });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function superuserUrl(database: string): Promise<string> {
  const record = await readFile(path.join(folder.path, "server", "postgresql.json"), "utf8");
  const { superuserPassword } = JSON.parse(record) as { superuserPassword: string };
  return `postgres://postgres:${superuserPassword}@127.0.0.1:${server.port}/${database}`;
}

/** What an operator sets, with two new databases that the login owns and a data folder of this test's own. */
async function newEnvironment(login: "superuser" | "owner"): Promise<Record<string, string>> {
  const id = randomUUID().replaceAll("-", "");
  const urlOf = async (database: string): Promise<string> => {
    if (login === "superuser") return superuserUrl(database);
    return `postgres://app_${id}:a@127.0.0.1:${server.port}/${database}`;
  };
  await asSuperuser("postgres", async (client) => {
    if (login === "owner") {
      // Roles belong to the server: those that another login has made it may not grant itself, so they are granted to it.
      await client.query(`create role app_${id} login createrole password 'a'`);
      const made = await client.query<{ rolname: string }>(
        "select rolname from pg_roles where rolname in ('mailtally_owner', 'mailtally_api', 'mailtally_worker')",
      );
      for (const { rolname } of made.rows) await client.query(`grant ${rolname} to app_${id}`);
    }
    for (const name of ["e", "m"]) {
      await client.query(`create database ${name}_${id} ${login === "owner" ? `owner app_${id}` : ""}`);
    }
  });
  return {
    DATA_DIR: path.join(folder.path, `data-${id}`),
    PORT: "0",
    EVENTS_DATABASE_URL: await urlOf(`e_${id}`),
    METRICS_DATABASE_URL: await urlOf(`m_${id}`),
    REDIS_URL: testRedisUrl(),
  };
}

async function stop(program: CliProcess): Promise<void> {
  program.signalGroup("SIGTERM");
  expect(await program.ended()).toMatchObject({ code: 0 });
}

// The role that owns its databases comes first, on a server that has none of our roles yet.
test.each(["owner", "superuser"] as const)(
  "as a %s: migrate, then a server and two workers bring events to the KPIs",
  async (login) => {
    const env = await newEnvironment(login);
    for (const command of [["serve"], ["work"], ["tenants", "create", "acme"]]) {
      const early = await runCli(command, env);
      expect(early).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/mailtally -- migrate/) });
    }
    expect(await runCli(["migrate"], env)).toMatchObject({ code: 0, stdout: "" });
    expect(await runCli(["tenants", "create", "acme"], env)).toMatchObject({ code: 0, stdout: "acme\n" });
    const key = (await runCli(["keys", "create", "--tenant", "acme", "--scopes", "ALL"], env)).stdout.trim();

    const serving = startCli(["serve"], env);
    const workers = [startCli(["work"], env), startCli(["work"], env)];
    const url = await printed(serving, /"url":"([^"]+)"/);
    expect(serving.stderr()).toContain("MAILTALLY_SECRET is not set");
    await expect
      .poll(async () => (await fetch(`${url}/readyz`)).json(), { message: "to be ready" })
      .toEqual({ status: "ready", dependencies: { events: true, metrics: true, redis: true } });

    const event = { type: "SENT", campaignExternalId: "c", occurredAt: "2026-11-01T10:00:00Z" };
    const events = Array.from({ length: 500 }, (_, n) => ({
      ...event,
      eventId: `e${n}`,
      recipient: `r${n}@example.org`,
    }));
    const calls = Array.from({ length: 8 }, () => ask(url, key, RECORD, { input: { events } }));
    for (const { data } of await Promise.all(calls)) {
      expect(data).toMatchObject({ recordEvents: { acceptedCount: 500 } });
    }
    await waitFor(
      async () => {
        const { data } = await ask<{ kpis: { metrics: { sent: { total: unknown } } } }>(url, key, KPIS);
        return Number(data.kpis.metrics.sent.total) >= 500;
      },
      { what: "the events in the KPIs", deadlineMs: 30_000 },
    );
    await Promise.all([...workers, serving].map(stop));
    // Eight times sent, counted once, whichever worker had them.
    expect(await runCli(["verify"], env)).toMatchObject({ code: 0, stdout: "" });
    expect(await totalSent(env)).toBe(500);
  },
  LIMIT_MS,
);

test.skipIf(process.platform !== "linux")(
  "a worker gives way with every thread to the servers on its machine",
  async () => {
    const env = await newEnvironment("superuser");
    await runCli(["migrate"], env);
    const [serving, working] = [startCli(["serve"], env), startCli(["work"], env)];
    await Promise.all([printed(serving, /"serving"/), printed(working, /"working"/)]);
    const given = getPriority();
    expect(await nicenessOf(serving)).toEqual(new Set([given]));
    expect(await nicenessOf(working)).toEqual(new Set([Math.max(given, 10)]));
    await Promise.all([serving, working].map(stop));
  },
  LIMIT_MS,
);

/** Of its threads. */
async function nicenessOf({ pid }: CliProcess): Promise<Set<number>> {
  const threads = await readdir(`/proc/${pid}/task`);
  const stats = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, "utf8")));
  // The 19th field; the second is a name in parentheses.
  return new Set(stats.map((stat) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16])));
}

test(
  "a process with another secret than the event log was made with is refused",
  async () => {
    const env = await newEnvironment("superuser");
    expect(
      await runCli(["migrate"], { ...env, MAILTALLY_SECRET: "the first secret, of thirty-two characters" }),
    ).toMatchObject({ code: 0 });
    const { DATA_DIR = "" } = env;
    const refuses = async (command: string, other: Record<string, string>, reason: RegExp): Promise<void> => {
      const refused = await runCli([command], { ...env, LOG_LEVEL: "warn", ...other });
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(reason) });
      // Neither a stack nor a warning to give every server what is refused here.
      expect(refused.stderr).not.toMatch(/\n\s+at |so the one kept/);
    };
    const commands = ["serve", "work", "start", "migrate"];
    for (const command of commands) {
      const another = { MAILTALLY_SECRET: "another secret, also of 32 characters" };
      await refuses(command, another, /MAILTALLY_SECRET is not the secret that this event log was made with/);
      await refuses(command, {}, /MAILTALLY_SECRET is not set, and there is no \S+secret: .* made with a secret/);
    }
    await expect(readdir(DATA_DIR)).rejects.toThrow("ENOENT");
    await mkdir(DATA_DIR);
    await writeFile(path.join(DATA_DIR, "secret"), "one that was kept for another event log");
    const ofAnother = /MAILTALLY_SECRET is not set, and what \S+secret holds is not the secret that this event log/;
    for (const command of commands) await refuses(command, {}, ofAnother);
  },
  LIMIT_MS,
);

test(
  "databases that cannot be reached are named, both at once, without their passwords",
  async () => {
    const env = {
      DATA_DIR: path.join(folder.path, "unused"),
      EVENTS_DATABASE_URL: "postgres://mailtally:hunter2@127.0.0.1:1/events",
      METRICS_DATABASE_URL: `postgres://mailtally:hunter2@127.0.0.1:${server.port}/metrics`,
    };
    for (const command of ["serve", "migrate"]) {
      const { code, stderr } = await runCli([command], env);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /EVENTS_DATABASE_URL cannot be used: .*ECONNREFUSED[^]*METRICS_DATABASE_URL cannot be used: /,
      );
      expect(stderr).not.toContain("hunter2");
      expect(stderr).not.toMatch(/\n\s+at /);
    }
    const withoutFile = { ...env, EVENTS_DATABASE_URL: `${env.EVENTS_DATABASE_URL}?sslrootcert=/nowhere.pem` };
    const { code, stderr } = await runCli(["serve"], withoutFile);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ {2}EVENTS_DATABASE_URL cannot be used: ENOENT.*nowhere\.pem'$/m);
    expect(stderr).not.toMatch(/hunter2|\n\s+at /);
  },
  LIMIT_MS,
);

test(
  "databases that are swapped, or one under two names, are refused before any migration runs",
  async () => {
    const env = await newEnvironment("superuser");
    const { EVENTS_DATABASE_URL: events = "", METRICS_DATABASE_URL: metrics = "" } = env;
    const twice = { ...env, METRICS_DATABASE_URL: events.replace("127.0.0.1", "localhost") };
    for (const command of ["migrate", "serve"]) {
      const { code, stderr } = await runCli([command], twice);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/name one database, and must be two$/m),
      });
    }
    expect(await tablesOf(events)).toEqual([]);

    expect(await runCli(["migrate"], env)).toMatchObject({ code: 0 });
    const before = [await tablesOf(events), await tablesOf(metrics)];
    const swapped = { ...env, EVENTS_DATABASE_URL: metrics, METRICS_DATABASE_URL: events };
    for (const command of ["migrate", "serve", "start"]) {
      const { code, stderr } = await runCli([command], swapped);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /EVENTS_DATABASE_URL names a database that holds metrics[^]*METRICS_DATABASE_URL names .* holds the event log/,
      );
      expect(stderr).not.toMatch(/-- migrate|\n\s+at /);
    }
    expect([await tablesOf(events), await tablesOf(metrics)]).toEqual(before);
  },
  LIMIT_MS,
);

function tablesOf(url: string): Promise<string[]> {
  return asSuperuser(new URL(url).pathname.slice(1), async (client) => {
    const { rows } = await client.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'public'::regnamespace order by 1",
    );
    return rows.map(({ name }) => name);
  });
}

async function totalSent(env: Record<string, string>): Promise<number> {
  const { pathname } = new URL(env["METRICS_DATABASE_URL"] ?? "");
  return asSuperuser(pathname.slice(1), async (client) => {
    const { rows } = await client.query<{ sent: string }>("select sum(sent)::text as sent from campaign_totals");
    return Number(rows[0]?.sent);
  });
}
