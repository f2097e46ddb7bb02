/**
 * `npm start`: server and worker in one process. On the embedded PostgreSQL there is a demo tenant too, and the API answers
 * while its data still loads; databases that somebody configured get none.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { createApiKey } from "./access/api-keys.js";
import { Authenticator } from "./access/authenticator.js";
import { SCOPES } from "./access/scope.js";
import { OPERATOR } from "./audit/audit-entry.js";
import { createIntake } from "./create-intake.js";
import { banner } from "./demo/banner.js";
import { loadDemo } from "./demo/load-demo.js";
import { progressOn } from "./demo/load-progress.js";
import type { TenantId } from "./ids.js";
import { readInboxDepth } from "./ingest/inbox-depth.js";
import { openPools, type Pools } from "./open-pools.js";
import { type Running, type Runtime, systemClock } from "./runtime.js";
import { serve, type Serving } from "./serve.js";
import { createTenant, findTenantBySlug, type Tenant } from "./tenancy/tenants.js";
import { writeAsTenant } from "./tenancy/transactions.js";
import { work } from "./work.js";

const DEMO_SLUG = "demo";
const DEMO_ZONE = "Europe/Dublin";
/** The demo's events wait for a worker in such portions, so that its progress is that of the numbers. */
const MAX_WAITING_DEMO_EVENTS = 20_000;
const FULL_POLL_MS = 50;

/** Prints where it is served and how to begin to `out`. */
export async function start(runtime: Runtime, out: NodeJS.WriteStream): Promise<Running> {
  const started = new AsyncDisposableStack();
  try {
    const working = work(runtime);
    started.defer(() => working.stop());
    const serving = await serve(runtime, () => working.wake());
    started.defer(() => serving.stop());
    if (runtime.config.databases.urls === null) {
      const demo = await startDemo(runtime, serving, out);
      started.defer(() => demo.stop());
    } else out.write(`Mailtally is ready: ${serving.url}/graphql, GraphiQL: ${serving.url}/graphiql\n`);
  } catch (error) {
    await started.disposeAsync();
    throw error;
  }
  // Last started, first stopped.
  return { stop: () => started.disposeAsync() };
}

async function startDemo(runtime: Runtime, serving: Serving, out: NodeJS.WriteStream): Promise<Running> {
  const { config, log } = runtime;
  const pools = openPools(runtime.urls, config, "demo", runtime);
  const tenant = (await findTenantBySlug(pools.metrics, DEMO_SLUG)) ?? (await createDemoTenant(pools));
  const key = await demoKey(runtime, pools, tenant.id);
  out.write(banner({ url: serving.url, key, seconds: process.uptime(), now: new Date() }));

  const stopping = new AbortController();
  const progress = progressOn(out);
  const { intake, inbox, campaigns } = createIntake(runtime, pools);
  const loading = loadDemo({
    tenantId: tenant.id,
    intake,
    campaigns,
    stateFile: path.join(config.dataDir, "demo.json"),
    now: () => new Date(),
    tenantCreatedAt: new Date(tenant.createdAt / 1000),
    log,
    waitWhileFull: () => waitWhileFull(pools, stopping.signal),
    onProgress: (loaded, total) => progress.update(loaded, total),
    signal: stopping.signal,
  }).catch((error: unknown) =>
    log.error({ err: error }, "the demo's data could not be loaded; the next start goes on"),
  );
  return {
    async stop() {
      stopping.abort();
      await loading;
      progress.stop();
      await inbox.stop();
      await pools.stop();
    },
  };
}

function createDemoTenant({ metrics }: Pools): Promise<Tenant> {
  return createTenant(metrics, { slug: DEMO_SLUG, name: "Tideline Trust", timeZone: DEMO_ZONE }, systemClock());
}

/** The key that an earlier start printed, as long as it is valid, else a new one. */
async function demoKey({ config, log }: Runtime, { metrics }: Pools, tenantId: TenantId): Promise<string> {
  const file = path.join(config.dataDir, "demo-key");
  const kept = await readFile(file, "utf8").then(
    (text) => text.trim(),
    () => null,
  );
  if (kept !== null) {
    const authenticator = new Authenticator({ metrics, now: systemClock, log });
    const isValid = await authenticator.authenticate(`Bearer ${kept}`).then(
      (principal) => principal.tenantId === tenantId,
      () => false,
    );
    if (isValid) return kept;
  }
  const { secret } = await writeAsTenant(metrics, tenantId, (session) =>
    createApiKey(session, tenantId, { name: "Demo", scopes: SCOPES, expiresAt: null }, OPERATOR, systemClock()),
  );
  await writeFile(file, `${secret}\n`, { mode: 0o600 });
  return secret;
}

async function waitWhileFull({ events }: Pools, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await readInboxDepth(events)).waitingEvents > MAX_WAITING_DEMO_EVENTS) {
    await new Promise((resolve) => setTimeout(resolve, FULL_POLL_MS));
  }
}
