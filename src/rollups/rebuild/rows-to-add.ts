import { addDecimals, negateDecimal } from "../../decimal.js";
import type { TenantId } from "../../ids.js";
import type { TimeZoneId } from "../../time/time-zone.js";
import type { Difference } from "../verify/difference.js";
import { ROLLUP_TABLES, type RollupRow, type RollupTable } from "../rollup-tables.js";

/**
 * What has to be added to a table so that its differences are none: a row for each place that differs. Where only a URL does
 * the row is zeros: adding it locks the place in its turn, as projectors do.
 */
export function rowsToAdd(
  table: RollupTable,
  tenantId: TenantId,
  zone: TimeZoneId,
  differences: readonly Difference[],
): RollupRow[] {
  const { key: columns, sums }: { readonly key: readonly string[]; readonly sums: readonly string[] } =
    ROLLUP_TABLES[table];
  const isRevenue = columns.includes("currency");
  const rows = new Map<string, { key: string[]; sums: (string | number)[] }>();
  for (const difference of differences) {
    const { campaignId, linkKey, url, basis, bucket, measure, expected, found } = difference;
    const places: Readonly<Record<string, string | null>> = {
      tenant_id: tenantId,
      campaign_id: campaignId,
      link_key: linkKey,
      url,
      basis,
      bucket_start: bucket,
      time_zone: zone,
      day: bucket,
      currency: measure,
    };
    const key = columns.map((column) => {
      const value = places[column];
      if (typeof value === "string") return value;
      throw new Error(`A difference in ${table} does not say its ${column}`);
    });
    const id = key.join(" ");
    let row = rows.get(id);
    if (row === undefined) rows.set(id, (row = { key, sums: sums.map(() => 0) }));
    if (measure === "url") continue;
    if (isRevenue) row.sums[0] = addDecimals(expected, negateDecimal(found));
    else row.sums[sums.indexOf(measure)] = Number(expected) - Number(found);
  }
  return [...rows.values()];
}
