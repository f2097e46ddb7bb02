/** What an embedded server tells that does not start: what is wrong, and how that is mended. */
import { chmod, chown, readFile, rm, stat, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { ConfigError } from "../../src/config.js";
import { faultOfFolder } from "../../src/database/embedded-faults.js";
import {
  type EmbeddedServer,
  type EmbeddedServerOptions,
  startEmbeddedServer,
} from "../../src/database/embedded-server.js";
import { silent } from "../support/cache-rig.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { ask, clusterOf } from "./running-server.js";

vi.setConfig({ testTimeout: 60_000 });

const isRoot = process.getuid?.() === 0;

let guarded: GuardedFolder;
let dataDir: string;
const running: EmbeddedServer[] = [];

beforeAll(async () => {
  guarded = await createGuardedFolder("data/postgresql/postmaster.pid");
  dataDir = join(guarded.path, "data");
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});
afterAll(() => guarded.remove());

async function start(options: Partial<EmbeddedServerOptions> = {}): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ dataDir, databases: ["events"], log: silent, ...options });
  running.push(server);
  return server;
}

test.each([
  ["empty", ""],
  ["damaged", "garbage\n"],
])("tells that its pid file is %s and what to do about it, and does not wait for it", async (_what, text) => {
  await (await start()).stop();
  const cluster = await clusterOf(dataDir);
  const pidFile = join(cluster, "postmaster.pid");
  await writeFile(pidFile, text);
  const { uid, gid } = await stat(cluster);
  await chown(pidFile, uid, gid);
  await expect(start()).rejects.toThrow(
    new RegExp(`${pidFile} is damaged .* If no PostgreSQL of this folder runs any more .*, delete the file`),
  );
  // It stands there for whoever looks.
  expect(await readFile(pidFile, "utf8")).toBe(text);
  await rm(pidFile);
  expect(await ask((await start()).url("events"), "select 1")).toBe("1");
});

test.runIf(isRoot).each([
  ["closed to others", 0o700],
  ["open to others", 0o755],
] as const)("tells how a copy is mended that kept no owners and is %s", async (_what, mode) => {
  await (await start()).stop();
  const cluster = await clusterOf(dataDir);
  const { uid, gid } = await stat(cluster);
  await chown(cluster, 0, 0);
  // Others may look in, as a strict copy would not let them.
  await chmod(cluster, mode);
  const { username } = userInfo();
  await expect(start()).rejects.toThrow(
    new RegExp(`belongs to the system user ${username}, .*chown -R \\S+ ${cluster}`),
  );
  await chown(cluster, uid, gid);
  await chmod(cluster, 0o700);
  expect(await ask((await start()).url("events"), "select 1")).toBe("1");
});

test("tells in PostgreSQL's own words why it did not start", async () => {
  await expect(start({ settings: { shared_buffers: "plenty" } })).rejects.toThrow(
    /invalid value for parameter "shared_buffers": "plenty"/,
  );
  expect(await ask((await start()).url("events"), "select 1")).toBe("1");
});

const PREFIX = "2026-11-23 09:21:17.641 UTC [32645] ";

test.each([
  [
    `${PREFIX}PANIC:  could not write to file "pg_wal/xlogtemp.5": No space left on device\n${PREFIX}LOG:  shut down`,
    /cannot work in \/data\/postgresql: could not write to file "pg_wal\/xlogtemp.5": No space left on device. Make room/,
  ],
  [
    `${PREFIX}FATAL:  could not extend file "base/1/2691": wrote only 4096 of 8192 bytes at block 9`,
    /could not extend file .* at block 9. Make room/,
  ],
  [`initdb: error: could not create directory "x": Read-only file system`, /: could not create .* can be written to$/],
  [
    `postgres: could not find the database system\nbut could not open file "pg_control": Permission denied`,
    /: could not open file "pg_control": Permission denied. .* chown -R \S+ \/data\/postgresql$/,
  ],
  [`${PREFIX}FATAL:  data directory "x" has invalid permissions`, /chmod 700 \/data\/postgresql$/],
])("what the folder's owner can mend is one line that names the folder and what to do: %s", async (said, told) => {
  const fault = await faultOfFolder(said, { directory: "/data/postgresql", account: {} });
  expect(fault).toBeInstanceOf(ConfigError);
  expect(fault?.faults).toEqual([expect.stringMatching(told)]);
});

test.each([
  `${PREFIX}FATAL:  could not resize shared memory segment "/PostgreSQL.1" to 8 bytes: No space left on device`,
  `${PREFIX}FATAL:  could not create semaphores: No space left on device`,
  `${PREFIX}FATAL:  invalid value for parameter "shared_buffers": "plenty"`,
])("what is no fault of the folder is not told as one: %s", async (said) => {
  expect(await faultOfFolder(said, { directory: "/data/postgresql", account: {} })).toBeUndefined();
});
