/** What each key did on each day, in UTC, as far as servers have written it. A day is its number since 1970-01-01. */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { ApiKeyId, TenantId } from "../ids.js";

export interface KeyCounts {
  readonly requests: number;
  /** That became durable. */
  readonly events: number;
  /** In points. */
  readonly cost: number;
}

/** What is to be added to a key's day. */
export interface KeyDayCounts extends KeyCounts {
  readonly keyId: ApiKeyId;
  readonly day: number;
}

/** Days, the last one exclusive. */
export interface DaySpan {
  readonly from: number;
  readonly to: number;
}

type Columns = [
  TenantId,
  readonly ApiKeyId[],
  days: readonly number[],
  requests: readonly number[],
  events: readonly number[],
  cost: readonly number[],
];

// In the order of keys, as another server may be adding to the same rows.
const add = defineStatement<"metrics", Columns, never>(
  "metrics",
  "api_keys.add_to_days",
  `insert into api_key_days (tenant_id, key_id, day, requests, events, cost)
   select $1, key_id, date '1970-01-01' + day, requests, events, cost
   from unnest($2::uuid[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[])
     as counted (key_id, day, requests, events, cost)
   order by key_id, day
   on conflict (tenant_id, key_id, day) do update
     set requests = api_key_days.requests + excluded.requests, events = api_key_days.events + excluded.events,
       cost = api_key_days.cost + excluded.cost`,
);

const find = defineStatement<"metrics", [TenantId, readonly ApiKeyId[], from: number, to: number], KeyDayCounts>(
  "metrics",
  "api_keys.find_days",
  `select key_id as "keyId", day - date '1970-01-01' as day, requests, events, cost
   from api_key_days
   where tenant_id = $1 and key_id = any ($2::uuid[])
     and day >= date '1970-01-01' + $3::integer and day < date '1970-01-01' + $4::integer`,
);

/** Adds to the days. Each day of a key may be named once. */
export async function addToKeyDays(
  session: Session<"metrics">,
  tenantId: TenantId,
  counts: readonly KeyDayCounts[],
): Promise<void> {
  const columnOf = <Name extends keyof KeyDayCounts>(name: Name) => counts.map((each) => each[name]);
  const amounts = [columnOf("requests"), columnOf("events"), columnOf("cost")] as const;
  await session.run(add(tenantId, columnOf("keyId"), columnOf("day"), ...amounts));
}

/** The days of these keys on which something was counted, by key and day. */
export async function findKeyDays(
  session: Session<"metrics">,
  tenantId: TenantId,
  keyIds: readonly ApiKeyId[],
  { from, to }: DaySpan,
): Promise<Map<ApiKeyId, Map<number, KeyCounts>>> {
  const found = new Map<ApiKeyId, Map<number, KeyCounts>>(keyIds.map((id) => [id, new Map()]));
  const rows = await session.run(find(tenantId, [...found.keys()], from, to));
  for (const { keyId, day, ...counts } of rows) found.get(keyId)?.set(day, counts);
  return found;
}
