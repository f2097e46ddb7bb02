/**
 * One PostgreSQL and one Redis for the whole run: the packaged PostgreSQL, or Debian's 15 with TEST_POSTGRES=15; the Redis of
 * REDIS_URL, or one of our own. Both are gone after the run, also after one that was interrupted (see guarded-folder.ts).
 */
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { TestProject } from "vitest/node";
import { startEmbeddedServer } from "../../src/database/embedded-server.js";
import { migrateDatabases } from "../../src/database/migrate.js";
import { createGuardedFolder } from "./guarded-folder.js";
import { TEMPLATES } from "./test-databases.js";
import { startRedis } from "./test-redis.js";
import { POSTGRES_15, requireTestServices } from "./test-services.js";

declare module "vitest" {
  export interface ProvidedContext {
    /** The maintenance database, for the role that owns the test databases. */
    postgresUrl: string;
    redisUrl: string;
    /** 15 or 18. */
    postgresVersion: number;
  }
}

/** Nothing here outlives the run, so that nothing needs to reach the disk. */
const SETTINGS = { fsync: "off", synchronous_commit: "off", full_page_writes: "off", max_wal_size: "256MB" };

const ENOUGH_MEMORY_BYTES = 2 * 1024 ** 3;

// oxlint-disable-next-line import/no-default-export -- vitest reads nothing else
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const postgres15 = readPostgresVersion() === 15;
  const givenRedis = process.env["REDIS_URL"];
  requireTestServices({ redis: givenRedis === undefined, postgres15 });

  const started: { stop(): Promise<void> }[] = [];
  const tearDown = () => stopAll(started);
  try {
    const folder = await createGuardedFolder("data/postgresql/postmaster.pid", await quickFolder());
    started.push({ stop: () => folder.remove() });
    const server = await startEmbeddedServer({
      dataDir: join(folder.path, "data"),
      databases: Object.values(TEMPLATES),
      log: pino({ level: "warn" }),
      settings: SETTINGS,
      ...(postgres15 ? { postgres: POSTGRES_15 } : {}),
    });
    started.push(server);
    await migrateDatabases({ eventsUrl: server.url(TEMPLATES.events), metricsUrl: server.url(TEMPLATES.metrics) });
    project.provide("postgresUrl", server.url("postgres"));
    project.provide("postgresVersion", postgres15 ? 15 : 18);

    const redis = givenRedis === undefined ? await startRedis() : undefined;
    if (redis !== undefined) started.push(redis);
    project.provide("redisUrl", givenRedis ?? redis?.url ?? "");
  } catch (error) {
    await tearDown();
    throw error;
  }
  return tearDown;
}

function readPostgresVersion(): 15 | 18 {
  const version = process.env["TEST_POSTGRES"] ?? "18";
  if (version !== "15" && version !== "18") throw new Error(`TEST_POSTGRES is 15 or 18, not ${version}.`);
  return version === "15" ? 15 : 18;
}

/** Linux's file system in memory where it is large enough (containers have 64 MB): copying a database takes 15 ms, not 500. */
async function quickFolder(): Promise<string> {
  const memory = await statfs("/dev/shm").catch(() => undefined);
  return memory !== undefined && memory.bavail * memory.bsize >= ENOUGH_MEMORY_BYTES ? "/dev/shm" : tmpdir();
}

/** Last started, first stopped. */
async function stopAll(started: { stop(): Promise<void> }[]): Promise<void> {
  for (const service of started.toReversed()) await service.stop();
}
