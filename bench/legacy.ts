/**
 * `legacy`: the dashboard of 20 campaigns from one table with five indexes, and from ours, as the table grows.
 *
 * The tenant has 100 campaigns, which grow with the table: at 25 million events each went to 100,000 people. The old
 * queries run as raw SQL in a prepared statement, by an administrator whom no policy slows, with all of the table that
 * fits in memory; ours is asked over HTTP with one connection, with an API key, as GraphQL, and answers totals and series at
 * once. So each advantage is the old design's. Cold: nothing of the answer is cached. Warm: asked a moment ago.
 */
import type { Benchmark, Row } from "./benchmark.js";
import { DASHBOARD_CAMPAIGNS, DASHBOARD_DAYS, type DashboardAnswer, dashboardBody } from "./dashboard-query.js";
import { GOOD_SERIES, GOOD_TOTALS, NAIVE_TOTALS } from "./legacy/legacy-queries.js";
import { fillLegacyTable } from "./legacy/legacy-table.js";
import { alternate, median } from "./measure/alternate.js";
import { millisecondsOf, post } from "./measure/latency.js";
import { ask, startServe } from "./measure/server.js";
import { EVENTS_PER_MESSAGE } from "./scene/event-kinds.js";
import { campaignsOf, fillHistory } from "./scene/history.js";
import type { Scene } from "./scene/scene.js";
import { createBenchTenant } from "./scene/tenant.js";
import { withClient } from "./scene/with-client.js";
import { instantFromMillis } from "../src/time/instant.js";
import { uuidOfGlobalId } from "../src/ids.js";

const DAY_MS = 86_400_000;
const GROUPS = 5;
const MILLION = 1_000_000;
/** Where the target is asked for. */
const FULL_EVENTS = 25 * MILLION;
const ROUNDS = 5;
const REQUESTS_A_ROUND = 30;

interface Figures {
  readonly events: number;
  /** Milliseconds. */
  readonly naive: number;
  readonly good: number;
  readonly series: number;
  readonly cold: number;
  readonly warm: number;
}

export const legacy: Benchmark = {
  name: "legacy",
  about: "the dashboard from one table with five indexes, and from ours, as it grows",
  async run(scene) {
    const sizes = scene.full ? [MILLION, 5 * MILLION, FULL_EVENTS] : [MILLION / 5, MILLION];
    const figures: Figures[] = [];
    for (const events of sizes) {
      figures.push(await measure(scene, events));
      scene.say(`legacy: ${label(events)} events are measured`);
    }
    return [...figures.flatMap(rowsOf), ...growthOf(figures)];
  },
};

async function measure(scene: Scene, events: number): Promise<Figures> {
  const end = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS);
  const start = new Date(end.getTime() - DASHBOARD_DAYS * DAY_MS);
  const messagesPerCampaign = events / EVENTS_PER_MESSAGE / GROUPS / DASHBOARD_CAMPAIGNS;
  const databases = await scene.createDatabases(`ours_${events}`);
  const oldUrl = await scene.createDatabase(`legacy_${events}`);
  const tenant = await createBenchTenant(databases, "legacy");
  const plan = { groups: GROUPS, campaignsPerGroup: DASHBOARD_CAMPAIGNS, messagesPerCampaign, end };
  const campaigns = campaignsOf(tenant, plan);
  await Promise.all([
    fillHistory(scene, databases, tenant, plan),
    fillLegacyTable(oldUrl, tenant.id, campaigns, messagesPerCampaign),
  ]);

  const cold = await startServe(scene, databases, { CACHE_MEMORY_MB: "0" });
  const warm = await startServe(scene, databases);
  const { headers } = tenant;
  const body = dashboardBody({ from: instantFromMillis(start.getTime()), to: instantFromMillis(end.getTime()) });
  const medians = await withClient(oldUrl, async (client) => {
    await client.query("set timezone = 'UTC'");
    const newest = [tenant.id, campaigns.slice(0, DASHBOARD_CAMPAIGNS).map(({ id }) => id)];
    const prepared = (name: string, text: string, values: readonly unknown[]) => () =>
      client.query<LegacyTotals>({ name, text, values: [...values] });
    const naive = prepared("naive", NAIVE_TOTALS, newest);
    const good = prepared("good", GOOD_TOTALS, newest);
    const { answer } = await ask<DashboardAnswer>(cold.url, headers, body);
    for (const { rows } of [await naive(), await good()]) assertSameTotals(answer, rows);
    const figures = await alternate(
      {
        naive: () => millisecondsOf(naive, 1),
        good: () => millisecondsOf(good, 1),
        series: () => millisecondsOf(prepared("series", GOOD_SERIES, [...newest, start, end]), 1),
        cold: () => millisecondsOf(() => post({ url: cold.url, headers, body }), REQUESTS_A_ROUND),
        warm: () => millisecondsOf(() => post({ url: warm.url, headers, body }), REQUESTS_A_ROUND),
      },
      ROUNDS,
    );
    return {
      naive: median(figures.naive),
      good: median(figures.good),
      series: median(figures.series),
      cold: median(figures.cold),
      warm: median(figures.warm),
    };
  });
  await Promise.all([cold.process.stop(), warm.process.stop()]);
  return { events, ...medians };
}

