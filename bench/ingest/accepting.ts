/** `recordEvents` until the answer, against a route that does no more than to parse and store. No worker runs. */
import type { Row } from "../benchmark.js";
import { type EventLoad, type MeasuredEventLoad, sendEvents } from "../load/event-load.js";
import { alternate } from "../measure/alternate.js";
import { compared } from "../measure/compared.js";
import { startPeer, startServe } from "../measure/server.js";
import type { Scene } from "../scene/scene.js";
import { createBenchTenant } from "../scene/tenant.js";
import { withClient } from "../scene/with-client.js";

const ROUNDS = 5;
/** Events a call, connections, and the target for the rate. */
const SIZES = [
  { eventsPerCall: 1, connections: 32, target: { atLeast: 0.5 } },
  { eventsPerCall: 10, connections: 32, target: null },
  { eventsPerCall: 100, connections: 16, target: { atLeast: 0.7 } },
] as const;

/** V8 compiles what is hot for the first thousands of calls, of ours above all: after a second a call takes twice what it does in the end. */
const WARM_UP = { eventsPerCall: 1, connections: 32, seconds: 8 } as const;
const PEER = "bare route";
const NO_LIMIT = String(1_000_000_000);

type Load = Pick<EventLoad, "eventsPerCall" | "connections" | "seconds">;

export async function measureAccepting(scene: Scene): Promise<Row[]> {
  const databases = await scene.createDatabases("accepting");
  const bareUrl = await scene.createDatabase("bare_inbox");
  const tenant = await createBenchTenant(databases, "accepting");
  // Nothing is recorded here, and that is not what is measured.
  const settings = {
    MAX_WAITING_EVENTS: NO_LIMIT,
    MAX_WAITING_EVENTS_PER_TENANT: String(999_999_999),
    LOG_LEVEL: "info",
  };
  const server = await startServe(scene, databases, settings);
  const peer = await startPeer(scene, "inbox", { DATABASE_URL: bareUrl });
  const postgres = await scene.postgresPid();
  const seconds = scene.full ? 5 : 1;
  const rows: Row[] = [];
  const sides = {
    ours: (load: Load) =>
      sendEvents(
        scene,
        { ...load, url: server.url, headers: tenant.headers, shape: "graphql" },
        { node: server.process.pid, postgres },
      ),
    theirs: (load: Load) =>
      sendEvents(
        scene,
        { ...load, url: new URL("/events", peer.url).href, headers: {}, shape: "plain" },
        { node: peer.process.pid, postgres },
      ),
  };
  await sides.ours(WARM_UP);
  await sides.theirs(WARM_UP);
  for (const { eventsPerCall, connections, target } of SIZES) {
    const load = { eventsPerCall, connections, seconds };
    const figures = await alternate({ ours: () => sides.ours(load), theirs: () => sides.theirs(load) }, ROUNDS);
    rows.push(...rowsOf(`${eventsPerCall} a call`, figures, target));
    scene.say(`ingest: ${eventsPerCall} events a call are measured`);
    await empty(databases.eventsUrl, bareUrl);
  }
  await Promise.all([server.process.stop(), peer.process.stop()]);
  return rows;
}

function cpuMicrosOf(process: "node" | "postgres") {
  return ({ cpu, events }: MeasuredEventLoad): number => ((cpu[process] ?? 0) * 1e6) / events;
}

function rowsOf(
  size: string,
  { ours, theirs }: Record<"ours" | "theirs", MeasuredEventLoad[]>,
  target: Row["target"],
): Row[] {
  const row = (
    what: string,
    unit: string,
    of: (figures: MeasuredEventLoad) => number,
    asked: Row["target"] = null,
  ): Row => {
    const named = { name: `accepted, ${size}, ${what}`, unit, target: asked };
    return compared(named, ours.map(of), { name: PEER, figures: theirs.map(of) });
  };
  return [
    row("rate", "events/s", (figures) => figures.eventsPerSecond, target),
    row("per CPU second", "events/CPU-s", (figures) => figures.eventsPerCpuSecond),
    row("Node", "µs CPU/event", cpuMicrosOf("node")),
    row("PostgreSQL", "µs CPU/event", cpuMicrosOf("postgres")),
    row("a call, p50", "ms", (figures) => figures.p50),
    row("a call, p99", "ms", (figures) => figures.p99),
  ];
}

/** What waits for nobody would only grow. */
async function empty(eventsUrl: string, bareUrl: string): Promise<void> {
  await withClient(eventsUrl, async (client) => {
    await client.query("set role mailtally_owner");
    await client.query("truncate inbox");
  });
  await withClient(bareUrl, (client) => client.query("truncate inbox"));
}
