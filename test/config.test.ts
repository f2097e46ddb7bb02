import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ConfigError, readConfig } from "../src/config.js";
import { CONFIG_VARIABLES, configTable } from "../src/config-variables.js";
import type { IntakeLimits } from "../src/ingest/intake.js";
import { loadSecret } from "../src/load-secret.js";

const DATABASES = {
  EVENTS_DATABASE_URL: "postgresql://app:hunter2@db:5432/events",
  METRICS_DATABASE_URL: "postgresql://app:hunter2@db:5432/metrics",
};
const never = async () => false;
const SECRET = "0123456789abcdef0123456789abcdef";

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

test("an empty environment is a working configuration, and a blank variable is one not set", () => {
  const config = readConfig({});
  expect(config.http).toMatchObject({ host: "127.0.0.1", port: 4000, maxCallBytes: 5_000_000 });
  expect(config.databases).toMatchObject({ urls: null, preparedStatements: true });
  expect(config).toMatchObject({ dataDir: ".mailtally", secret: null, logLevel: null, warnings: [] });
  const limits: IntakeLimits = config.limits;
  expect(limits).toMatchObject({ maxEventsPerCall: 1000, maxAddressChars: 320, eventRetentionDays: null });
  expect(readConfig({ PORT: "", REDIS_URL: "  ", EVENTS_DATABASE_URL: "" })).toEqual(config);
});

test("what is set is taken", () => {
  const config = readConfig({
    ...DATABASES,
    PORT: " 0 ",
    REDIS_URL: "rediss://cache:6380",
    MAILTALLY_SECRET: SECRET,
    EVENT_RETENTION_DAYS: "400",
    PREPARED_STATEMENTS: "off",
    CACHE_MEMORY_MB: "2",
  });
  expect(config.http.port).toBe(0);
  expect(config.databases).toMatchObject({
    urls: { events: DATABASES.EVENTS_DATABASE_URL, metrics: DATABASES.METRICS_DATABASE_URL },
    preparedStatements: false,
  });
  expect(config.limits.eventRetentionDays).toBe(400);
  expect(config.cache).toMatchObject({ redisUrl: "rediss://cache:6380", memoryBytes: 2_000_000 });
});

test("all faults are told at once, by variable, and no secret is repeated", () => {
  const env = {
    PORT: "65536",
    LOG_LEVEL: "loud",
    EVENTS_DATABASE_URL: "mysql://root:hunter2@db/events",
    REDIS_URL: "hunter2",
    MAILTALLY_SECRET: "hunter2",
    MAX_EVENTS_PER_CALL: "1e3",
    MAX_CALL_BYTES: "-5",
    EVENT_RETENTION_DAYS: "0",
    PREPARED_STATEMENTS: "true",
  };
  const faults = faultsOf(env);
  const named = new Set(faults.map((fault) => fault.split(" ")[0]));
  expect(named).toEqual(new Set([...Object.keys(env), "METRICS_DATABASE_URL"]));
  expect(() => readConfig(env)).not.toThrow("hunter2");
  expect(() => readConfig(env)).toThrow('PORT must be a whole number from 0 to 65535, not "65536"');
});

test.each([
  ["one database without the other", { EVENTS_DATABASE_URL: DATABASES.EVENTS_DATABASE_URL }, "METRICS_DATABASE_URL"],
  ["the other without the one", { METRICS_DATABASE_URL: DATABASES.METRICS_DATABASE_URL }, "EVENTS_DATABASE_URL"],
  [
    "one database for both",
    { EVENTS_DATABASE_URL: "postgres://db/one", METRICS_DATABASE_URL: "postgresql://me@db:5432/one" },
    "EVENTS_DATABASE_URL",
  ],
  [
    "a URL without a database",
    { EVENTS_DATABASE_URL: "postgres://db/", METRICS_DATABASE_URL: "postgresql://db/one" },
    "EVENTS_DATABASE_URL",
  ],
  [
    "a tenant's mark that is not below the one for all",
    { MAX_WAITING_EVENTS: "1000", MAX_WAITING_EVENTS_PER_TENANT: "1000" },
    "MAX_WAITING_EVENTS_PER_TENANT",
  ],
  ["fewer connections than a worker's loops need", { WORKER_CONCURRENCY: "4", DATABASE_POOL_SIZE: "4" }, "POOL_SIZE"],
  ["fewer connections than a rebuild needs", { WORKER_CONCURRENCY: "1", DATABASE_POOL_SIZE: "2" }, "POOL_SIZE"],
  ["an operation that no budget could ever pay for", { MAX_QUERY_COST: "101", COST_BUDGET: "100" }, "MAX_QUERY_COST"],
  ["an issuer of tokens without an audience", { AUTH_ISSUER: "https://login.example" }, "AUTH_AUDIENCE"],
  ["an audience without an issuer", { AUTH_AUDIENCE: "mailtally" }, "AUTH_ISSUER"],
  [
    "an issuer whose keys anybody on the way could replace",
    { AUTH_ISSUER: "http://login.example", AUTH_AUDIENCE: "mailtally" },
    "AUTH_ISSUER",
  ],
  ["every origin at once", { CORS_ORIGINS: "*" }, "CORS_ORIGINS"],
  ["an origin with a path", { CORS_ORIGINS: "https://a.example,https://b.example/" }, "CORS_ORIGINS"],
  ["a mark for all below a tenant's default", { MAX_WAITING_SECONDS: "3600" }, "MAX_WAITING_SECONDS_PER_TENANT"],
])("%s is a fault", (_what, env, name) => {
  expect(faultsOf(env)).toEqual([expect.stringContaining(name)]);
});

