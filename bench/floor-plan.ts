/**
 * What the floor of `reads` sends: the program's own statements, taken down while the program's own readers run them, so that
 * they are the same to the letter whatever becomes of them.
 */
import { createSecretKey } from "node:crypto";
import { pino } from "pino";
import { NO_CAMPAIGN_FILTER } from "../src/campaigns/campaign-filter.js";
import { NEWEST_CAMPAIGNS_FIRST } from "../src/campaigns/campaign-order.js";
import { readCampaignPage } from "../src/campaigns/campaign-pages.js";
import { Pool, type Preamble, type Session, type Transaction } from "../src/database/pool.js";
import type { Statement } from "../src/database/statement.js";
import type { TenantId } from "../src/ids.js";
import { readCampaignBuckets } from "../src/metrics/campaign-buckets.js";
import { readCampaignTotals } from "../src/metrics/campaign-totals.js";
import { measuresOf } from "../src/metrics/kpi.js";
import { chooseRollups } from "../src/metrics/rollup-choice.js";
import { Cursors } from "../src/pages/cursors.js";
import { readPageArguments } from "../src/pages/page-arguments.js";
import { TenantReads } from "../src/tenancy/transactions.js";
import { bucketBoundaries } from "../src/time/buckets.js";
import { formatInstant } from "../src/time/instant.js";
import {
  DASHBOARD_CAMPAIGNS,
  DASHBOARD_SERIES,
  DASHBOARD_TOTALS,
  DASHBOARD_VIEW,
  DASHBOARD_ZONE,
  type DashboardRange,
} from "./dashboard-query.js";
import { SECRET } from "./scene/scene.js";

export interface FloorStatement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
  /** Which of the values are the campaigns that the first statement found; null in the first. */
  readonly idsAt: number | null;
}

export interface FloorPlan {
  /** BEGIN, role, limits and tenant, in one string. */
  readonly preamble: string;
  readonly campaigns: FloorStatement;
  readonly totals: FloorStatement;
  readonly buckets: FloorStatement;
  /** When each point begins, and the point of each slot that the buckets name, from slot 1 on. */
  readonly starts: readonly string[];
  readonly pointOfSlot: readonly (number | null)[];
  /** What stands where in a row of the totals, and of the buckets. */
  readonly totalMeasures: readonly string[];
  readonly bucketMeasures: readonly string[];
}

class ListeningPool extends Pool<"metrics"> {
  preamble: string | null = null;

  override begin(preamble: Preamble): Promise<Transaction<"metrics">> {
    this.preamble = preamble;
    return super.begin(preamble);
  }
}

export async function floorPlan(
  metricsUrl: string,
  tenantId: TenantId,
  range: DashboardRange,
  { statementTimeoutMs }: { readonly statementTimeoutMs: number },
): Promise<FloorPlan> {
  const pool = new ListeningPool({
    database: "metrics",
    url: metricsUrl,
    maxConnections: 1,
    waitTimeoutMs: 10_000,
    requestStatementTimeoutMs: statementTimeoutMs,
    preparedStatements: true,
    log: pino({ level: "warn" }, pino.destination(2)),
  });
  const reads = new TenantReads(pool, tenantId);
  const heard: Statement<"metrics", unknown>[] = [];
  const session: Session<"metrics"> = {
    run: (statement) => {
      heard.push(statement);
      return reads.run(statement);
    },
  };
  try {
    const totalSet = measuresOf(DASHBOARD_TOTALS, DASHBOARD_VIEW);
    const bucketSet = measuresOf(DASHBOARD_SERIES, DASHBOARD_VIEW);
    const page = readPageArguments({ first: DASHBOARD_CAMPAIGNS });
    const cursors = new Cursors(createSecretKey(Buffer.from(SECRET)));
    const found = await readCampaignPage(session, tenantId, NO_CAMPAIGN_FILTER, NEWEST_CAMPAIGNS_FIRST, page, cursors);
    const ids = found.edges.map(({ node }) => node.id);
    const boundaries = bucketBoundaries(range, "DAY", DASHBOARD_ZONE, 1_000);
    const rollups = chooseRollups(boundaries, DASHBOARD_ZONE);
    if (rollups.days === null || rollups.quarters !== null) throw new Error("The range is whole days");
    await readCampaignTotals(session, tenantId, ids, totalSet);
    await readCampaignBuckets(session, tenantId, ids, rollups, "EVENT", bucketSet);

    const [campaigns, totals, buckets] = heard.map((statement) => floorStatement(statement, ids));
    if (heard.length !== 3 || !campaigns || !totals || !buckets || pool.preamble === null) {
      throw new Error("The program reads a dashboard with other statements than the floor knows to answer from");
    }
    const starts = boundaries.slice(0, -1).map(formatInstant);
    return {
      preamble: pool.preamble,
      campaigns,
      totals,
      buckets,
      starts,
      pointOfSlot: rollups.days.buckets,
      totalMeasures: totalSet.measures,
      bucketMeasures: bucketSet.measures,
    };
  } finally {
    await reads.end();
    await pool.stop();
  }
}

function floorStatement({ name, text, values }: Statement<"metrics", unknown>, ids: readonly string[]): FloorStatement {
  const at = values.findIndex((value) => Array.isArray(value) && value.length === ids.length && value[0] === ids[0]);
  return { name, text, values, idsAt: at === -1 ? null : at };
}