interface LegacyTotals {
  readonly id: string;
  readonly sent_unique: number;
  readonly opened_total: number;
  readonly opened_unique: number;
  readonly clicked_unique: number;
}

/** Both must have answered the same question. Delivered stands apart: only ours takes back what bounced afterwards. */
function assertSameTotals({ data }: DashboardAnswer, totals: readonly LegacyTotals[]): void {
  const ours = data.campaigns.nodes.map(({ id, metrics: { sent, opened, clicked } }) =>
    [uuidOfGlobalId("Campaign", id), sent.unique, opened.total, opened.unique, clicked.unique].join(),
  );
  const theirs = totals.map((row) =>
    [row.id, row.sent_unique, row.opened_total, row.opened_unique, row.clicked_unique].join(),
  );
  if (ours.length !== DASHBOARD_CAMPAIGNS || ours.toSorted().join(";") !== theirs.toSorted().join(";")) {
    throw new Error("The old table and ours answer different totals");
  }
}

function rowsOf({ events, naive, good, series, cold, warm }: Figures): Row[] {
  const at = `${label(events)} events`;
  const figure = { unit: "ms", against: null, ratio: null, target: null };
  return [
    { name: `${at}, naive totals`, value: naive, ...figure },
    { name: `${at}, well-written totals`, value: good, ...figure },
    { name: `${at}, well-written series`, value: series, ...figure },
    {
      name: `${at}, ours cold`,
      ...against("well-written, totals and series", good + series, cold),
      target: events === FULL_EVENTS ? { atLeast: 300 } : null,
    },
    { name: `${at}, ours cold`, ...against("naive totals, well-written series", naive + series, cold), target: null },
    { name: `${at}, ours warm`, ...against("well-written, totals and series", good + series, warm), target: null },
  ];
}

/** How much longer each takes with the most events than with the fewest. */
function growthOf(figures: readonly Figures[]): Row[] {
  const [first] = figures;
  const last = figures.at(-1);
  if (first === undefined || last === undefined || first === last) return [];
  const growth = (name: string, key: Exclude<keyof Figures, "events">): Row => ({
    name: `${name}, from ${label(first.events)} to ${label(last.events)} events`,
    value: last[key],
    unit: "ms",
    against: { name: label(first.events), value: first[key] },
    ratio: last[key] / first[key],
    target: null,
  });
  return [
    growth("naive totals", "naive"),
    growth("well-written totals", "good"),
    growth("well-written series", "series"),
    growth("ours cold", "cold"),
  ];
}

function label(events: number): string {
  return events >= MILLION ? `${events / MILLION}M` : `${events / 1000}k`;
}

function against(name: string, value: number, ours: number): Pick<Row, "value" | "unit" | "against" | "ratio"> {
  return { value: ours, unit: "ms", against: { name, value }, ratio: value / ours };
}
