/**
 * `reads`: the dashboard's question over HTTP, loaded from PostgreSQL in every request, under row-level security.
 *
 * Against the floor (the same statements through pg alone, see peers/floor.ts) and PostGraphile 5 over the same tables. What
 * they do not do and the program does: check the key, and read the tenant's version and zones.
 *
 * No cache: the process keeps nothing (CACHE_MEMORY_MB=0, and all times to live are 0), and each connection has a key of an
 * authority of its own, so that two requests under way at once cannot share one load either. That is tested before anything
 * is measured: the rollups must be scanned as often as so many single requests would.
 */
import { isDeepStrictEqual } from "node:util";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { Client } from "pg";
import type { Benchmark, Row } from "./benchmark.js";
import {
  DASHBOARD_CAMPAIGNS,
  type DashboardAnswer,
  type DashboardRange,
  dashboardBody,
  DASHBOARD_ZONE,
} from "./dashboard-query.js";
import { floorPlan } from "./floor-plan.js";
import { alternate } from "./measure/alternate.js";
import { comparedPerCpuSecond, comparedPerSecond, comparedRounds, latencies } from "./measure/load-rows.js";
import { load, type LoadFigures, repeatableLoad } from "./measure/load.js";
import { ask, type MeasuredServer, startPeer, startServe } from "./measure/server.js";
import { inTurn, startCopies, turnsOf } from "./measure/turns.js";
import { localDate } from "../src/time/time-zone.js";
import {
  commonPartOf,
  commonPartOfPostgraphile,
  POSTGRAPHILE_QUERY,
  type PostgraphileAnswer,
} from "./postgraphile-query.js";
import { type DashboardScene, openDashboardScene } from "./scene/dashboard-scene.js";
import type { Scene } from "./scene/scene.js";

const CONNECTIONS = [16, 64] as const;
const LOAD_SECONDS = 2;
/** Until then V8 compiles: of 10,000 requests the first thousand take ours 1.9 times and the floor 1.7 times what the last one takes. */
const WARMING_SECONDS = 3;
/** The same for all: the program's own default. */
const POOL_SIZE = "10";
const STATEMENT_TIMEOUT_MS = 10_000;
const UNCACHED = {
  CACHE_MEMORY_MB: "0",
  CACHE_NOW_TTL_SECONDS: "0",
  CACHE_RECENT_TTL_SECONDS: "0",
  CACHE_CLOSED_TTL_SECONDS: "0",
  DATABASE_POOL_SIZE: POOL_SIZE,
  STATEMENT_TIMEOUT_MS: String(STATEMENT_TIMEOUT_MS),
} as const;

type Headers = Readonly<Record<string, string>>;

interface Contender {
  /** Copies of one program. */
  readonly servers: readonly [MeasuredServer, ...MeasuredServer[]];
  readonly headers: readonly Headers[];
  readonly body: string;
}

export const reads: Benchmark = {
  name: "reads",
  about: "20 campaigns, their metrics and a 30-day series, without a cache: against raw pg and PostGraphile",
  run: measureReads,
};

async function measureReads(scene: Scene): Promise<Row[]> {
  const dashboard = await openDashboardScene(scene);
  const { rounds, copies } = turnsOf(scene);
  await assertNothingIsShared(scene, dashboard, await startContenders(scene, dashboard, 1));
  const contenders = await startContenders(scene, dashboard, copies);
  await assertSameAnswers(scene, contenders);

  const postgres = await scene.postgresPid();
  for (const { servers, headers, body } of Object.values(contenders)) {
    for (const { url, process } of servers) {
      await load({ url, connections: 16, headers, body, seconds: WARMING_SECONDS, pids: [process.pid] });
    }
  }
  const variants = Object.fromEntries(
    CONNECTIONS.flatMap((connections) =>
      Object.entries<Contender>(contenders).map(([name, { servers, headers, body }]) => {
        const loads = servers.map(({ url, process }) => {
          const pids = [process.pid, postgres];
          return repeatableLoad({ url, connections, headers, body, seconds: LOAD_SECONDS, pids });
        });
        return [`${name} ${connections}`, inTurn(loads)];
      }),
    ),
  );
  const figures = await alternate(variants, rounds, { warmUpRounds: copies });
  return CONNECTIONS.flatMap((connections) => {
    const of = (name: keyof Contenders) => figures[`${name} ${connections}`] ?? [];
    return rowsOf(connections, { ours: of("ours"), floor: of("floor"), postgraphile: of("postgraphile") });
  });
}

type Contenders = Readonly<Record<"ours" | "floor" | "postgraphile", Contender>>;

