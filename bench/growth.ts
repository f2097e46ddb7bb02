/**
 * `growth`: what a dashboard costs that nothing of is cached, with few events against many of one tenant, and with few
 * tenants against many. Two installations stand beside each other and are asked by turns; the cost is processor time of
 * `serve` and of PostgreSQL together for each request, and beside it how long one takes. One request at a time: of several
 * that ask the same at once, one reads for all.
 *
 * Events grow by campaigns of 50,000 events, 20 in a month, as months pass: the dashboard shows the newest 20 out of 20, or out of 100
 * (`--full`: 400). The tenants' requests go round all of them; what these hold is said in scene/many-tenants.ts.
 */
import type { Benchmark, Row } from "./benchmark.js";
import { DASHBOARD_CAMPAIGNS, DASHBOARD_DAYS, dashboardBody } from "./dashboard-query.js";
import { alternate, median } from "./measure/alternate.js";
import { compared } from "./measure/compared.js";
import { cpuSeconds } from "./measure/cpu-time.js";
import { answerTo } from "./measure/latency.js";
import { type MeasuredServer, startServe } from "./measure/server.js";
import { inTurn, startCopies, turnsOf } from "./measure/turns.js";
import { EVENTS_PER_MESSAGE } from "./scene/event-kinds.js";
import { fillHistory } from "./scene/history.js";
import { copyTenant } from "./scene/many-tenants.js";
import type { DatabasePair, Scene } from "./scene/scene.js";
import { type BenchTenant, createBenchTenant } from "./scene/tenant.js";
import { instantFromMillis } from "../src/time/instant.js";

const DAY_MS = 86_400_000;
const MILLION = 1_000_000;
const MESSAGES_PER_CAMPAIGN = 20_000;
const REQUESTS_A_ROUND = 100;
const MAX_GROWTH = { atMost: 1.15 };
/**
 * Every tenant is asked so often before anything is measured. None is new to the server then, nor are its pages to PostgreSQL's backends:
 * a page of shared memory that one touches for the first time costs it more than reading what is on it.
 */
const WARM_UP_PASSES = 2;

interface Installation {
  readonly servers: readonly MeasuredServer[];
  readonly headers: readonly BenchTenant["headers"][];
}

interface Cost {
  readonly cpuMs: number;
  readonly p50: number;
}

export const growth: Benchmark = {
  name: "growth",
  about: "the dashboard uncached, as events and tenants become more",
  async run(scene) {
    const end = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS);
    const start = new Date(end.getTime() - DASHBOARD_DAYS * DAY_MS);
    const body = dashboardBody({ from: instantFromMillis(start.getTime()), to: instantFromMillis(end.getTime()) });
    const many = scene.full ? 20 : 5;
    // The many events take as long as everything else together.
    const [more, { few, ten, thousand }] = await Promise.all([withEvents(scene, many, end), smaller(scene, end)]);
    const events = await compare(scene, { body, names: ["1M events", `${many}M events`] }, few, more);
    const tenants = await compare(scene, { body, names: ["10 tenants", "1,000 tenants"] }, ten, thousand);
    return [...events, ...tenants];
  },
};

async function smaller(scene: Scene, end: Date): Promise<Readonly<Record<"few" | "ten" | "thousand", Installation>>> {
  const few = await withEvents(scene, 1, end);
  const ten = await withTenants(scene, 10, end);
  return { few, ten, thousand: await withTenants(scene, 1_000, end) };
}

async function withEvents(scene: Scene, millions: number, end: Date): Promise<Installation> {
  const { databases, tenant } = await installationOf(scene, `events_${millions}`);
  const groups = (millions * MILLION) / (DASHBOARD_CAMPAIGNS * MESSAGES_PER_CAMPAIGN * EVENTS_PER_MESSAGE);
  const plan = { campaignsPerGroup: DASHBOARD_CAMPAIGNS, messagesPerCampaign: MESSAGES_PER_CAMPAIGN, end };
  await fillHistory(scene, databases, tenant, { ...plan, groups });
  return { servers: await startUncached(scene, databases), headers: [tenant.headers] };
}

async function withTenants(scene: Scene, count: number, end: Date): Promise<Installation> {
  const { databases, tenant } = await installationOf(scene, `tenants_${count}`);
  const plan = { groups: 1, campaignsPerGroup: DASHBOARD_CAMPAIGNS, messagesPerCampaign: 400, end };
  await fillHistory(scene, databases, tenant, plan);
  const others = await copyTenant(databases, tenant, count - 1);
  const headers = [tenant, ...others].map((one) => one.headers);
  return { servers: await startUncached(scene, databases), headers };
}

async function installationOf(scene: Scene, name: string): Promise<{ databases: DatabasePair; tenant: BenchTenant }> {
  const databases = await scene.createDatabases(name);
  return { databases, tenant: await createBenchTenant(databases, name.replaceAll("_", "-")) };
}

function startUncached(scene: Scene, databases: DatabasePair): Promise<MeasuredServer[]> {
  return startCopies(turnsOf(scene).copies, () => startServe(scene, databases, { CACHE_MEMORY_MB: "0" }));
}

async function compare(
  scene: Scene,
  { body, names: [few, many] }: { readonly body: string; readonly names: readonly [string, string] },
  small: Installation,
  large: Installation,
): Promise<Row[]> {
  const postgres = await scene.postgresPid();
  const { rounds, copies } = turnsOf(scene);
  const askersOf = ({ servers, headers }: Installation) =>
    servers.map(({ url, process }) => askerOf({ url, pids: [process.pid, postgres], headers, body }));
  const [askersOfSmall, askersOfLarge] = [askersOf(small), askersOf(large)];
  for (const ask of [...askersOfSmall, ...askersOfLarge]) await ask.warmUp();
  const costs = await alternate(
    { small: inTurn(askersOfSmall.map(({ round }) => round)), large: inTurn(askersOfLarge.map(({ round }) => round)) },
    rounds,
    { warmUpRounds: copies },
  );
  await Promise.all([...small.servers, ...large.servers].map(({ process }) => process.stop()));
  scene.say(`growth: ${few} and ${many} are compared`);
  const row = (name: string, unit: string, of: (cost: Cost) => number): Row =>
    compared({ name, unit, target: MAX_GROWTH }, costs.large.map(of), { name: few, figures: costs.small.map(of) });
  return [
    row(`reads with ${many}`, "CPU ms a request", ({ cpuMs }) => cpuMs),
    row(`reads with ${many}, p50`, "ms", ({ p50 }) => p50),
  ];
}

interface Asked {
  readonly url: string;
  /** Whose processor time counts. */
  readonly pids: readonly number[];
  readonly headers: Installation["headers"];
  readonly body: string;
}

/** Asks for one tenant after the other, and in the next round for those that come next. */
function askerOf({ url, pids, headers, body }: Asked) {
  let next = 0;
  const costOf = async (requests: number): Promise<Cost> => {
    const figures: number[] = [];
    const before = cpuSeconds(pids);
    for (let request = 0; request < requests; request++) {
      const own = headers[next++ % headers.length] ?? {};
      const started = performance.now();
      const { text } = await answerTo({ url, headers: own, body });
      figures.push(performance.now() - started);
      if (!text.startsWith('{"data":{"campaigns":{"nodes":[{'))
        throw new Error(`No dashboard: ${text.slice(0, 1_000)}`);
    }
    return { cpuMs: ((cpuSeconds(pids) - before) * 1000) / requests, p50: median(figures) };
  };
  return {
    warmUp: () => costOf(WARM_UP_PASSES * headers.length),
    round: () => costOf(REQUESTS_A_ROUND),
  };
}
