import { PublicError } from "../errors.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { SENT_AT } from "./campaign-row.js";

export const CAMPAIGN_ORDER_FIELDS = [
  "CREATED_AT",
  "SENT_AT",
  "NAME",
  "SENT",
  "OPEN_RATE",
  "CLICK_RATE",
  "BOUNCE_RATE",
  "REVENUE",
] as const;
export type CampaignOrderField = (typeof CAMPAIGN_ORDER_FIELDS)[number];

/** Campaigns without a value come last in both directions; equal ones are ordered by id. */
export interface CampaignOrder {
  readonly field: CampaignOrderField;
  readonly direction: "ASC" | "DESC";
  /** For REVENUE alone, and needed there. */
  readonly currency: string | null;
}

export const NEWEST_CAMPAIGNS_FIRST: CampaignOrder = { field: "CREATED_AT", direction: "DESC", currency: null };

/** The value that a field orders by: as read from the database, and as it stands in a cursor. */
export type OrderValue = string | number | null;

interface OrderSource {
  /** Over the table called `campaign`, and what is joined to it. */
  readonly value: string;
  readonly sqlType: string;
  readonly isNullable: boolean;
  /** An index of campaigns has this order. */
  readonly isIndexed: boolean;
  readonly joins: "totals" | "revenue" | null;
}

const rate = (numerator: string, denominator: string): OrderSource => ({
  value: `total.${numerator}::float8 / nullif(total.${denominator}, 0)::float8`,
  sqlType: "float8",
  isNullable: true,
  isIndexed: false,
  joins: "totals",
});

/** Rates are those of the DEFAULT profile (docs/kpis.md, "Rates"). A float comes back from a cursor as the same float. */
export const ORDER_SOURCES: Readonly<Record<CampaignOrderField, OrderSource>> = {
  CREATED_AT: { value: "campaign.created_at", sqlType: "timestamptz", isNullable: false, isIndexed: true, joins: null },
  SENT_AT: { value: SENT_AT, sqlType: "timestamptz", isNullable: true, isIndexed: true, joins: null },
  NAME: { value: `campaign.name collate "C"`, sqlType: "text", isNullable: false, isIndexed: true, joins: null },
  SENT: { value: "coalesce(total.sent, 0)", sqlType: "bigint", isNullable: false, isIndexed: false, joins: "totals" },
  OPEN_RATE: rate("unique_opened", "unique_delivered"),
  CLICK_RATE: rate("unique_clicked", "unique_delivered"),
  BOUNCE_RATE: rate("unique_bounced", "unique_sent"),
  REVENUE: { value: "revenue.amount", sqlType: "numeric", isNullable: true, isIndexed: false, joins: "revenue" },
};

/** The order with its currency in capitals. Throws BAD_INPUT where REVENUE lacks a currency or another field has one. */
export function checkCampaignOrder({ field, direction, currency }: CampaignOrder): CampaignOrder {
  if (field !== "REVENUE") {
    if (currency !== null) throw badCurrency("Only an order by REVENUE has a currency.");
    return { field, direction, currency };
  }
  if (currency === null) throw badCurrency("An order by REVENUE needs a currency.");
  if (!/^[A-Za-z]{3}$/.test(currency)) {
    throw badCurrency("currency is not a code of three letters (ISO 4217), such as USD.");
  }
  return { field, direction, currency: currency.toUpperCase() };
}

function badCurrency(message: string): PublicError {
  return new PublicError("BAD_INPUT", message, { field: ["orderBy", "currency"] });
}

/** A value of a cursor as PostgreSQL reads it. */
export function toSqlValue(field: CampaignOrderField, value: string | number): string | number {
  return ORDER_SOURCES[field].sqlType === "timestamptz" ? formatInstant(value as EpochMicros) : value;
}