test("of one text for both databases that is none, no more is told than that", () => {
  const faults = faultsOf({ EVENTS_DATABASE_URL: "db/hunter2", METRICS_DATABASE_URL: "db/hunter2" });
  expect(faults).toEqual([
    expect.stringMatching(/^EVENTS_DATABASE_URL must be a URL like postgresql:/),
    expect.stringMatching(/^METRICS_DATABASE_URL must be a URL like postgresql:/),
  ]);
});

test("a word that is no sslmode is a fault of the URL, which names those that are", () => {
  const withMode = (mode: string) => ({
    ...DATABASES,
    EVENTS_DATABASE_URL: `${DATABASES.EVENTS_DATABASE_URL}?application_name=a&sslmode=${mode}`,
  });
  const modes = ["disable", "no-verify", "prefer", "require", "verify-ca", "verify-full"];
  for (const mode of modes) expect(faultsOf(withMode(mode))).toEqual([]);
  for (const mode of ["bogus", "allow", "Disable", "", "verify-full&sslmode=bogus"]) {
    expect(faultsOf(withMode(mode))).toEqual([
      `EVENTS_DATABASE_URL must be a URL whose sslmode is one of ${modes.join(", ")}`,
    ]);
  }
});

test("a variable of our name that we do not know is a warning, since Kubernetes makes such names", () => {
  const { warnings } = readConfig({ MAILTALLY_SERVICE_HOST: "10.0.0.1", MAILTALLY_SECRT: "x", OTHER: "y" });
  expect(warnings).toEqual([
    expect.stringContaining("MAILTALLY_SECRT"),
    expect.stringContaining("MAILTALLY_SERVICE_HOST"),
  ]);
});

test("the configuration is frozen to the last level", () => {
  const config = readConfig({ ...DATABASES, MAILTALLY_SECRET: SECRET });
  for (const part of [config, config.http, config.databases, config.databases.urls, config.limits, config.warnings]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mailtally-config-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

test("without a secret one is made once, for whoever starts at the same time, and only its owner may read it", async () => {
  const DATA_DIR = join(await newFolder(), "data");
  const config = readConfig({ DATA_DIR });
  const secrets = await Promise.all(Array.from({ length: 10 }, () => loadSecret(config, never)));
  expect(new Set(secrets.map(({ text }) => text)).size).toBe(1);
  expect(secrets[0]?.text.length).toBeGreaterThanOrEqual(32);
  expect(await loadSecret(config, never)).toEqual(secrets[0]);
  expect(await readdir(DATA_DIR)).toEqual(["secret"]);
  expect((await stat(join(DATA_DIR, "secret"))).mode & 0o777).toBe(0o600);
  expect((await readFile(join(DATA_DIR, "secret"), "utf8")).trim()).toBe(secrets[0]?.text);
});

test("a damaged secret is an error and is not replaced", async () => {
  const DATA_DIR = await newFolder();
  await writeFile(join(DATA_DIR, "secret"), "");
  await expect(loadSecret(readConfig({ DATA_DIR }), never)).rejects.toThrow(ConfigError);
  expect(await readFile(join(DATA_DIR, "secret"), "utf8")).toBe("");
});

test("no secret is made where one was used before, unless another process has just made it", async () => {
  const DATA_DIR = await newFolder();
  const config = readConfig({ DATA_DIR });
  await expect(loadSecret(config, async () => true)).rejects.toThrow(
    /MAILTALLY_SECRET is not set, and there is no .*secret/,
  );
  expect(await readdir(DATA_DIR)).toEqual([]);

  const beside = async (): Promise<boolean> => {
    await loadSecret(config, never);
    return true;
  };
  const secret = await loadSecret(config, beside);
  expect(secret).toEqual(await loadSecret(config, never));
});

test("a secret that is set is taken, and none is made beside it", async () => {
  const DATA_DIR = await newFolder();
  const config = readConfig({ DATA_DIR, MAILTALLY_SECRET: SECRET });
  expect(await loadSecret(config, never)).toEqual({ text: SECRET, file: null });
  expect(await readdir(DATA_DIR)).toEqual([]);
});

/** The cells of a Markdown table, however wide its columns are. */
function cellsOf(table: string): string[][] {
  const rows = table.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) => row.split("|").map((cell) => cell.trim().replace(/^-+$/, "-")));
}

/** The table that follows the marker in the README, or nothing where there is no marker (yet). */
function tableInReadme(): string | undefined {
  const readme = new URL("../README.md", import.meta.url);
  if (!existsSync(readme)) return undefined;
  const after = readFileSync(readme, "utf8").split("<!-- config -->")[1];
  return after?.trimStart().split("\n\n")[0];
}

test("the README's table of variables is the program's", () => {
  expect(cellsOf(tableInReadme() ?? configTable())).toEqual(cellsOf(configTable()));
});

test("every variable is in the table, with the default that is in force", () => {
  const rows = cellsOf(configTable()).slice(2);
  expect(rows.map((row) => row[1])).toEqual(Object.keys(CONFIG_VARIABLES).map((name) => `\`${name}\``));
  const defaults = Object.entries(CONFIG_VARIABLES).flatMap(([name, variable]) =>
    variable.default === null ? [] : [[name, variable.default]],
  );
  expect(readConfig(Object.fromEntries(defaults) as NodeJS.ProcessEnv)).toEqual(readConfig({}));
});