async function startContenders(
  scene: Scene,
  { databases, range, readers, tenantIds }: DashboardScene,
  copies: number,
): Promise<Contenders> {
  const plans = Object.fromEntries(
    await Promise.all(
      tenantIds.map(async (id) => [
        id,
        await floorPlan(databases.metricsUrl, id, range, { statementTimeoutMs: STATEMENT_TIMEOUT_MS }),
      ]),
    ),
  ) as Record<string, unknown>;
  const plansFile = path.join(scene.folder, "floor-plans.json");
  writeFileSync(plansFile, JSON.stringify(plans));
  const peer = { METRICS_DATABASE_URL: databases.metricsUrl, POOL_SIZE };
  const [ours, floor, postgraphile] = await Promise.all([
    startCopies(copies, () => startServe(scene, databases, UNCACHED)),
    startCopies(copies, () => startPeer(scene, "floor", { ...peer, FLOOR_PLANS: plansFile })),
    startCopies(copies, () => startPeer(scene, "postgraphile", peer)),
  ]);
  const keys = readers.map(({ key }) => ({ authorization: `Bearer ${key}` }));
  const tenants = readers.map(({ tenantId }) => ({ "x-tenant-id": tenantId }));
  const body = dashboardBody(range);
  return {
    ours: { servers: ours, headers: keys, body },
    floor: { servers: floor, headers: tenants, body },
    postgraphile: { servers: postgraphile, headers: tenants, body: postgraphileBody(range) },
  };
}

function postgraphileBody({ from, to }: DashboardRange): string {
  const variables = {
    first: DASHBOARD_CAMPAIGNS,
    zone: DASHBOARD_ZONE,
    fromDay: localDate(from, DASHBOARD_ZONE),
    beforeDay: localDate(to, DASHBOARD_ZONE),
  };
  return JSON.stringify({ query: POSTGRAPHILE_QUERY, variables });
}

/** The floor answers the same data to the letter; PostGraphile the same numbers, in rows of its own shape and without the rates. */
async function assertSameAnswers(scene: Scene, { ours, floor, postgraphile }: Contenders): Promise<void> {
  for (const reader of [0, 1]) {
    const of = <Answer>({ servers: [{ url }], headers, body }: Contender) =>
      ask<Answer>(url, headers[reader] ?? {}, body);
    const [mine, floors, theirs] = await Promise.all([
      of<DashboardAnswer>(ours),
      of<DashboardAnswer>(floor),
      of<PostgraphileAnswer>(postgraphile),
    ]);
    const { nodes } = mine.answer.data.campaigns;
    const points = nodes.flatMap(({ series }) => series);
    const filled = points.filter(({ metrics }) => metrics.opened.unique > 0).length;
    if (nodes.length !== DASHBOARD_CAMPAIGNS || filled < points.length / 2) throw new Error("The dashboard is empty");
    if (!isDeepStrictEqual(mine.answer.data, floors.answer.data)) throw new Error("The floor answers something else");
    const common = commonPartOf(mine.answer);
    if (!isDeepStrictEqual(common, commonPartOfPostgraphile(theirs.answer))) {
      throw new Error("PostGraphile answers other numbers");
    }
    scene.say(
      `${filled} of ${points.length} points hold opens; bytes: ${mine.bytes}, floor ${floors.bytes}, PostGraphile ${theirs.bytes}`,
    );
  }
}

/**
 * Throws unless requests under way together scan the rollups as often as they would one by one, of ours and of whom we are
 * compared with. A server of its own for each, since a backend tells its counts when it ends at the latest, which may be a moment after
 * its client has.
 */
async function assertNothingIsShared(
  scene: Scene,
  { databases }: DashboardScene,
  contenders: Contenders,
): Promise<void> {
  const requests = 192;
  for (const [name, { servers, headers, body }] of Object.entries<Contender>(contenders)) {
    const [{ url, process }] = servers;
    const before = await dayScans(databases.metricsUrl);
    await load({ url, connections: 64, headers, body, requests, pids: [process.pid] });
    await process.stop();
    const expected = requests * DASHBOARD_CAMPAIGNS;
    const until = performance.now() + COUNTS_TOLD_WITHIN_MS;
    let scans = 0;
    while (scans < expected && performance.now() < until) scans = (await dayScans(databases.metricsUrl)) - before;
    const what = `${name}: ${requests} requests from 64 connections scanned the days of ${scans} campaigns`;
    if (scans < expected) throw new Error(`${what}: they share what they load`);
    scene.say(what);
  }
}

const COUNTS_TOLD_WITHIN_MS = 5_000;

async function dayScans(metricsUrl: string): Promise<number> {
  const client = new Client({ connectionString: metricsUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ scans: string }>(
      "select coalesce(idx_scan, 0) as scans from pg_stat_user_tables where relname = 'campaign_days'",
    );
    return Number(rows[0]?.scans);
  } finally {
    await client.end();
  }
}

type Rounds = readonly LoadFigures[];

function rowsOf(connections: number, { ours, floor, postgraphile }: Readonly<Record<keyof Contenders, Rounds>>): Row[] {
  const name = `reads, ${connections} connections`;
  const rivals = [
    { name: "raw pg", rounds: floor, target: 0.8 },
    { name: "PostGraphile 5", rounds: postgraphile, target: 2.5 },
  ];
  return [
    ...rivals.map((rival) => comparedPerCpuSecond(name, ours, rival)),
    ...rivals.map((rival) => comparedPerSecond(name, ours, rival)),
    ...rivals.flatMap((rival) => [
      comparedRounds(
        { name: `${name}: Node's part`, unit: "CPU ms", target: null },
        ours,
        rival,
        (figures) => figures.cpuMsPerRequestOf[0] ?? 0,
      ),
      comparedRounds(
        { name: `${name}: PostgreSQL's part`, unit: "CPU ms", target: null },
        ours,
        rival,
        (figures) => figures.cpuMsPerRequestOf[1] ?? 0,
      ),
    ]),
    ...latencies(name, ours),
  ];
}
