/** What each field costs that reads or changes anything; all others are parts of what was read, and cost nothing. */
import type { View } from "../../metrics/kpi.js";
import type { MeasureSet } from "../../metrics/measure-set.js";
import { pageSizeOf } from "../../pages/page-arguments.js";
import { type EpochMicros, MICROS_PER_DAY, parseInstant } from "../../time/instant.js";
import type { TimeZoneId } from "../../time/time-zone.js";
import { EVENT_TYPES } from "../../events/event.js";
import { typeOfGlobalId } from "../../ids.js";
import { CAMPAIGNS_OF_TAGS, POINTS } from "./points.js";
import { type AskedBuckets, rollupRows } from "./rollup-rows.js";

/** What a price depends on besides the document: nothing of the data. */
export interface PricingScene {
  readonly variables: Readonly<Record<string, unknown>>;
  /** The tenant's zones; null where they are not known. */
  readonly zones: { readonly timeZone: TimeZoneId; readonly rollupTimeZone: TimeZoneId } | null;
  readonly maxSeriesPoints: number;
  /** When the request began: nothing can have happened later. */
  readonly now: EpochMicros;
  /** Whether the principal sees campaigns of some tags alone. */
  readonly isLimited: boolean;
}

/** A field as it was asked for. Arguments are as they were sent: what is wrong with them is somebody else's to say. */
export interface AskedField {
  argument(name: string): unknown;
  /** Of the field around it. */
  outer(name: string): unknown;
  /** Those selected below these fields. */
  measures(within: readonly string[], view: View): MeasureSet;
}

export interface FieldPrice {
  /** However many objects it is asked of. */
  readonly once: number;
  /** For each of them. */
  readonly each: number;
  /** How many rows of it each has, at most, and what each is. */
  readonly rows: number;
  readonly perRow: number;
}

/** `usesZones`: whether it needs the tenant's. */
export interface PricedField {
  readonly usesZones: boolean;
  readonly priceOf: (field: AskedField, scene: PricingScene) => FieldPrice;
}

const ONE: FieldPrice = { once: POINTS.statement, each: POINTS.row, rows: 1, perRow: 0 };
const FREE: FieldPrice = { once: 0, each: 0, rows: 1, perRow: 0 };
const always = (price: FieldPrice): PricedField => ({ usesZones: false, priceOf: () => price });
/** A text of objects that is asked for once more, under another name: it can be all of an object's length. */
export const REPEATED_TEXT: PricedField = always({ ...FREE, each: POINTS.row });
const EVENT_TYPE_COUNT = EVENT_TYPES.length;

function page(once: number): PricedField {
  return {
    usesZones: false,
    priceOf: (field) => ({
      once: once + filterValues(field) * POINTS.row,
      each: 0,
      rows: pageSizeOf(field.argument("first"), field.argument("last")),
      perRow: POINTS.row,
    }),
  };
}

/** What a filter of campaigns names: each has to be looked for. */
function filterValues(field: AskedField): number {
  const { tags, externalIds } = (field.argument("filter") ?? {}) as {
    readonly tags?: unknown;
    readonly externalIds?: unknown;
  };
  return [tags, externalIds].reduce<number>((sum, values) => sum + (Array.isArray(values) ? values.length : 0), 0);
}

/** Each campaign's page of events is a statement of its own. */
function eventPage(
  filtered: (field: AskedField) => { readonly types: unknown; readonly doubles: boolean },
  isOfEach: boolean,
): PricedField {
  return {
    usesZones: false,
    priceOf(field) {
      const { types, doubles } = filtered(field);
      const tables = Array.isArray(types) ? Math.min(new Set(types).size, EVENT_TYPE_COUNT) : EVENT_TYPE_COUNT;
      const read = (POINTS.statement + tables * POINTS.eventTable) * (doubles ? 2 : 1);
      const rows = pageSizeOf(field.argument("first"), field.argument("last"));
      return { once: isOfEach ? 0 : read, each: isOfEach ? read : 0, rows, perRow: POINTS.row };
    },
  };
}

function viewOf(traffic: unknown, rates: unknown): View {
  return { traffic: traffic === "HUMAN" ? traffic : "ALL", rates: rates === "PER_SENT" ? rates : "DEFAULT" };
}

