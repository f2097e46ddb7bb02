/** A tenant with a little of everything, and one wrong number for every column of rollups that a test can break. */
import { defineStatement } from "../../src/database/statement.js";
import { type CampaignId, hashToUuid } from "../../src/ids.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { type EpochMicros, parseInstant } from "../../src/time/instant.js";
import type { TimeZoneId } from "../../src/time/time-zone.js";
import {
  acceptedEvent,
  createTenant,
  projectMessages,
  recordEvents,
  type TestPools,
  type TestTenant,
} from "./rollup-scene.js";

/** Half an hour off the hours, and its clock turns back in the night of the events. */
export const ZONE = "America/St_Johns" as TimeZoneId;

export function at(text: string): EpochMicros {
  const instant = parseInstant(text);
  if (instant === null) throw new Error(`Not a time: ${text}`);
  return instant;
}

export function campaignOf(tenant: TestTenant, index: number): CampaignId {
  const id = tenant.campaignIds[index];
  if (id === undefined) throw new Error(`The tenant has no campaign ${index}`);
  return id;
}

/** A tenant with a little of everything, all of it projected. */
export async function createScene(pools: TestPools): Promise<TestTenant> {
  const tenant = await createTenant(pools, ZONE, 2);
  const [campaignId, other] = [campaignOf(tenant, 0), campaignOf(tenant, 1)];
  const occurredAt = at("2026-11-05T10:07:00Z");
  const ann = { campaignId, recipient: "ann", occurredAt };
  await recordEvents(pools, tenant.tenantId, [
    acceptedEvent({ ...ann, type: "SENT" }),
    acceptedEvent({ ...ann, type: "OPENED", traffic: "HUMAN" }),
    acceptedEvent({ ...ann, type: "CLICKED", traffic: "MACHINE", url: "https://example.org/a" }),
    acceptedEvent({ ...ann, type: "CONVERTED", amount: "12.50", currency: "USD" }),
    acceptedEvent({ type: "SENT", campaignId: other, recipient: "bob", occurredAt: at("2026-11-07T00:00:00Z") }),
  ]);
  await projectMessages(pools);
  return tenant;
}

export interface Damage {
  readonly table: string;
  readonly measure: string;
  readonly found: string;
  readonly basis: string | null;
  readonly bucket: string | null;
  /** $1 is the tenant, $2 its first campaign. */
  readonly sql: string;
}

const quarter = "2026-11-05T10:00:00.000Z";
const day = "2026-11-05";
const campaign = "tenant_id = $1 and campaign_id = $2";
const tenant = "tenant_id = $1";

const damaged = (
  table: string,
  measure: string,
  where: string,
  basis: "EVENT" | "SEND" | null,
  bucket: string | null,
): Damage => {
  const column = table.endsWith("revenue") ? "amount" : measure;
  const ofBasis = basis === null ? "" : ` and basis = '${basis}' and ${column} <> 0`;
  return {
    table,
    measure,
    found: "7",
    basis,
    bucket,
    sql: `update ${table} set ${column} = '7' where ${where}${ofBasis}`,
  };
};

export const DAMAGES: readonly Damage[] = [
  damaged("campaign_quarter_hours", "opened", campaign, "SEND", quarter),
  damaged("campaign_days", "unique_opened", campaign, "EVENT", day),
  damaged("campaign_totals", "unique_delivered", campaign, null, null),
  damaged("campaign_quarter_hour_revenue", "USD", campaign, "EVENT", quarter),
  damaged("campaign_day_revenue", "USD", campaign, "SEND", day),
  damaged("campaign_total_revenue", "USD", campaign, null, null),
  damaged("campaign_link_quarter_hours", "clicked", campaign, "SEND", quarter),
  damaged("campaign_link_days", "unique_clicked", campaign, "EVENT", day),
  damaged("campaign_links", "unique_clicked_human", campaign, null, null),
  damaged("campaign_links", "url", campaign, null, null),
  damaged("tenant_quarter_hours", "opened", tenant, "SEND", quarter),
  damaged("tenant_days", "opened", tenant, "EVENT", day),
  damaged("tenant_quarter_hour_revenue", "USD", tenant, "EVENT", quarter),
  damaged("tenant_day_revenue", "USD", tenant, "SEND", day),
  damaged("tenant_totals", "rejected", tenant, null, null),
  damaged("tenant_total_revenue", "USD", tenant, null, null),
  {
    ...damaged("campaigns", "first_sent_at", "", null, null),
    found: "none",
    sql: "update campaigns set first_sent_at = null where tenant_id = $1 and id = $2",
  },
];

/** What a damage's statement wants. */
export function valuesOf({ tenantId, campaignIds }: TestTenant, sql: string): readonly unknown[] {
  return sql.includes("$2") ? [tenantId, campaignIds[0]] : [tenantId];
}

/** Changes the rollups behind the product's back. */
export async function change(pools: TestPools, statement: string, values: readonly unknown[]): Promise<void> {
  const changing = defineStatement<"metrics", readonly unknown[], never>(
    "metrics",
    `test.change_${hashToUuid(statement).slice(0, 8)}`,
    statement,
  );
  await writeAsWorker(pools.metrics, (session) => session.run(changing(...values)));
}
