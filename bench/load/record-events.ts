/**
 * A program: sends new events to a server, so many a call, over so many connections, and prints the figures as one line of
 * JSON. What it is told is in LOAD_ORDER. One call that is not wholly accepted ends it.
 */
import { setTimeout as pause } from "node:timers/promises";
import { callOf, eventAt } from "./event-stream.js";
import { HttpConnection } from "./http-connection.js";
import type { EventLoad, EventLoadFigures } from "./event-load.js";
import { AppliedEvents } from "./applied-events.js";

const SAMPLE_MS = 250;

const order = JSON.parse(process.env["LOAD_ORDER"] ?? "") as EventLoad;
const {
  url,
  headers,
  shape,
  eventsPerCall,
  connections,
  seconds,
  eventsPerSecond = null,
  applied = null,
  stream,
} = order;
const latencies: number[] = [];
const samples: EventLoadFigures["samples"][number][] = [];
let made = 0;
let accepted = 0;
let isTooFarAhead = false;

const counter = applied === null ? null : await AppliedEvents.open(applied);
const started = performance.now();
const end = started + seconds * 1000;

async function sendCalls(): Promise<void> {
  const connection = new HttpConnection(url, headers);
  while (performance.now() < end) {
    if (isTooFarAhead) {
      await pause(5);
      continue;
    }
    if (eventsPerSecond !== null) {
      const dueAt = started + (made / eventsPerSecond) * 1000;
      if (dueAt > performance.now()) {
        await pause(dueAt - performance.now());
        continue;
      }
    }
    const now = new Date().toISOString();
    const first = made;
    made += eventsPerCall;
    const body = callOf(
      shape,
      Array.from({ length: eventsPerCall }, (_, at) => eventAt(stream, first + at, now)),
    );
    const sentAt = performance.now();
    const answer = await connection.post(body);
    latencies.push(performance.now() - sentAt);
    if (answer.status !== 200 || !answer.body.includes(`"acceptedCount":${eventsPerCall},`)) {
      throw new Error(`A call was answered ${answer.status}: ${answer.body.slice(0, 2_000)}`);
    }
    accepted += eventsPerCall;
  }
  connection.end();
}

async function watch(): Promise<void> {
  if (counter === null) return;
  const before = await counter.read();
  while (performance.now() < end) {
    const counted = (await counter.read()) - before;
    samples.push({ ms: performance.now() - started, accepted, applied: counted });
    isTooFarAhead = applied?.maxAhead !== undefined && accepted - counted > applied.maxAhead;
    await pause(SAMPLE_MS);
  }
  await counter.close();
}

await Promise.all([watch(), ...Array.from({ length: connections }, () => sendCalls())]);
const elapsed = (performance.now() - started) / 1000;
latencies.sort((a, b) => a - b);
const at = (share: number): number => latencies[Math.max(0, Math.ceil(share * latencies.length) - 1)] ?? 0;
const figures: EventLoadFigures = { events: accepted, seconds: elapsed, p50: at(0.5), p99: at(0.99), samples };
process.stdout.write(`${JSON.stringify(figures)}\n`);
