/** Events sent to a server by a process of its own (record-events.ts), with the processor time of who is measured. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { cpuSeconds } from "../measure/cpu-time.js";
import type { Scene } from "../scene/scene.js";
import type { AppliedEventsOptions } from "./applied-events.js";

export interface EventLoad {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly shape: "graphql" | "plain";
  /** Names the events: two loads of one name send the same. */
  readonly stream: string;
  readonly eventsPerCall: number;
  readonly connections: number;
  readonly seconds: number;
  /** Without it as many as are answered. */
  readonly eventsPerSecond?: number;
  /** Where it is seen how far the rollups have come. */
  readonly applied?: AppliedEventsOptions;
}

export interface EventLoadFigures {
  readonly events: number;
  readonly seconds: number;
  /** Of a call, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** What was accepted and what the rollups showed, again and again, where that was asked for. */
  readonly samples: readonly { readonly ms: number; readonly accepted: number; readonly applied: number }[];
}

export interface MeasuredEventLoad extends EventLoadFigures {
  readonly eventsPerSecond: number;
  /** Processor seconds of each process, by the name it was given. */
  readonly cpu: Readonly<Record<string, number>>;
  readonly eventsPerCpuSecond: number;
}

const ROOT = path.join(import.meta.dirname, "../..");
const RUN = [
  "--disable-warning=ExperimentalWarning",
  "--import",
  path.join(ROOT, "test/support/resolve-typescript.ts"),
  path.join(import.meta.dirname, "record-events.ts"),
];

/** A name that no stream had before. */
export function newStream(): string {
  return `s${randomBytes(4).toString("hex")}`;
}

/** Sends the load; `pids` are whose processor time is counted, none the child of another. */
export async function sendEvents(
  scene: Scene,
  load: Omit<EventLoad, "stream"> & { readonly stream?: string },
  pids: Readonly<Record<string, number>>,
): Promise<MeasuredEventLoad> {
  const before = secondsOf(pids);
  const started = scene.start(RUN, {
    LOAD_ORDER: JSON.stringify({ stream: newStream(), ...load } satisfies EventLoad),
  });
  const figures = JSON.parse(await started.finished()) as EventLoadFigures;
  const after = secondsOf(pids);
  const cpu = Object.fromEntries(Object.keys(pids).map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
  const total = Object.values(cpu).reduce((sum, spent) => sum + spent, 0);
  return {
    ...figures,
    eventsPerSecond: figures.events / figures.seconds,
    cpu,
    eventsPerCpuSecond: figures.events / total,
  };
}

function secondsOf(pids: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds([pid])]));
}
