import { Parameters } from "../database/parameters.js";
import type { Session } from "../database/pool.js";
import { type EventKey, isUuid, type TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { EVENT_TYPES, type EventType } from "./event.js";
import { branchColumns, type EventRow, eventRowColumns } from "./event-row.js";
import { EVENT_TABLES } from "./event-tables.js";

/** What finds one event of a tenant by an index of one partition. */
export interface EventReference {
  readonly type: EventType;
  readonly occurredAt: EpochMicros;
  readonly key: EventKey;
}

const WHOLE_NUMBER = /^-?\d{1,16}$/;

/** The parts of an event's global id: type, microseconds, key. */
export function eventIdParts({ type, occurredAt, key }: EventReference): string[] {
  return [type, String(occurredAt), key];
}

/** The event that such parts name, or null where they are none. Whether it exists is another question. */
export function readEventIdParts(parts: readonly string[]): EventReference | null {
  const [typeText, micros = "", key = "", ...rest] = parts;
  const type = EVENT_TYPES.find((known) => known === typeText);
  if (type === undefined || rest.length > 0 || !WHOLE_NUMBER.test(micros) || !isUuid(key)) return null;
  const occurredAt = Number(micros) as EpochMicros;
  return Number.isSafeInteger(occurredAt) ? { type, occurredAt, key: key as EventKey } : null;
}

/** Those of the tenant's events that exist, in no order. One statement, with a branch for each type if there are several. */
export async function findEvents(
  session: Session<"events">,
  tenantId: TenantId,
  references: readonly EventReference[],
): Promise<EventRow[]> {
  const [first] = references;
  if (first === undefined) return [];
  const only = references.every(({ type }) => type === first.type) ? first.type : null;
  const parameters = new Parameters();
  const tenant = parameters.add(tenantId);
  const rows = references.map(({ type, occurredAt, key }) => ({ type, key, occurred_at: formatInstant(occurredAt) }));
  const wanted = parameters.add(JSON.stringify(rows));
  const types = only === null ? EVENT_TYPES : [only];
  const union = types.map(
    (type) =>
      `(select ${branchColumns(EVENT_TABLES[type], types)} from wanted join ${EVENT_TABLES[type].name} as event ` +
      `on event.tenant_id = ${tenant} and event.occurred_at = wanted.occurred_at and event.id = wanted.key ` +
      `where wanted.type = '${type}')`,
  );
  const text =
    `with wanted as (select distinct type, occurred_at, key from json_to_recordset(${wanted}) ` +
    `as reference (type text, occurred_at timestamptz, key uuid)) ` +
    `select ${eventRowColumns(types)} from (${union.join(" union all ")}) as event left join recipients ` +
    `on recipients.tenant_id = ${tenant} and recipients.recipient_key = event.recipient_key`;
  const name = `events.find.${only === null ? "all" : EVENT_TABLES[only].name}`;
  return session.run({ database: "events", name, text, values: parameters.values });
}
