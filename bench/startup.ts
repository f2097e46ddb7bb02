/**
 * `startup`: from the spawn of `serve` to its first answer, and what `serve` and `work` hold in memory after a long mixed day.
 *
 * The databases are migrated and hold a small history; the answer needs a key that is looked up there. Node's compile cache
 * is warm, as on every start but the first of a version, which is told beside. Memory is the resident set right after the
 * requests, nothing having been given time to settle; every twentieth request is one of each kind of the list in
 * `mixed-requests.ts`, so that a tenth of them record events, which `work` counts meanwhile.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { Benchmark, Row } from "./benchmark.js";
import { median } from "./measure/alternate.js";
import { residentMegabytes } from "./measure/cpu-time.js";
import { MixedRequests } from "./measure/mixed-requests.js";
import { ask, startServe } from "./measure/server.js";
import { fillHistory } from "./scene/history.js";
import type { DatabasePair, Scene } from "./scene/scene.js";
import { type BenchTenant, createBenchTenant } from "./scene/tenant.js";

const DAY_MS = 86_400_000;
const STARTS = 7;
const CONNECTIONS = 16;
const COMPILED = path.join(import.meta.dirname, "../dist/.compiled");

export const startup: Benchmark = {
  name: "startup",
  about: "serve to its first answer, and the memory of serve and work under mixed requests",
  async run(scene) {
    const databases = await scene.createDatabases("startup");
    const tenant = await createBenchTenant(databases, "startup");
    const end = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS);
    const campaigns = await fillHistory(scene, databases, tenant, {
      groups: 2,
      campaignsPerGroup: 20,
      messagesPerCampaign: 500,
      end,
    });
    const starts = await measureStarts(scene, databases, tenant);
    scene.say("startup: the starts are measured");
    const requests = scene.full ? 100_000 : 10_000;
    const memory = await measureMemory(scene, databases, tenant, {
      requests,
      campaignIds: campaigns.map(({ id }) => id),
      end,
    });
    return [...starts, ...memory];
  },
};

async function measureStarts(scene: Scene, databases: DatabasePair, tenant: BenchTenant): Promise<Row[]> {
  await rm(COMPILED, { recursive: true, force: true });
  const first = await secondsToAnswer(scene, databases, tenant);
  const seconds: number[] = [];
  for (let time = 0; time < STARTS; time++) seconds.push(await secondsToAnswer(scene, databases, tenant));
  const figure = { unit: "s", against: null, ratio: null };
  return [
    { name: "serve to its first answer, median", value: median(seconds), ...figure, target: { atMost: 1.5 } },
    { name: "serve to its first answer, without a compile cache", value: first, ...figure, target: null },
  ];
}

async function secondsToAnswer(scene: Scene, databases: DatabasePair, { headers }: BenchTenant): Promise<number> {
  const started = performance.now();
  const { url, process } = await startServe(scene, databases);
  await ask(url, headers, JSON.stringify({ query: "{ viewer { tenant { name } } }" }));
  const seconds = (performance.now() - started) / 1000;
  await process.stop();
  return seconds;
}

async function measureMemory(
  scene: Scene,
  databases: DatabasePair,
  { headers }: BenchTenant,
  plan: { readonly requests: number; readonly campaignIds: readonly string[]; readonly end: Date },
): Promise<Row[]> {
  const work = scene.program(databases, ["work"]);
  const { url, process } = await startServe(scene, databases);
  const mixed = new MixedRequests({ url, headers, campaignIds: plan.campaignIds, end: plan.end });
  const half = plan.requests / 2;
  const readings: { readonly serve: number; readonly work: number }[] = [];
  for (const _ of [1, 2]) {
    await mixed.send(half, CONNECTIONS);
    readings.push({ serve: residentMegabytes(process.pid), work: residentMegabytes(work.pid) });
    scene.say(`startup: after ${mixed.sent} requests serve and work hold ${JSON.stringify(readings.at(-1))} MB`);
  }
  await Promise.all([process.stop(), work.stop()]);
  const [before, after] = readings;
  if (before === undefined || after === undefined) throw new Error("Nothing was read");
  return (["serve", "work"] as const).flatMap((name) => {
    const figure = { value: after[name], unit: "MB" };
    return [
      {
        name: `memory of ${name} after ${plan.requests} mixed requests`,
        ...figure,
        against: null,
        ratio: null,
        target: { atMost: 250 },
      },
      {
        name: `memory of ${name}, growth over the second half`,
        ...figure,
        against: { name: `after ${half}`, value: before[name] },
        ratio: after[name] / before[name],
        target: { atMost: 1.05 },
      },
    ];
  });
}
