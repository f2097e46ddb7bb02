/**
 * `freshness`: how long after the answer of `recordEvents` a KPI shows the event, while 5,000 other events a second come in for
 * the same tenant. One event at a time goes to a campaign of its own, whose count is asked for until it has moved; the time ends
 * when the answer that shows it has come, so that a question's own duration is part of it.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Benchmark } from "./benchmark.js";
import { newStream, sendEvents } from "./load/event-load.js";
import { quantile } from "./measure/alternate.js";
import { ask, type MeasuredServer, startServe } from "./measure/server.js";
import { type BenchTenant, createBenchTenant } from "./scene/tenant.js";

const EVENTS_PER_SECOND = 5_000;
const WARMING_SECONDS = 3;
/** Between two questions; with their duration it is how finely the time is told. */
const QUESTION_PAUSE_MS = 4;
const GIVE_UP_MS = 10_000;
const DAY_MS = 86_400_000;
const CAMPAIGN = "freshness-probe";

export const freshness: Benchmark = {
  name: "freshness",
  about: "from the answer of recordEvents to the KPI that shows it, at 5,000 events/s",
  async run(scene) {
    const databases = await scene.createDatabases("freshness");
    const tenant = await createBenchTenant(databases, "freshness");
    const server = await startServe(scene, databases);
    const work = scene.program(databases, ["work"]);
    const seconds = scene.full ? 60 : 12;
    const pids = { server: server.process.pid, worker: work.pid, postgres: await scene.postgresPid() };
    const load = sendEvents(
      scene,
      {
        url: server.url,
        headers: tenant.headers,
        shape: "graphql",
        eventsPerCall: 100,
        connections: 4,
        seconds: seconds + WARMING_SECONDS,
        eventsPerSecond: EVENTS_PER_SECOND,
      },
      pids,
    );
    // Awaited below; what fails before that ends the scene, and the load with it.
    load.catch(() => undefined);
    // A first event makes the campaign and fills the caches; the load comes to its rate meanwhile.
    await record(server, tenant, newStream());
    await pause(WARMING_SECONDS * 1000);
    const { lags, questions } = await measureLags(server, tenant, performance.now() + (seconds - 1) * 1000);
    const { eventsPerSecond, cpu, seconds: elapsed } = await load;
    await Promise.all([server.process.stop(), work.stop()]);
    const told = { against: null, ratio: null, target: null };
    const cores = Object.values(cpu).reduce((sum, spent) => sum + spent, 0) / elapsed;
    return [
      { name: "from answer to KPI, p50", value: quantile(lags, 0.5), unit: "ms", ...told, target: { atMost: 100 } },
      { name: "from answer to KPI, p99", value: quantile(lags, 0.99), unit: "ms", ...told, target: { atMost: 500 } },
      { name: "probes", value: lags.length, unit: "events", ...told },
      { name: "a question, p50", value: quantile(questions, 0.5), unit: "ms", ...told },
      { name: "events beside", value: eventsPerSecond, unit: "events/s", ...told },
      { name: "server, worker and PostgreSQL", value: cores, unit: "cores", ...told },
    ];
  },
};

async function measureLags({ url }: MeasuredServer, tenant: BenchTenant, end: number) {
  const lags: number[] = [];
  const questions: number[] = [];
  const run = newStream();
  let counted = await settled(url, tenant);
  for (let probe = 0; performance.now() < end; probe++) {
    await record({ url }, tenant, `${run}-${probe}`);
    const answeredAt = performance.now();
    for (let shown = counted; shown === counted;) {
      const askedAt = performance.now();
      shown = await sentOf(url, tenant);
      const now = performance.now();
      questions.push(now - askedAt);
      if (shown !== counted) lags.push(now - answeredAt);
      else if (now - answeredAt > GIVE_UP_MS) throw new Error("An event was not shown within ten seconds");
      else await pause(QUESTION_PAUSE_MS);
    }
    counted += 1;
    // Not in step with the loops of the worker.
    await pause(50 * Math.random());
  }
  return { lags, questions };
}

/** The count once the first event shows. */
async function settled(url: string, tenant: BenchTenant): Promise<number> {
  for (const end = performance.now() + GIVE_UP_MS; performance.now() < end;) {
    const count = await sentOf(url, tenant);
    if (count > 0) return count;
    await pause(QUESTION_PAUSE_MS);
  }
  throw new Error("The first event was not shown within ten seconds");
}

async function record({ url }: Pick<MeasuredServer, "url">, { headers }: BenchTenant, eventId: string): Promise<void> {
  const event = {
    eventId,
    type: "SENT",
    campaignExternalId: CAMPAIGN,
    recipient: `${eventId}@example.org`,
    occurredAt: new Date().toISOString(),
  };
  const query = "mutation Probe($input: RecordEventsInput!) { recordEvents(input: $input) { acceptedCount } }";
  const body = JSON.stringify({ query, variables: { input: { events: [event] } } });
  const { answer } = await ask<{ data: { recordEvents: { acceptedCount: number } } }>(url, headers, body);
  if (answer.data.recordEvents.acceptedCount !== 1) throw new Error("An event was refused");
}

async function sentOf(url: string, { headers }: BenchTenant): Promise<number> {
  const query = `query Shown($range: DateTimeRange!) {
    campaign(externalId: "${CAMPAIGN}") { metrics(range: $range) { sent { total } } }
  }`;
  const day = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const range = { from: new Date(day - DAY_MS).toISOString(), to: new Date(day + DAY_MS).toISOString() };
  const body = JSON.stringify({ query, variables: { range } });
  const { answer } = await ask<{ data: { campaign: { metrics: { sent: { total: number } } } | null } }>(
    url,
    headers,
    body,
  );
  return Number(answer.data.campaign?.metrics.sent.total ?? 0);
}
