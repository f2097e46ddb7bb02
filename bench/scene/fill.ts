/** Tenants, keys and events for a benchmark to work on, through the doors that operators use. */
import { createWriteStream } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "pg";
import { pino } from "pino";
import { createApiKey } from "../../src/access/api-keys.js";
import type { Scope } from "../../src/access/scope.js";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import { Pool } from "../../src/database/pool.js";
import type { TenantId } from "../../src/ids.js";
import { createTenant } from "../../src/tenancy/tenants.js";
import { writeAsTenant } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import type { DatabasePair, Scene } from "./scene.js";

const LINES_PER_CHUNK = 2_000;
const POLL_MS = 20;
const DEADLINE_MS = 600_000;

/** The program's own pool, for what is quicker done in this process than by a command each. Ends with the work. */
export async function withMetrics<T>(
  { metricsUrl }: DatabasePair,
  work: (metrics: Pool<"metrics">) => Promise<T>,
): Promise<T> {
  const metrics = new Pool({
    database: "metrics",
    url: metricsUrl,
    maxConnections: 4,
    waitTimeoutMs: 10_000,
    preparedStatements: true,
    log: pino({ level: "warn" }, pino.destination(2)),
  });
  try {
    return await work(metrics);
  } finally {
    await metrics.stop();
  }
}

/** A new tenant, and the secrets of as many keys of it as scopes are given. */
export function createTenantWithKeys(
  databases: DatabasePair,
  tenant: { readonly slug: string; readonly timeZone: string },
  scopesOfKeys: readonly (readonly Scope[])[],
): Promise<{ readonly tenantId: TenantId; readonly keys: readonly string[] }> {
  return withMetrics(databases, async (metrics) => {
    const now = instantFromMillis(Date.now());
    const { id } = await createTenant(metrics, tenant, now);
    const keys = await writeAsTenant(metrics, id, async (session) => {
      const made: string[] = [];
      for (const scopes of scopesOfKeys) {
        const { secret } = await createApiKey(session, id, { name: "bench", scopes, expiresAt: null }, OPERATOR, now);
        made.push(secret);
      }
      return made;
    });
    return { tenantId: id, keys };
  });
}

/** Writes lines of NDJSON into a file of the scene's folder and gives its path. */
export async function writeLines(scene: Scene, name: string, lines: Iterable<string>): Promise<string> {
  const file = path.join(scene.folder, name);
  await pipeline(Readable.from(inChunks(lines)), createWriteStream(file));
  return file;
}

function* inChunks(lines: Iterable<string>): Generator<string> {
  let chunk: string[] = [];
  for (const line of lines) {
    if (chunk.push(line) < LINES_PER_CHUNK) continue;
    yield `${chunk.join("\n")}\n`;
    chunk = [];
  }
  if (chunk.length > 0) yield `${chunk.join("\n")}\n`;
}

/** Runs a worker until everything that was accepted counts. Throws where an event became a dead letter. */
export async function countEverything(scene: Scene, databases: DatabasePair): Promise<void> {
  const worker = scene.program(databases, ["work"]);
  const client = new Client({ connectionString: databases.eventsUrl });
  await client.connect();
  try {
    for (const deadline = performance.now() + DEADLINE_MS; !(await isCounted(client));) {
      if (performance.now() > deadline) throw new Error("The worker did not come to an end");
      await pause(POLL_MS);
    }
    const { rows } = await client.query("select from dead_letters limit 1");
    if (rows.length > 0) throw new Error("Events became dead letters");
  } finally {
    await client.end();
    await worker.stop();
  }
}

/** An outbox message goes once the rollups hold it, so both empty means all is counted. */
async function isCounted(events: Client): Promise<boolean> {
  const { rows } = await events.query<{ counted: boolean }>(
    "select not exists (select from inbox) and not exists (select from outbox) as counted",
  );
  return rows[0]?.counted === true;
}

/** Lets the planner know what is there, as autovacuum would have by the time that anybody measures. */
export async function vacuum(...urls: readonly string[]): Promise<void> {
  for (const connectionString of urls) {
    const client = new Client({ connectionString });
    await client.connect();
    try {
      await client.query("vacuum analyze");
    } finally {
      await client.end();
    }
  }
}
