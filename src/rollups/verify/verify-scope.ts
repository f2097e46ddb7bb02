/** Which campaigns a verification has to count, in portions that it can hold. */
import type { Session } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import { EVENT_TABLE_NAMES } from "../../events/event-tables.js";
import type { CampaignId, TenantId } from "../../ids.js";
import { formatInstant } from "../../time/instant.js";
import { type TimeRange, widenToQuarterHours } from "../../time/range.js";
import { localDate, localDayNumber, startOfDayNumber, type TimeZoneId } from "../../time/time-zone.js";
import type { Bucket } from "./rollup-sums.js";

type CampaignRow = { readonly campaign_id: CampaignId };

const findInLog = defineStatement<"events", [TenantId, from: string, to: string], CampaignRow>(
  "events",
  "verify.find_campaigns_in_log",
  EVENT_TABLE_NAMES.map(
    (table) => `select campaign_id from ${table} where tenant_id = $1 and occurred_at >= $2 and occurred_at < $3`,
  ).join(" union "),
);

const findInBuckets = defineStatement<"metrics", [TenantId, string, string, string, string, TimeZoneId], CampaignRow>(
  "metrics",
  "verify.find_campaigns_in_buckets",
  [
    ...["campaign_quarter_hours", "campaign_quarter_hour_revenue", "campaign_link_quarter_hours"].map(
      (table) => `select campaign_id from ${table} where tenant_id = $1 and bucket_start >= $2 and bucket_start < $3`,
    ),
    ...["campaign_days", "campaign_day_revenue", "campaign_link_days"].map(
      (table) => `select campaign_id from ${table} where tenant_id = $1 and day >= $4 and day <= $5 and time_zone = $6`,
    ),
  ].join(" union "),
);

const findInTotals = defineStatement<"metrics", [TenantId], CampaignRow>(
  "metrics",
  "verify.find_campaigns_in_totals",
  [
    ...["campaign_totals", "campaign_total_revenue", "campaign_links"].map(
      (table) => `select campaign_id from ${table} where tenant_id = $1`,
    ),
    "select id from campaigns where tenant_id = $1 and first_sent_at is not null",
  ].join(" union "),
);

const countEvents = defineStatement<"events", [TenantId, readonly CampaignId[]], CampaignRow & { events: number }>(
  "events",
  "verify.count_events",
  `select campaign_id, sum(events)::bigint as events from (
     ${EVENT_TABLE_NAMES.map(
       (table) =>
         `select campaign_id, count(*) as events from ${table}
            where tenant_id = $1 and campaign_id = any ($2::uuid[]) group by campaign_id`,
     ).join(" union all ")}
   ) as counted group by campaign_id`,
);

/** The buckets to compare: quarter-hours that the range touches, and local days. Without a range all of them. */
export class VerifiedBuckets {
  readonly #bounds: { readonly quarters: TimeRange; readonly firstDay: string; readonly lastDay: string } | null;
  readonly #wholeDays: TimeRange | null;

  constructor(range: TimeRange | undefined, zone: TimeZoneId) {
    if (range === undefined) {
      this.#bounds = this.#wholeDays = null;
      return;
    }
    const quarters = widenToQuarterHours(range);
    const last = (quarters.to - 1) as TimeRange["to"];
    this.#bounds = { quarters, firstDay: localDate(quarters.from, zone), lastDay: localDate(last, zone) };
    this.#wholeDays = {
      from: startOfDayNumber(localDayNumber(quarters.from, zone), zone),
      to: startOfDayNumber(localDayNumber(last, zone) + 1, zone),
    };
  }

  includes(bucket: Bucket): boolean {
    if (this.#bounds === null || bucket === null) return true;
    const { quarters, firstDay, lastDay } = this.#bounds;
    if (typeof bucket === "number") return bucket >= quarters.from && bucket < quarters.to;
    return bucket >= firstDay && bucket <= lastDay;
  }

  /** The time that the days cover, as PostgreSQL reads it: [from, to) and the first and last day. */
  get sqlBounds(): readonly [from: string, to: string, firstDay: string, lastDay: string] {
    if (this.#bounds === null || this.#wholeDays === null) return ["-infinity", "infinity", "-infinity", "infinity"];
    const { from, to } = this.#wholeDays;
    return [formatInstant(from), formatInstant(to), this.#bounds.firstDay, this.#bounds.lastDay];
  }

  get areAll(): boolean {
    return this.#bounds === null;
  }
}

/** The campaigns that the log or the rollups hold anything of in these buckets. All others are zero on both sides. */
export async function findCampaigns(
  log: Session<"events">,
  rollups: Session<"metrics">,
  tenantId: TenantId,
  zone: TimeZoneId,
  buckets: VerifiedBuckets,
): Promise<CampaignId[]> {
  const [from, to, firstDay, lastDay] = buckets.sqlBounds;
  const rows = [
    ...(await log.run(findInLog(tenantId, from, to))),
    ...(await rollups.run(findInBuckets(tenantId, from, to, firstDay, lastDay, zone))),
    ...(buckets.areAll ? await rollups.run(findInTotals(tenantId)) : []),
  ];
  return [...new Set(rows.map((row) => row.campaign_id))];
}

/** So many events are counted at a time, or one campaign that has more: a million of them took 313 MB in all. */
const EVENTS_AT_A_TIME = 100_000;

export interface Portion {
  readonly campaignIds: readonly CampaignId[];
  readonly events: number;
}

/** Cuts campaigns into portions of so many events. */
export async function cutIntoPortions(
  log: Session<"events">,
  tenantId: TenantId,
  campaignIds: readonly CampaignId[],
  eventsAtATime = EVENTS_AT_A_TIME,
): Promise<Portion[]> {
  const counted = await log.run(countEvents(tenantId, campaignIds));
  const events = new Map(counted.map((row) => [row.campaign_id, row.events]));
  const portions: { campaignIds: CampaignId[]; events: number }[] = [];
  for (const id of campaignIds.toSorted()) {
    const own = events.get(id) ?? 0;
    const last = portions.at(-1);
    // Campaigns without events weigh something as well: their rows, if only in the rollups, are read.
    if (last === undefined || last.events + own > eventsAtATime || last.campaignIds.length >= 1_000) {
      portions.push({ campaignIds: [id], events: own });
    } else {
      last.campaignIds.push(id);
      last.events += own;
    }
  }
  return portions;
}
