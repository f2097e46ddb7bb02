/**
 * What a busy day brings, in turns of twenty requests: dashboards (four, of which some are asked again and again and some are
 * new), pages of events (four), KPIs (four), campaign lists (three), events to record (two calls of 50), faults (two) and
 * the schema (one). Each answer is looked at: faults must be refused, all else must be answered.
 */
import { encodeGlobalId } from "../../src/ids.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { dashboardBody } from "../dashboard-query.js";
import { answerTo } from "./latency.js";

export interface MixOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly campaignIds: readonly string[];
  readonly end: Date;
}

const DAY_MS = 86_400_000;
const EVENTS_A_CALL = 50;
const MAX_DAYS_BACK = 40;

const KPIS = `query Kpis($range: DateTimeRange!) {
  kpis(range: $range, compareTo: PREVIOUS_PERIOD) {
    metrics { sent { total } opened { unique } openRate { value } revenue { amount currency } }
    series(granularity: DAY) { start metrics { sent { total } clicked { unique } } }
  }
}`;
const CAMPAIGNS = `query Campaigns($search: String) {
  campaigns(first: 50, filter: { search: $search }, orderBy: { field: OPEN_RATE, direction: DESC }) {
    totalCount edges { cursor node { id name tags sentAt } } pageInfo { hasNextPage endCursor }
  }
}`;
const EVENTS = `query Events($filter: EventFilter!) {
  events(filter: $filter, first: 50) {
    nodes { id type occurredAt recipient eventId campaign { name } } pageInfo { endCursor }
  }
}`;
const CAMPAIGN_EVENTS = `query CampaignEvents($id: ID!) {
  campaign(id: $id) { name events(first: 50) { nodes { id type occurredAt recipient } pageInfo { endCursor } } }
}`;
const RECORD = `mutation Record($input: RecordEventsInput!) {
  recordEvents(input: $input) { acceptedCount receipt { id } refused { index code message } }
}`;
const SCHEMA = "{ __schema { types { name description fields { name args { name } type { name kind } } } } }";

export class MixedRequests {
  readonly #options: MixOptions;
  sent = 0;

  constructor(options: MixOptions) {
    this.#options = options;
  }

  /** So many requests over so many connections. */
  async send(count: number, connections: number): Promise<void> {
    const until = this.sent + count;
    const one = async (): Promise<void> => {
      while (this.sent < until) await this.#sendOne(this.sent++);
    };
    await Promise.all(Array.from({ length: connections }, one));
  }

  async #sendOne(number: number): Promise<void> {
    const { url, headers } = this.#options;
    const { body, isFault = false } = this.#request(number);
    const { status, text } = await answerTo({ url, headers, body });
    if (text.includes('"errors":[') === isFault && (isFault || status === 200)) return;
    throw new Error(`Of the mixed requests one was answered with ${status}: ${text.slice(0, 1_000)}`);
  }

  #request(number: number): { readonly body: string; readonly isFault?: boolean } {
    const { campaignIds, end } = this.#options;
    const turn = Math.floor(number / 20);
    const campaign = encodeGlobalId("Campaign", campaignIds[turn % campaignIds.length] ?? "");
    const daysBack = turn % MAX_DAYS_BACK;
    const to = end.getTime() - daysBack * DAY_MS;
    const range = { from: new Date(to - 30 * DAY_MS).toISOString(), to: new Date(to).toISOString() };
    switch (number % 20) {
      case 0:
      case 5:
        return {
          body: dashboardBody({
            from: instantFromMillis(end.getTime() - 30 * DAY_MS),
            to: instantFromMillis(end.getTime()),
          }),
        };
      case 10:
      case 15:
        return { body: dashboardBody({ from: instantFromMillis(to - 30 * DAY_MS), to: instantFromMillis(to) }) };
      case 1:
      case 6:
        return plain(EVENTS, { filter: { occurredAt: range } });
      case 11:
        return plain(EVENTS, { filter: { occurredAt: range, types: ["OPENED"] } });
      case 16:
        return plain(CAMPAIGN_EVENTS, { id: campaign });
      case 2:
      case 7:
      case 12:
      case 17:
        return plain(KPIS, { range });
      case 3:
      case 8:
        return plain(CAMPAIGNS);
      case 13:
        return plain(CAMPAIGNS, { search: String(turn % 100) });
      case 4:
      case 14:
        return plain(RECORD, { input: { events: eventsOf(number, end) } });
      case 9:
        return { ...plain("{ viewer { tenant { nothing } } }"), isFault: true };
      case 18:
        return { ...plain(EVENTS, { filter: { occurredAt: { from: range.to, to: range.from } } }), isFault: true };
      default:
        return plain(SCHEMA);
    }
  }
}

function eventsOf(number: number, end: Date): unknown[] {
  return Array.from({ length: EVENTS_A_CALL }, (_, place) => ({
    type: place % 3 === 0 ? "OPENED" : "SENT",
    campaignExternalId: `mixed-${number % 50}`,
    recipient: `reader-${(number * EVENTS_A_CALL + place) % 200_000}@example.org`,
    occurredAt: new Date(end.getTime() - DAY_MS + ((number * 997 + place * 13) % DAY_MS)).toISOString(),
    metadata: { number, place },
  }));
}

function plain(query: string, variables: Readonly<Record<string, unknown>> = {}): { readonly body: string } {
  return { body: JSON.stringify({ query, variables }) };
}
