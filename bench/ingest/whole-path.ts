/**
 * From the call to the rollups, server, worker, projector, both databases and the load on one machine. Two loads: one that
 * waits for nothing, which shows what can be accepted while a worker works, and one that waits while too much is not applied yet,
 * which shows what can be kept up, by turns with bare inserts.
 */
import type { Row } from "../benchmark.js";
import { type EventLoadFigures, type MeasuredEventLoad, sendEvents } from "../load/event-load.js";
import { alternate, median } from "../measure/alternate.js";
import { compared } from "../measure/compared.js";
import { cpuSeconds, residentMegabytes } from "../measure/cpu-time.js";
import { startServe } from "../measure/server.js";
import type { Scene } from "../scene/scene.js";
import { createBenchTenant } from "../scene/tenant.js";

/** 100 customers' requests at 20,000 a minute: what Sendwithus asks of a system. */
const REQUIRED_PER_SECOND = 33_000;
const EVENTS_PER_CALL = 100;
const CONNECTIONS = 16;
const MAX_AHEAD = 20_000;
const ROUNDS = 5;
const TABLES_ALONE = "unnest into the tables alone";
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
  const keptUp = { ...applied, maxAhead: MAX_AHEAD };
  const flooded = await sendEvents(scene, { ...load, seconds: scene.full ? 30 : 8, applied }, pids);
  const memoryFlooded = memoryRows("unbounded load", pids);
  const alone = await scene.createDatabases("tables_alone");
  const figures = await alternate(
    {
      ours: async () => {
        await scene.whenNobodyVacuums();
        return sendEvents(scene, { ...load, seconds: scene.full ? 60 : 4, applied: keptUp }, pids);
      },
      tables: async () => {
        await scene.whenNobodyVacuums();
        return tablesAlone(scene, alone.eventsUrl, pids.postgres);
      },
    },
    ROUNDS,
    { warmUpRounds: 0 },
  );
  const memoryKeptUp = memoryRows("kept up", pids);
  await Promise.all([server.process.stop(), work.stop()]);
  return [...sustainedRows(figures.ours, figures.tables), ...floodedRows(flooded), ...memoryKeptUp, ...memoryFlooded];
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
async function tablesAlone(scene: Scene, eventsUrl: string, postgres: number): Promise<TablesAlone> {
  const peer = new URL("../peers/event-tables.ts", import.meta.url).pathname;
  const env = { DATABASE_URL: eventsUrl, SECONDS: scene.full ? "15" : "3" };
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
  return { eventsPerSecond: events / seconds, cpuMicrosPerEvent: (cpu * 1e6) / events };
}

function sustainedRows(rounds: readonly MeasuredEventLoad[], alone: readonly TablesAlone[]): Row[] {
  const of = (value: (figures: MeasuredEventLoad) => number): number[] => rounds.map(value);
  const name = "from call to rollups, kept up";
  const plain = { against: null, ratio: null, target: null };
  return [
    compared(
      { name, unit: "events/s", target: { atLeast: 0.4 } },
      of((figures) => rateBetween(figures, "applied")),
      { name: TABLES_ALONE, figures: alone.map(({ eventsPerSecond }) => eventsPerSecond) },
    ),
    compared(
      { name: `${name}, all processes`, unit: "µs CPU/event", target: null },
      of(({ cpu, events }) => micros(Object.values(cpu), events)),
      { name: TABLES_ALONE, figures: alone.map(({ cpuMicrosPerEvent }) => cpuMicrosPerEvent) },
    ),
    ...(["server", "worker", "postgres"] as const).map((process) => ({
      name: `${name}, ${process}`,
      value: median(of(({ cpu: { [process]: seconds = 0 }, events }) => micros([seconds], events))),
      unit: "µs CPU/event",
      ...plain,
    })),
    { name: `${name}, a call, p99`, value: median(of(({ p99 }) => p99)), unit: "ms", ...plain },
  ];
}

/** An event, of all these. */
function micros(seconds: readonly number[], events: number): number {
  return (seconds.reduce((sum, spent) => sum + spent, 0) * 1e6) / events;
}

function floodedRows(figures: MeasuredEventLoad): Row[] {
  const name = "whole path, unbounded load";
  const requirement = { name: "Sendwithus asks", value: REQUIRED_PER_SECOND };
  const asked = (what: "accepted" | "applied", target: Row["target"]): Row => {
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
  return [asked("accepted", { atLeast: 1 }), asked("applied", null), ...shares];
}

function rateBetween({ samples, seconds }: EventLoadFigures, what: "accepted" | "applied"): number {
  const from = samples.find((sample) => sample.ms >= WARMING_SHARE * seconds * 1000);
  const to = samples.at(-1);
  if (from === undefined || to === undefined || from === to) throw new Error("The load was too short to be measured");
  return ((to[what] - from[what]) * 1000) / (to.ms - from.ms);
}
