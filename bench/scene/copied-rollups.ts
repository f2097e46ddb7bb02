import type { Client } from "pg";
import type { CampaignId, TenantId } from "../../src/ids.js";
import { ROLLUP_TABLE_NAMES, ROLLUP_TABLES, type RollupTable } from "../../src/rollups/rollup-tables.js";

/** Gives campaigns what another one has, so many days earlier, and the tenant, which is in UTC, the sums of all. */
export async function copyRollups(
  client: Client,
  tenantId: TenantId,
  template: CampaignId,
  others: readonly { readonly id: CampaignId; readonly daysEarlier: number }[],
): Promise<void> {
  const values = [tenantId, template, others.map(({ id }) => id), others.map(({ daysEarlier }) => daysEarlier)];
  for (const table of ROLLUP_TABLE_NAMES) {
    if (table.startsWith("campaign_")) {
      const columns = columnsOf(table);
      await client.query(
        `insert into ${table} (${columns.join(", ")})
         select ${columns.map((column) => MOVED[column] ?? `template.${column}`).join(", ")}
         from ${table} as template
         cross join unnest($3::uuid[], $4::integer[]) as other (id, days)
         where template.tenant_id = $1 and template.campaign_id = $2`,
        values,
      );
    } else await sumUp(client, tenantId, table);
  }
}

const MOVED: Readonly<Record<string, string>> = {
  campaign_id: "other.id",
  bucket_start: "template.bucket_start - make_interval(days => other.days)",
  day: "template.day - other.days",
};

function columnsOf(table: RollupTable): readonly string[] {
  const { key, sums } = ROLLUP_TABLES[table];
  return [...key, ...sums];
}

async function sumUp(client: Client, tenantId: TenantId, table: RollupTable): Promise<void> {
  const { key, sums } = ROLLUP_TABLES[table];
  await client.query(`delete from ${table} where tenant_id = $1`, [tenantId]);
  await client.query(
    `insert into ${table} (${columnsOf(table).join(", ")})
     select ${[...key, ...sums.map((column) => `sum(${column})`)].join(", ")}
     from ${table.replace("tenant_", "campaign_")}
     where tenant_id = $1
     group by ${key.join(", ")}`,
    [tenantId],
  );
}
