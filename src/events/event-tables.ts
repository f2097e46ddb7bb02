/** Where each type of event lies: its table, and the columns of what it carries. */
import { recordOf } from "../record-of.js";
import { DETAILS_BY_TYPE, EVENT_TYPES, type EventDetails, type EventType } from "./event.js";

const COLUMN_TYPES: Partial<Record<keyof EventDetails, string>> = {
  bounceClass: "bounce_class",
  traffic: "traffic_verdict",
  amount: "numeric",
};

export interface EventTable {
  readonly type: EventType;
  /** The table's name: the type in lower case. */
  readonly name: string;
  readonly details: readonly {
    readonly field: keyof EventDetails;
    readonly column: string;
    readonly sqlType: string;
  }[];
}

export const EVENT_TABLES: Readonly<Record<EventType, EventTable>> = recordOf(EVENT_TYPES, (type) => ({
  type,
  name: type.toLowerCase(),
  details: DETAILS_BY_TYPE[type].map((field) => ({
    field,
    column: field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    sqlType: COLUMN_TYPES[field] ?? "text",
  })),
}));

/** The names of all event tables, in the order of their types. */
export const EVENT_TABLE_NAMES = EVENT_TYPES.map((type) => EVENT_TABLES[type].name);
