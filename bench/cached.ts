/**
 * `cached`: the dashboard's question answered from the process's own cache, with everything warm, against Mercurius with its
 * just-in-time compiler and GraphQL Yoga, which execute the same document over the same answer in memory. They check no key
 * and read no version of anything; the program does both, within its limits of age.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Benchmark, Row } from "./benchmark.js";
import { DASHBOARD_CAMPAIGNS, type DashboardAnswer, dashboardBody } from "./dashboard-query.js";
import { alternate } from "./measure/alternate.js";
import { comparedPerCpuSecond, comparedPerSecond, latencies } from "./measure/load-rows.js";
import { repeatableLoad } from "./measure/load.js";
import { ask, type MeasuredServer, startPeer, startServe } from "./measure/server.js";
import { openDashboardScene } from "./scene/dashboard-scene.js";
import type { Scene } from "./scene/scene.js";

const CONNECTIONS = 16;
const ROUNDS = 5;
const NAME = "cached";

export const cached: Benchmark = {
  name: NAME,
  about: "the same question answered from memory: against Mercurius with jit and GraphQL Yoga",
  run: measureCached,
};

async function measureCached(scene: Scene): Promise<Row[]> {
  const { databases, range, readers } = await openDashboardScene(scene, { tenants: 1 });
  const headers = { authorization: `Bearer ${readers[0]?.key}` };
  const body = dashboardBody(range);
  const ours = await startServe(scene, databases);
  const { answer } = await ask<DashboardAnswer>(ours.url, headers, body);
  if (answer.data.campaigns.nodes.length !== DASHBOARD_CAMPAIGNS) throw new Error("The dashboard is empty");

  const file = path.join(scene.folder, "answer.json");
  writeFileSync(file, JSON.stringify(answer));
  const [mercurius, yoga] = await Promise.all([
    startPeer(scene, "mercurius", { ANSWER: file }),
    startPeer(scene, "yoga", { ANSWER: file }),
  ]);
  for (const peer of [mercurius, yoga]) {
    // The compiler comes in with the second.
    for (let time = 0; time < 3; time += 1) {
      const theirs = await ask<DashboardAnswer>(peer.url, headers, body);
      if (!isDeepStrictEqual(theirs.answer.data, answer.data)) throw new Error("A peer answers something else");
    }
  }

  const seconds = scene.full ? 10 : 2;
  const loadOf = ({ url, process: { pid } }: MeasuredServer, posted = body) =>
    repeatableLoad({ url, connections: CONNECTIONS, headers, body: posted, seconds, pids: [pid] });
  // What was posted before is answered with the same bytes; this is not, and is executed.
  const never = JSON.stringify({ ...(JSON.parse(body) as object), extensions: { post: "[<id>]" } });
  const figures = await alternate(
    { ours: loadOf(ours), executed: loadOf(ours, never), mercurius: loadOf(mercurius), yoga: loadOf(yoga) },
    ROUNDS,
  );
  const rivals = [
    { name: "Mercurius with jit", rounds: figures.mercurius, target: 2 },
    { name: "GraphQL Yoga", rounds: figures.yoga, target: 6 },
  ];
  return [
    ...rivals.map((rival) => comparedPerCpuSecond(NAME, figures.ours, rival)),
    ...rivals.map((rival) => comparedPerSecond(NAME, figures.ours, rival)),
    ...rivals.map((rival) => ({
      ...comparedPerCpuSecond(`${NAME}, no two posts alike`, figures.executed, rival),
      target: null,
    })),
    ...latencies(NAME, figures.ours),
  ];
}
