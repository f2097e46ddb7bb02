/** Everything that a round runs on, made once: two PostgreSQL servers, a Redis, servers and workers, each with its network. */
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { createApiKey } from "../../src/access/api-keys.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import { readConfig } from "../../src/config.js";
import { freePort } from "../../src/database/embedded-port.js";
import { migrateDatabases } from "../../src/database/migrate.js";
import type { TenantId } from "../../src/ids.js";
import { Telemetry } from "../../src/observability/telemetry.js";
import { openPools, type Pools } from "../../src/open-pools.js";
import { systemClock } from "../../src/runtime.js";
import { createTenant } from "../../src/tenancy/tenants.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { type StartedRedis, startRedis } from "../support/test-redis.js";
import { waitFor } from "../support/wait-for.js";
import { Cluster } from "./cluster.js";
import { ProductProcess, SETTINGS } from "./processes.js";

const MAX_WORKERS = 4;
const SERVERS = 2;
const SETTLE_MS = 120_000;

export interface LoadedTenant {
  readonly id: TenantId;
  readonly key: string;
  readonly timeZone: string;
}

export class Rig {
  readonly events: Cluster;
  readonly metrics: Cluster;
  readonly servers: ProductProcess[] = [];
  /** As many as any round has; those that a round does not use do not run. */
  readonly workers: ProductProcess[] = [];
  /** Where the processes' logs are; kept where a round failed. */
  readonly logFolder: string;
  readonly #redisPort: number;
  #redis: StartedRedis | null = null;

  private constructor(events: Cluster, metrics: Cluster, redisPort: number) {
    this.events = events;
    this.metrics = metrics;
    this.#redisPort = redisPort;
    this.logFolder = mkdtempSync(join(tmpdir(), "mailtally-faults-"));
  }

  static async start(postgres?: string): Promise<Rig> {
    const [events, metrics] = await Promise.all([
      Cluster.start("events", postgres),
      Cluster.start("metrics", postgres),
    ]);
    const rig = new Rig(events, metrics, await freePort());
    try {
      await migrateDatabases({ eventsUrl: events.url, metricsUrl: metrics.url });
      await rig.startRedis();
      const targets = { events, metrics, redis: { url: `redis://127.0.0.1:${rig.#redisPort}`, port: rig.#redisPort } };
      const create = async (name: string, command: "serve" | "work") =>
        ProductProcess.create(name, command, {
          targets,
          port: await freePort(),
          logFile: join(rig.logFolder, `${name}.log`),
        });
      for (let n = 1; n <= SERVERS; n += 1) rig.servers.push(await create(`serve-${n}`, "serve"));
      for (let n = 1; n <= MAX_WORKERS; n += 1) rig.workers.push(await create(`work-${n}`, "work"));
      await Promise.all(rig.servers.map((server) => server.start()));
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  get processes(): readonly ProductProcess[] {
    return [...this.servers, ...this.workers];
  }

  /** The workers of this round. */
  get running(): readonly ProductProcess[] {
    return this.workers.filter((worker) => worker.isWanted && worker.isUp);
  }

  async useWorkers(count: number): Promise<void> {
    await Promise.all(this.workers.map((worker, n) => (n < count ? worker.start() : worker.stop())));
  }

  async startRedis(): Promise<void> {
    this.#redis ??= await startRedis(this.#redisPort);
  }

  async killRedis(): Promise<void> {
    const redis = this.#redis;
    this.#redis = null;
    await redis?.kill();
  }

  /** Everything runs again and everything can be reached. */
  async heal(): Promise<void> {
    await Promise.all([this.events.start(), this.metrics.start(), this.startRedis()]);
    for (const { links } of this.processes) {
      for (const link of Object.values(links)) link.heal();
    }
    const wanted = this.processes.filter((candidate) => candidate.isWanted);
    for (const candidate of wanted) candidate.thaw();
    await Promise.all(wanted.map((candidate) => candidate.start()));
  }

  /** Resolves when nothing waits in inbox or outbox. */
  async settled(): Promise<void> {
    await waitFor(async () => (await this.waiting()).length === 0, {
      what: "inbox and outbox to be empty",
      deadlineMs: SETTLE_MS,
    });
  }

  /** What waits in inbox and outbox, by id. */
  async waiting(): Promise<string[]> {
    const rows = await this.events.ask<{ id: string }>(
      "select 'inbox ' || id as id from inbox union all select 'outbox ' || id from outbox",
    );
    return rows.map((row) => row.id);
  }

  /** Connections of the harness's own, past all proxies. Whoever opens them stops them. */
  openPools(): Pools {
    const config = readConfig({
      ...SETTINGS,
      EVENTS_DATABASE_URL: this.events.url,
      METRICS_DATABASE_URL: this.metrics.url,
    });
    const urls = { events: this.events.url, metrics: this.metrics.url };
    return openPools(urls, config, "harness", { log: pino({ level: "silent" }), telemetry: new Telemetry() });
  }

  async createTenant(slug: string, timeZone: string): Promise<LoadedTenant> {
    const pools = this.openPools();
    try {
      const { id } = await createTenant(pools.metrics, { slug, timeZone }, systemClock());
      const scopes = ["WRITE_EVENTS", "READ_METRICS"] as const;
      const { secret } = await writeAsTenant(pools.metrics, id, (session) =>
        createApiKey(session, id, { name: "Load", scopes, expiresAt: null }, OPERATOR, systemClock()),
      );
      return { id, key: secret, timeZone };
    } finally {
      await pools.stop();
    }
  }

  /** Copies the logs so far; answers where they are. */
  keepLogs(seed: number): string {
    const folder = mkdtempSync(join(tmpdir(), `mailtally-faults-failed-${seed}-`));
    cpSync(this.logFolder, folder, { recursive: true });
    for (const [name, cluster] of Object.entries({ events: this.events, metrics: this.metrics })) {
      if (existsSync(cluster.logFile)) cpSync(cluster.logFile, join(folder, `postgresql-${name}.log`));
    }
    return folder;
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((running) => running.remove()));
    await this.#redis?.stop();
    await Promise.all([this.events.stop(), this.metrics.stop()]);
    rmSync(this.logFolder, { recursive: true, force: true });
  }
}
