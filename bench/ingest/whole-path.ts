/**
 * From the call to the rollups, server, worker, projector, both databases and the load on one machine. Two loads: one that
 * waits while too much is not applied yet, which shows what can be kept up, and one that waits for nothing, which shows what can
 * be accepted while a worker works.
 */
import type { Row } from "../benchmark.js";
import { type EventLoadFigures, type MeasuredEventLoad, sendEvents } from "../load/event-load.js";
import { median } from "../measure/alternate.js";
import { cpuSeconds, residentMegabytes } from "../measure/cpu-time.js";
import { startServe } from "../measure/server.js";
import type { Scene } from "../scene/scene.js";
import { createBenchTenant } from "../scene/tenant.js";

/** 100 customers' requests at 20,000 a minute: what Sendwithus asks of a system. */
const REQUIRED_PER_SECOND = 33_000;
const EVENTS_PER_CALL = 100;
const CONNECTIONS = 16;
const MAX_AHEAD = 20_000;
/** Of a run: until then caches are filled, plans are made and what lies ahead grows to its limit. */
const WARMING_SHARE = 0.3;

export async function measureWholePath(scene: Scene): Promise<Row[]> {
  const databases = await scene.createDatabases("whole_path");
  const tenant = await createBenchTenant(databases, "whole-path");
  const settings = { MAX_WAITING_EVENTS_PER_TENANT: "10000000", MAX_WAITING_EVENTS: "20000000" };
  const server = await startServe(scene, databases, settings);
  const work = scene.program(databases, ["work"]);
  const pids = { server: server.process.pid, worker: work.pid, postgres: await scene.postgresPid() };
  const load = {
    url: server.url,
    headers: tenant.headers,
    shape: "graphql",
    eventsPerCall: EVENTS_PER_CALL,
    connections: CONNECTIONS,
  } as const;
  const applied = { metricsUrl: databases.metricsUrl, tenantId: tenant.id };
  const sustained = await sendEvents(
    scene,
    { ...load, seconds: scene.full ? 60 : 12, applied: { ...applied, maxAhead: MAX_AHEAD } },
    pids,
  );
  const memoryKeptUp = memoryRows("kept up", pids);
  const flooded = await sendEvents(scene, { ...load, seconds: scene.full ? 30 : 8, applied }, pids);
  const memoryFlooded = memoryRows("unbounded load", pids);
  await Promise.all([server.process.stop(), work.stop()]);
  // Last: what it leaves in PostgreSQL's memory is written out at the cost of whoever comes next.
  const database = await tablesAlone(scene, pids.postgres);
  return [...sustainedRows(sustained, database), ...floodedRows(flooded), ...memoryKeptUp, ...memoryFlooded];
}

/** Right after a load. */
function memoryRows(name: string, { server, worker }: { readonly server: number; readonly worker: number }): Row[] {
  const row = (process: string, pid: number, target: Row["target"]): Row => ({
    name: `memory of ${process}, ${name}`,
    value: residentMegabytes(pid),
    unit: "MB",
    against: null,
    ratio: null,
    target,
  });
  return [row("serve", server, null), row("work", worker, { atMost: 250 })];
}

interface TablesAlone {
  readonly eventsPerSecond: number;
  readonly cpuMicrosPerEvent: number;
}

/** The same number of batches in flight as a worker has, with nothing around them. */
async function tablesAlone(scene: Scene, postgres: number): Promise<TablesAlone> {
  const { eventsUrl } = await scene.createDatabases("tables_alone");
  const peer = new URL("../peers/event-tables.ts", import.meta.url).pathname;
  const rounds: TablesAlone[] = [];
  for (let round = 0; round < 3; round++) {
    const env = { DATABASE_URL: eventsUrl, SECONDS: scene.full ? "20" : "4" };
    const before = cpuSeconds([postgres]);
    const {
      events,
      seconds,
      cpuSeconds: own,
    } = JSON.parse(await scene.start([peer], env).finished()) as {
      readonly events: number;
      readonly seconds: number;
      readonly cpuSeconds: number;
    };
    const cpu = own + cpuSeconds([postgres]) - before;
    rounds.push({ eventsPerSecond: events / seconds, cpuMicrosPerEvent: (cpu * 1e6) / events });
  }
  return {
    eventsPerSecond: median(rounds.map((round) => round.eventsPerSecond)),
    cpuMicrosPerEvent: median(rounds.map((round) => round.cpuMicrosPerEvent)),
  };
}

function sustainedRows(figures: MeasuredEventLoad, database: TablesAlone): Row[] {
  const { cpu, events } = figures;
  const value = rateBetween(figures, "applied");
  const cpuMicros = (Object.values(cpu).reduce((sum, spent) => sum + spent, 0) * 1e6) / events;
  const name = "from call to rollups, kept up";
  const plain = { against: null, ratio: null, target: null };
  return [
    {
      name,
      value,
      unit: "events/s",
      against: { name: "unnest into the tables alone", value: database.eventsPerSecond },
      ratio: value / database.eventsPerSecond,
      target: { atLeast: 0.4 },
    },
    {
      name: `${name}, all processes`,
      value: cpuMicros,
      unit: "µs CPU/event",
      against: { name: "unnest into the tables alone", value: database.cpuMicrosPerEvent },
      ratio: cpuMicros / database.cpuMicrosPerEvent,
      target: null,
    },
    ...(["server", "worker", "postgres"] as const).map((process) => ({
      name: `${name}, ${process}`,
      value: ((cpu[process] ?? 0) * 1e6) / events,
      unit: "µs CPU/event",
      ...plain,
    })),
    { name: `${name}, a call, p99`, value: figures.p99, unit: "ms", ...plain },
  ];
}

function floodedRows(figures: MeasuredEventLoad): Row[] {
  const name = "whole path, unbounded load";
  const requirement = { name: "Sendwithus asks", value: REQUIRED_PER_SECOND };
  const compared = (what: "accepted" | "applied", target: Row["target"]): Row => {
    const value = rateBetween(figures, what);
    return {
      name: `${name}, ${what}`,
      value,
      unit: "events/s",
      against: requirement,
      ratio: value / REQUIRED_PER_SECOND,
      target,
    };
  };
  const shares = Object.entries(figures.cpu).map(([process, seconds]) => ({
    name: `${name}, ${process}`,
    value: seconds / figures.seconds,
    unit: "cores",
    against: null,
    ratio: null,
    target: null,
  }));
  return [compared("accepted", { atLeast: 1 }), compared("applied", null), ...shares];
}

function rateBetween({ samples, seconds }: EventLoadFigures, what: "accepted" | "applied"): number {
  const from = samples.find((sample) => sample.ms >= WARMING_SHARE * seconds * 1000);
  const to = samples.at(-1);
  if (from === undefined || to === undefined || from === to) throw new Error("The load was too short to be measured");
  return ((to[what] - from[what]) * 1000) / (to.ms - from.ms);
}
