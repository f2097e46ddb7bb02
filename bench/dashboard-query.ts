/**
 * The question that `reads` and `cached` ask, everywhere the same: a dashboard's first page. 20 campaigns with what was sent,
 * delivered, opened and clicked of each and two rates, and each one's last 30 days of three unique counts: 2,620 leaves.
 */
import type { MetricsPath, View } from "../src/metrics/kpi.js";
import type { EpochMicros } from "../src/time/instant.js";
import { formatInstant, instantFromMillis } from "../src/time/instant.js";
import { localDayNumber, startOfDayNumber, type TimeZoneId } from "../src/time/time-zone.js";

export const DASHBOARD_CAMPAIGNS = 20;
export const DASHBOARD_DAYS = 30;
/** Of the tenants that ask: one with daylight saving. */
export const DASHBOARD_ZONE = "Europe/Berlin" as TimeZoneId;

const DASHBOARD_QUERY = `query Dashboard($first: Int!, $range: DateTimeRange!) {
  campaigns(first: $first) {
    nodes {
      id
      name
      sentAt
      metrics {
        sent { unique }
        delivered { unique }
        opened { total unique }
        clicked { total unique }
        openRate { value }
        clickRate { value }
      }
      series(range: $range, granularity: DAY) {
        start
        metrics {
          delivered { unique }
          opened { unique }
          clicked { unique }
        }
      }
    }
  }
}`;

export const DASHBOARD_VIEW: View = { traffic: "ALL", rates: "DEFAULT" };

/** What it asks of a campaign's totals, and of each of its days. */
export const DASHBOARD_TOTALS: readonly MetricsPath[] = [
  ["sent", "unique"],
  ["delivered", "unique"],
  ["opened", "total"],
  ["opened", "unique"],
  ["clicked", "total"],
  ["clicked", "unique"],
  ["openRate", "value"],
  ["clickRate", "value"],
];
export const DASHBOARD_SERIES: readonly MetricsPath[] = [
  ["delivered", "unique"],
  ["opened", "unique"],
  ["clicked", "unique"],
];

export interface DashboardRange {
  readonly from: EpochMicros;
  readonly to: EpochMicros;
}

/** Whole local days up to the end of today: what a dashboard asks for that says "last 30 days". */
export function dashboardRange(now: EpochMicros = instantFromMillis(Date.now())): DashboardRange {
  const tomorrow = localDayNumber(now, DASHBOARD_ZONE) + 1;
  return {
    from: startOfDayNumber(tomorrow - DASHBOARD_DAYS, DASHBOARD_ZONE),
    to: startOfDayNumber(tomorrow, DASHBOARD_ZONE),
  };
}

/** What is posted. */
export function dashboardBody({ from, to }: DashboardRange): string {
  const range = { from: formatInstant(from), to: formatInstant(to) };
  return JSON.stringify({ query: DASHBOARD_QUERY, variables: { first: DASHBOARD_CAMPAIGNS, range } });
}

interface Unique {
  readonly unique: number;
}
interface Tally extends Unique {
  readonly total: number;
}
interface Rate {
  readonly value: number | null;
}

/** A campaign of the answer. */
export interface DashboardCampaign {
  readonly id: string;
  readonly name: string;
  readonly sentAt: string | null;
  readonly metrics: {
    readonly sent: Unique;
    readonly delivered: Unique;
    readonly opened: Tally;
    readonly clicked: Tally;
    readonly openRate: Rate;
    readonly clickRate: Rate;
  };
  readonly series: readonly {
    readonly start: string;
    readonly metrics: { readonly delivered: Unique; readonly opened: Unique; readonly clicked: Unique };
  }[];
}

export interface DashboardAnswer {
  readonly data: { readonly campaigns: { readonly nodes: readonly DashboardCampaign[] } };
}
