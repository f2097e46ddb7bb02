/** The dashboard's question as PostGraphile is asked it, and what its answer and ours have in common. */
import type { DashboardAnswer } from "./dashboard-query.js";

/** Flat rows of days, without the days on which nothing happened, and without rates: less than the program answers. */
export const POSTGRAPHILE_QUERY = `query Dashboard($first: Int!, $zone: String!, $fromDay: String!, $beforeDay: String!) {
  campaigns: allCampaignsList(first: $first, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]) {
    rowId
    name
    firstSentAt
    totals {
      uniqueSent
      uniqueDelivered
      opened
      uniqueOpened
      clicked
      uniqueClicked
    }
    days(condition: { basis: "EVENT", timeZone: $zone, fromDay: $fromDay, beforeDay: $beforeDay }, orderBy: [DAY_ASC]) {
      day
      uniqueDelivered
      uniqueOpened
      uniqueClicked
    }
  }
}`;

interface DayRow {
  readonly day: string;
  readonly uniqueDelivered: string;
  readonly uniqueOpened: string;
  readonly uniqueClicked: string;
}

export interface PostgraphileAnswer {
  readonly data: {
    readonly campaigns: readonly {
      readonly rowId: string;
      readonly name: string;
      readonly firstSentAt: string | null;
      readonly totals: Readonly<
        Record<"uniqueSent" | "uniqueDelivered" | "opened" | "uniqueOpened" | "clicked" | "uniqueClicked", string>
      >;
      readonly days: readonly DayRow[];
    }[];
  };
}

type Counts = readonly number[];

/** A campaign's numbers: totals, and the days on which anything happened. */
interface CommonCampaign {
  readonly name: string;
  readonly sentAtMs: number | null;
  readonly totals: Counts;
  readonly days: readonly Counts[];
}

export function commonPartOf({ data }: DashboardAnswer): CommonCampaign[] {
  return data.campaigns.nodes.map(({ name, sentAt, metrics, series }) => ({
    name,
    sentAtMs: sentAt === null ? null : Date.parse(sentAt),
    totals: [
      metrics.sent.unique,
      metrics.delivered.unique,
      metrics.opened.total,
      metrics.opened.unique,
      metrics.clicked.total,
      metrics.clicked.unique,
    ],
    days: series
      .map(({ metrics: day }) => [day.delivered.unique, day.opened.unique, day.clicked.unique])
      .filter(isSomething),
  }));
}

export function commonPartOfPostgraphile({ data }: PostgraphileAnswer): CommonCampaign[] {
  return data.campaigns.map(({ name, firstSentAt, totals, days }) => ({
    name,
    sentAtMs: firstSentAt === null ? null : Date.parse(firstSentAt),
    totals: [
      totals.uniqueSent,
      totals.uniqueDelivered,
      totals.opened,
      totals.uniqueOpened,
      totals.clicked,
      totals.uniqueClicked,
    ].map(Number),
    days: days.map((day) => [day.uniqueDelivered, day.uniqueOpened, day.uniqueClicked].map(Number)).filter(isSomething),
  }));
}

/** A day may have a row for what is not asked for here. */
function isSomething(counts: Counts): boolean {
  return counts.some((count) => count !== 0);
}
