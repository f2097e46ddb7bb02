/**
 * Folds a batch of recorded events into the states of their recipients. A batch must see what a state was before it, and
 * two workers must not both see the same. So first all states go in as if they were new, and where one exists already
 * nothing happens; then those are locked, read and changed.
 *
 * Both steps go in the order of the keys, and that makes deadlocks impossible: an insert waits only for another worker's
 * insert, never for a lock, since a row that exists is passed by; and what is locked has been committed, so nobody who
 * still inserts holds it. (Locking first and inserting after it deadlocks within seconds when two workers share a campaign.)
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { ReceivedEvent } from "../events/event-log.js";
import type { CampaignId, RecipientKey, TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { EVENT_COUNTS, type EventCount } from "./measures.js";
import { copyState, emptyState, FIRST_TIMES, foldEvent, NEVER, type RecipientState } from "./recipient-state.js";

export interface StateChange {
  readonly tenantId: TenantId;
  readonly campaignId: CampaignId;
  readonly recipientKey: RecipientKey;
  readonly before: RecipientState;
  readonly after: RecipientState;
  /** The batch's events of this recipient in this campaign. */
  readonly events: readonly ReceivedEvent[];
  readonly isNew: boolean;
}

interface StateKey {
  readonly tenant_id: TenantId;
  readonly campaign_id: CampaignId;
  readonly recipient_key: RecipientKey;
}

type StateRow = StateKey &
  Record<(typeof FIRST_TIMES)[number], EpochMicros | null> &
  Record<EventCount, number> & { readonly revenue: Record<string, string> | null };

const KEY_COLUMNS = "tenant_id uuid, campaign_id uuid, recipient_key uuid";
const VALUES = [...FIRST_TIMES, ...EVENT_COUNTS, "revenue"];
/** From rows that leave out what is zero or nothing, which is most of what a state has. */
const valuesOf = (row: string): readonly string[] => [
  ...FIRST_TIMES.map((name) => `${row}.${name}`),
  ...EVENT_COUNTS.map((name) => `coalesce(${row}.${name}, 0)`),
  `${row}.revenue`,
];
const VALUE_COLUMNS = [
  ...FIRST_TIMES.map((name) => `${name} timestamptz`),
  ...EVENT_COUNTS.map((name) => `${name} integer`),
  "revenue json",
].join(", ");

const lock = defineStatement<"events", [keys: string], StateRow>(
  "events",
  "recipient_states.lock",
  `select state.*
   from json_to_recordset($1) as key (${KEY_COLUMNS})
   join recipient_states as state using (tenant_id, campaign_id, recipient_key)
   order by tenant_id, campaign_id, recipient_key
   for update of state`,
);

const insert = defineStatement<"events", [states: string], StateKey>(
  "events",
  "recipient_states.insert",
  `insert into recipient_states (tenant_id, campaign_id, recipient_key, ${VALUES.join(", ")})
   select tenant_id, campaign_id, recipient_key, ${valuesOf("state").join(", ")}
   from json_to_recordset($1) as state (${KEY_COLUMNS}, ${VALUE_COLUMNS})
   order by tenant_id, campaign_id, recipient_key
   on conflict (tenant_id, campaign_id, recipient_key) do nothing
   returning tenant_id, campaign_id, recipient_key`,
);

const update = defineStatement<"events", [states: string], never>(
  "events",
  "recipient_states.update",
  `update recipient_states as state set (${VALUES.join(", ")}) = row (${valuesOf("changed").join(", ")})
   from json_to_recordset($1) as changed (${KEY_COLUMNS}, ${VALUE_COLUMNS})
   where state.tenant_id = changed.tenant_id and state.campaign_id = changed.campaign_id
     and state.recipient_key = changed.recipient_key`,
);

function idOf(key: StateKey): string {
  return `${key.tenant_id}${key.campaign_id}${key.recipient_key}`;
}

function keyOf({ tenantId, event }: ReceivedEvent): StateKey {
  return { tenant_id: tenantId, campaign_id: event.campaignId, recipient_key: event.recipientKey };
}

/** Writes the new states and returns every change, for the delta. The events must be new to the log. */
export async function applyToStates(
  session: Session<"events">,
  events: readonly ReceivedEvent[],
): Promise<StateChange[]> {
  const groups = Map.groupBy(events, (item) => idOf(keyOf(item)));
  const asNew = Array.from(groups.values(), (group) => changeOf(emptyState(), group, true));
  const inserted = await session.run(insert(rowsOf(asNew)));
  const isNew = new Set(inserted.map((key) => idOf(key)));
  const existing = [...groups].filter(([id]) => !isNew.has(id));
  const changed = existing.length === 0 ? [] : await changeExisting(session, new Map(existing));
  return [...asNew.filter((change) => isNew.has(idOf(keyOfChange(change)))), ...changed];
}

async function changeExisting(
  session: Session<"events">,
  groups: ReadonlyMap<string, readonly ReceivedEvent[]>,
): Promise<StateChange[]> {
  const keys = Array.from(groups.values(), ([first]) => (first === undefined ? {} : keyOf(first)));
  const rows = await session.run(lock(JSON.stringify(keys)));
  if (rows.length !== groups.size) throw new Error("A recipient's state vanished under the transaction that met it");
  const changes = rows.map((row) => changeOf(stateOf(row), groups.get(idOf(row)) ?? [], false));
  await session.run(update(rowsOf(changes)));
  return changes;
}

function changeOf(before: RecipientState, events: readonly ReceivedEvent[], isNew: boolean): StateChange {
  const [first] = events;
  if (first === undefined) throw new Error("A state changes by at least one event");
  const after = copyState(before);
  for (const { event } of events) foldEvent(after, event);
  const { campaignId, recipientKey } = first.event;
  return { tenantId: first.tenantId, campaignId, recipientKey, before, after, events, isNew };
}

function keyOfChange(change: StateChange): StateKey {
  return { tenant_id: change.tenantId, campaign_id: change.campaignId, recipient_key: change.recipientKey };
}

function stateOf(row: StateRow): RecipientState {
  return {
    firstTimes: FIRST_TIMES.map((name) => row[name] ?? NEVER),
    counts: EVENT_COUNTS.map((name) => row[name]),
    revenue: row.revenue,
  };
}

/** Written out by hand: an object of 33 fields for each state takes several times as long. Nothing in it needs escaping. */
function rowsOf(changes: readonly StateChange[]): string {
  return `[${changes.map((change) => rowOf(change)).join(",")}]`;
}

function rowOf({ tenantId, campaignId, recipientKey, after }: StateChange): string {
  let row = `{"tenant_id":"${tenantId}","campaign_id":"${campaignId}","recipient_key":"${recipientKey}"`;
  // The first times of most states are all the same.
  let [lastTime, lastText] = [NEVER, ""];
  for (const [position, name] of FIRST_TIMES.entries()) {
    const time = after.firstTimes[position] ?? NEVER;
    if (time === NEVER) continue;
    if (time !== lastTime) [lastTime, lastText] = [time, formatInstant(time as EpochMicros)];
    row += `,"${name}":"${lastText}"`;
  }
  for (const [position, name] of EVENT_COUNTS.entries()) {
    const count = after.counts[position] ?? 0;
    if (count !== 0) row += `,"${name}":${count}`;
  }
  return after.revenue === null ? `${row}}` : `${row},"revenue":${JSON.stringify(after.revenue)}}`;
}