/** What buckets of so many campaigns (1 for the tenant) take to read, without the statement. */
function bucketsPrice(
  range: unknown,
  asked: AskedBuckets,
  set: MeasureSet,
  scene: PricingScene,
): { price: number; buckets: number; once: number } {
  const { rows, buckets, emptyYears } = rollupRows(range, asked, {
    rollupZone: scene.zones?.rollupTimeZone ?? null,
    timeZone: scene.zones?.timeZone ?? null,
    maxPoints: scene.maxSeriesPoints,
    now: scene.now,
  });
  // Revenue lies in a table of its own.
  const measures = set.measures.length + (set.revenue ? MEASURES_OF_REVENUE : 0);
  return {
    price: rows * POINTS.rollupRow * (set.revenue ? 2 : 1) + buckets * measures * POINTS.bucketMeasure,
    buckets,
    once: POINTS.statement + emptyYears * POINTS.emptyYear,
  };
}

const MEASURES_OF_REVENUE = 4;

const campaignMetrics: PricedField = {
  usesZones: true,
  priceOf(field, scene) {
    const set = field.measures([], viewOf(field.argument("traffic"), field.argument("rates")));
    const range = field.argument("range");
    const isTotal = range === null || range === undefined;
    const { price } = bucketsPrice(range, { granularity: null, zone: null }, set, scene);
    return {
      once: POINTS.statement,
      each: isTotal ? POINTS.row : Math.max(price, POINTS.rollupRow),
      rows: 1,
      perRow: 0,
    };
  },
};

const campaignSeries: PricedField = {
  usesZones: true,
  priceOf(field, scene) {
    const set = field.measures(["metrics"], viewOf(field.argument("traffic"), field.argument("rates")));
    const asked = { granularity: field.argument("granularity"), zone: field.argument("timeZone") };
    const { price, buckets, once } = bucketsPrice(field.argument("range"), asked, set, scene);
    return { once, each: price, rows: buckets, perRow: POINTS.seriesPoint };
  },
};

/** Of the fields of `kpis`, whose range and filter stand around them. `perPoint`: of each object that it lists. */
function kpiField(
  within: readonly string[],
  askedOf: (field: AskedField) => AskedBuckets,
  perPoint: number = 0,
): PricedField {
  return {
    usesZones: true,
    priceOf(field, scene) {
      const set = field.measures(within, viewOf(field.outer("traffic"), field.outer("rates")));
      const { price, buckets, once } = bucketsPrice(field.outer("range"), askedOf(field), set, scene);
      const campaigns = campaignsOf(field.outer("filter"), scene);
      return { once: once + price * campaigns, each: 0, rows: buckets, perRow: perPoint };
    },
  };
}

/** The rollups of how many campaigns are added up; the tenant's own are one. */
function campaignsOf(filter: unknown, { isLimited }: PricingScene): number {
  const { campaignIds, tags } = (filter ?? {}) as { readonly campaignIds?: unknown; readonly tags?: unknown };
  if (Array.isArray(campaignIds)) return campaignIds.length;
  return isLimited || (tags !== undefined && tags !== null) ? CAMPAIGNS_OF_TAGS : 1;
}

const WHOLE: AskedBuckets = { granularity: null, zone: null };

const comparison = kpiField(["metrics"], () => WHOLE);

const MAX_USAGE_DAYS = 400;
const DEFAULT_USAGE_DAYS = 30;

function usageDays(range: unknown): number {
  const { from, to } = (range ?? {}) as { readonly from?: unknown; readonly to?: unknown };
  if (typeof from !== "string" || typeof to !== "string") return DEFAULT_USAGE_DAYS;
  const days = ((parseInstant(to) ?? 0) - (parseInstant(from) ?? 0)) / MICROS_PER_DAY;
  return Math.min(Math.max(1, Math.ceil(days) + 1), MAX_USAGE_DAYS);
}

/** One more than may be asked for. */
const MAX_IDS = 101;
/** Of which loaders find any number at once. */
const FOUND_TOGETHER: ReadonlySet<string> = new Set(["Campaign", "Event", "AuditEntry"]);

