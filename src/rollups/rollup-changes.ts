/** Spreads what messages say of quarter-hours over all the tables that hold them, summed per row. */
import { addDecimals } from "../decimal.js";
import type { TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { QUARTER_HOUR_MICROS } from "../time/range.js";
import { localDate, type TimeZoneId } from "../time/time-zone.js";
import type { RollupPayload } from "./rollup-message.js";
import { ROLLUP_TABLE_NAMES, type RollupRow, type RollupTable } from "./rollup-tables.js";

type Key = readonly (string | number)[];

export class RollupChanges {
  readonly #tables = new Map<RollupTable, Map<string, { key: Key; sums: (string | number)[] }>>();

  /** Adds a message of a tenant whose day rollups are made for these zones. */
  add(tenantId: TenantId, zones: readonly TimeZoneId[], { cells, links, linkCells = [] }: RollupPayload): void {
    for (const [campaignId, basis, quarter, measures, revenue] of cells) {
      const at = (quarter * QUARTER_HOUR_MICROS) as EpochMicros;
      const bucket = formatInstant(at);
      const earnings = Object.entries(revenue ?? {});
      this.#count("campaign_quarter_hours", [tenantId, campaignId, basis, bucket], measures);
      this.#count("tenant_quarter_hours", [tenantId, basis, bucket], measures);
      for (const [currency, amount] of earnings) {
        this.#earn("campaign_quarter_hour_revenue", [tenantId, campaignId, basis, bucket, currency], amount);
        this.#earn("tenant_quarter_hour_revenue", [tenantId, basis, bucket, currency], amount);
      }
      for (const zone of zones) {
        const day = localDate(at, zone);
        this.#count("campaign_days", [tenantId, campaignId, basis, zone, day], measures);
        this.#count("tenant_days", [tenantId, basis, zone, day], measures);
        for (const [currency, amount] of earnings) {
          this.#earn("campaign_day_revenue", [tenantId, campaignId, basis, zone, day, currency], amount);
          this.#earn("tenant_day_revenue", [tenantId, basis, zone, day, currency], amount);
        }
      }
      // The bases agree on what there is in all: one of them makes the total.
      if (basis !== "EVENT") continue;
      this.#count("campaign_totals", [tenantId, campaignId], measures);
      this.#count("tenant_totals", [tenantId], measures);
      for (const [currency, amount] of earnings) {
        this.#earn("campaign_total_revenue", [tenantId, campaignId, currency], amount);
        this.#earn("tenant_total_revenue", [tenantId, currency], amount);
      }
    }
    for (const [campaignId, linkKey, url, ...clicks] of links) {
      // An erasure replaces a URL that holds an address: messages from before and after it name the same link.
      const link = [tenantId, campaignId, linkKey];
      this.#count("campaign_links", [...link, url], clicks, link);
    }
    for (const [campaignId, linkKey, basis, quarter, clicks] of linkCells) {
      const at = (quarter * QUARTER_HOUR_MICROS) as EpochMicros;
      const link = [tenantId, campaignId, linkKey, basis] as const;
      this.#count("campaign_link_quarter_hours", [...link, formatInstant(at)], clicks);
      for (const zone of zones) this.#count("campaign_link_days", [...link, zone, localDate(at, zone)], clicks);
    }
  }

  /** The changed rows of every table, in the order in which the tables are written. */
  *tables(): Generator<[RollupTable, RollupRow[]]> {
    for (const table of ROLLUP_TABLE_NAMES) {
      const rows = this.#tables.get(table);
      if (rows !== undefined) yield [table, [...rows.values()]];
    }
  }

  /** `identity`: what of the key tells rows apart. */
  #count(table: RollupTable, key: Key, values: readonly number[], identity = key): void {
    const row = this.#row(table, key, identity);
    if (row.sums.length === 0) row.sums.push(...values);
    else values.forEach((value, position) => (row.sums[position] = Number(row.sums[position]) + value));
  }

  #earn(table: RollupTable, key: Key, amount: string): void {
    const row = this.#row(table, key, key);
    row.sums[0] = addDecimals(String(row.sums[0] ?? "0"), amount);
  }

  #row(table: RollupTable, key: Key, identity: Key): { key: Key; sums: (string | number)[] } {
    let rows = this.#tables.get(table);
    if (rows === undefined) this.#tables.set(table, (rows = new Map()));
    const id = identity.join(" ");
    let row = rows.get(id);
    if (row === undefined) rows.set(id, (row = { key, sums: [] }));
    return row;
  }
}