const nodes: PricedField = {
  usesZones: false,
  priceOf(field) {
    const ids = field.argument("ids");
    const types = (Array.isArray(ids) ? ids.slice(0, MAX_IDS) : [ids]).map((id) =>
      typeof id === "string" ? typeOfGlobalId(id) : "",
    );
    const apart = types.filter((type) => !FOUND_TOGETHER.has(type)).length;
    const statements = apart + new Set(types.filter((type) => FOUND_TOGETHER.has(type))).size;
    return { once: statements * POINTS.statement, each: 0, rows: types.length, perRow: POINTS.row };
  },
};

const lengthOf = (value: unknown): number => (Array.isArray(value) ? value.length : 1);

/** The ids that a change of dead letters names. */
const letters: PricedField = {
  usesZones: false,
  priceOf(field) {
    const { ids } = (field.argument("input") ?? {}) as { readonly ids?: unknown };
    return { ...FREE, once: POINTS.change + lengthOf(ids) * POINTS.row };
  },
};
const change = always({ ...FREE, once: POINTS.change });

/** By type and field. A field of an interface stands for those of its types. */
export const FIELD_PRICES: ReadonlyMap<string, PricedField> = new Map(
  Object.entries({
    "Query.__schema": always({ ...FREE, once: POINTS.introspection }),
    "Query.__type": always({ ...FREE, once: POINTS.introspection }),
    "Query.viewer": always(ONE),
    "Query.node": always(ONE),
    "Query.nodes": nodes,
    "Query.campaign": always(ONE),
    "Query.campaigns": page(POINTS.statement),
    "Query.deadLetters": page(POINTS.statement),
    "Query.events": eventPage((field) => {
      const { types, metadata, traffic } = (field.argument("filter") ?? {}) as {
        readonly types?: unknown;
        readonly metadata?: unknown;
        readonly traffic?: unknown;
      };
      // No index knows of either: events are read that are not shown.
      return { types, doubles: (metadata ?? traffic ?? null) !== null };
    }, false),
    "CampaignConnection.totalCount": always({ ...FREE, once: POINTS.statement + POINTS.count }),
    "KpiReport.metrics": kpiField([], () => WHOLE),
    "KpiReport.series": kpiField(
      ["metrics"],
      (field) => ({ granularity: field.argument("granularity"), zone: field.argument("timeZone") }),
      POINTS.seriesPoint,
    ),
    "KpiReport.comparison": {
      ...comparison,
      priceOf: (field, scene) =>
        (field.outer("compareTo") ?? null) === null ? FREE : comparison.priceOf(field, scene),
    },
    "KpiReport.freshness": always({ ...FREE, once: POINTS.statement }),
    "Campaign.metrics": campaignMetrics,
    "Campaign.series": campaignSeries,
    "Campaign.links": page(POINTS.statement),
    "Campaign.events": eventPage((field) => ({ types: field.argument("types"), doubles: false }), true),
    "Campaign.auditTrail": page(POINTS.statement),
    "ApiKey.auditTrail": page(POINTS.statement),
    "ApiKey.usage": {
      usesZones: false,
      priceOf: (field) => ({
        once: POINTS.statement,
        each: usageDays(field.argument("range")) * POINTS.rollupRow,
        rows: 1,
        perRow: 0,
      }),
    },
    "Tenant.auditTrail": page(POINTS.statement),
    "Event.campaign": always(ONE),
    "Query.exportRecipient": always(ONE),
    "RecipientExport.erasure": always(ONE),
    "RecipientExport.campaigns": page(POINTS.statement),
    "RecipientExport.events": eventPage(() => ({ types: null, doubles: false }), true),
    "RecipientExport.unrecordedEvents": always({ ...FREE, once: POINTS.statement + POINTS.count }),
    "RecipientCampaign.campaign": always(ONE),
    "Mutation.eraseRecipient": change,
    "Mutation.recordEvents": {
      usesZones: false,
      priceOf(field) {
        const { events } = (field.argument("input") ?? {}) as { readonly events?: unknown };
        return { ...FREE, once: POINTS.recordCall + lengthOf(events) * POINTS.event };
      },
    },
    "Mutation.replayDeadLetters": letters,
    "Mutation.discardDeadLetters": letters,
    "Mutation.createCampaign": change,
    "Mutation.updateCampaign": change,
    "Mutation.archiveCampaign": change,
    "Mutation.restoreCampaign": change,
    "Mutation.createApiKey": change,
    "Mutation.rotateApiKey": change,
    "Mutation.revokeApiKey": change,
  } satisfies Record<string, PricedField>),
);
