/**
 * Folds a batch of recorded events into the states of their recipients. A batch must see what a state was before it, and
 * two workers must not both see the same. So first all states go in as if they were new, and where one exists already
 * nothing happens; then what the batch brings is added to those, each locked from then on.
 *
 * What a state was before follows from what it is after: counts by subtraction, and a first time that is the batch's was none
 * before. Where that would not follow, because the batch moves a first time, a state is locked and nothing else; it is then read,
 * folded and written.
 *
 * Both steps go in the order of the keys, and that makes deadlocks impossible: an insert waits only for another worker's
 * insert, never for a lock, since a row that exists is passed by; and what is locked has been committed, so nobody who
 * still inserts holds it. (Locking first and inserting after it deadlocks within seconds when two workers share a campaign.)
 */
import { instantColumns, integerColumns, textArray, uuidArray } from "../database/binary-arrays.js";
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { ReceivedEvent } from "../events/event-log.js";
import type { CampaignId, RecipientKey, TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";
import { EVENT_COUNTS, type EventCount } from "./measures.js";
import { copyState, emptyState, FIRST_TIMES, foldEvent, NEVER, type RecipientState } from "./recipient-state.js";

interface Place {
  readonly tenantId: TenantId;
  readonly campaignId: CampaignId;
  readonly recipientKey: RecipientKey;
  /** The batch's events of this recipient in this campaign. */
  readonly events: readonly ReceivedEvent[];
}

export interface StateChange extends Place {
  readonly before: RecipientState;
  readonly after: RecipientState;
  readonly isNew: boolean;
}

/** What a batch brings to one state: the state that its events alone would make. */
interface Contribution extends Place {
  readonly events: ReceivedEvent[];
  readonly state: RecipientState;
}

interface StateKey {
  readonly tenant_id: TenantId;
  readonly campaign_id: CampaignId;
  readonly recipient_key: RecipientKey;
}

type StateRow = StateKey &
  Record<(typeof FIRST_TIMES)[number], EpochMicros | null> &
  Record<EventCount, number> & { readonly revenue: Record<string, string> | null };

const KEY = ["tenant_id", "campaign_id", "recipient_key"] as const;
const VALUES = [...FIRST_TIMES, ...EVENT_COUNTS, "revenue"];
const COLUMNS = [...KEY, ...VALUES].join(", ");
/** The states of `columnsOf`, in their order. */
const STATES = `select ${[
  ...KEY.map((_, at) => `($${1 + at}::uuid[])[n]`),
  ...FIRST_TIMES.map((_, at) => `nullif(($${4 + at}::timestamptz[])[n], 'infinity')`),
  ...EVENT_COUNTS.map((_, at) => `($${4 + FIRST_TIMES.length + at}::integer[])[n]`),
  "state.revenue::json",
].join(", ")}
  from rows from (
    generate_series(1, cardinality($1::uuid[])),
    unnest($${4 + FIRST_TIMES.length + EVENT_COUNTS.length}::text[])
  ) as state (n, revenue)`;

const insert = defineStatement<"events", readonly Buffer[], StateKey>(
  "events",
  "recipient_states.insert",
  `insert into recipient_states (${COLUMNS}) ${STATES}
   on conflict (${KEY.join(", ")}) do nothing
   returning ${KEY.join(", ")}`,
);

const add = defineStatement<"events", readonly Buffer[], StateRow>(
  "events",
  "recipient_states.add",
  `insert into recipient_states as known (${COLUMNS}) ${STATES}
   on conflict (${KEY.join(", ")}) do update set
     ${FIRST_TIMES.map((name) => `${name} = least(known.${name}, excluded.${name})`).join(", ")},
     ${EVENT_COUNTS.map((name) => `${name} = known.${name} + excluded.${name}`).join(", ")},
     revenue = coalesce(known.revenue, excluded.revenue)
   where known.first_event_at <= excluded.first_event_at
     and ${FIRST_TIMES.slice(1)
       .map((name) => `(known.${name} < excluded.${name}) is not false`)
       .join(" and ")}
     and (known.revenue is null or excluded.revenue is null)
   returning ${COLUMNS}`,
);

const read = defineStatement<"events", [tenantIds: Buffer, campaignIds: Buffer, recipientKeys: Buffer], StateRow>(
  "events",
  "recipient_states.read",
  `select ${KEY.map((name) => `state.${name}`).join(", ")}, ${VALUES.join(", ")}
   from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as key (${KEY.join(", ")})
   join recipient_states as state using (${KEY.join(", ")})
   order by ${KEY.join(", ")}`,
);

const update = defineStatement<"events", readonly Buffer[], never>(
  "events",
  "recipient_states.update",
  `update recipient_states as state set (${VALUES.join(", ")}) = row (${VALUES.map((name) => `changed.${name}`).join(", ")})
   from (${STATES}) as changed (${COLUMNS})
   where ${KEY.map((name) => `state.${name} = changed.${name}`).join(" and ")}`,
);

/** Writes the new states and returns every change, for the delta. The events must be new to the log. */
export async function applyToStates(
  session: Session<"events">,
  events: readonly ReceivedEvent[],
): Promise<StateChange[]> {
  const brought = contributionsOf(events);
  const inserted = matched(brought, await session.run(insert(...columnsOf(brought))));
  const changes = inserted.hits.map(([contribution]) => changeOf(contribution, NOTHING, contribution.state, true));
  const existing = inserted.misses;
  if (existing.length === 0) return changes;
  const added = matched(existing, await session.run(add(...columnsOf(existing))));
  for (const [contribution, row] of added.hits) {
    const after = stateOf(row);
    changes.push(changeOf(contribution, beforeOf(after, contribution.state), after, false));
  }
  if (added.misses.length > 0) changes.push(...(await moveStates(session, added.misses)));
  return changes;
}

/** What cannot be told from the state after it: of states that this transaction has locked. */
async function moveStates(session: Session<"events">, moved: readonly Contribution[]): Promise<StateChange[]> {
  const [tenantIds, campaignIds, recipientKeys] = keysOf(moved);
  const { hits, misses } = matched(moved, await session.run(read(tenantIds, campaignIds, recipientKeys)));
  if (misses.length > 0) throw new Error(VANISHED);
  const changes = hits.map(([contribution, row]) => {
    const before = stateOf(row);
    const after = copyState(before);
    for (const { event } of contribution.events) foldEvent(after, event);
    return changeOf(contribution, before, after, false);
  });
  await session.run(update(...columnsOf(changes.map((change) => ({ ...change, state: change.after })))));
  return changes;
}

const NOTHING = emptyState();
const VANISHED = "A recipient's state vanished under the transaction that met it";

/** One for each recipient of a campaign, in the order of the keys. */
function contributionsOf(events: readonly ReceivedEvent[]): Contribution[] {
  // Maps in maps: a text of the three ids for every event takes longer.
  const tenants = new Map<TenantId, Map<CampaignId, Map<RecipientKey, Contribution>>>();
  for (const item of events) {
    const { tenantId, event } = item;
    const { campaignId, recipientKey } = event;
    let campaigns = tenants.get(tenantId);
    if (campaigns === undefined) tenants.set(tenantId, (campaigns = new Map()));
    let recipients = campaigns.get(campaignId);
    if (recipients === undefined) campaigns.set(campaignId, (recipients = new Map()));
    let contribution = recipients.get(recipientKey);
    if (contribution === undefined) {
      contribution = { tenantId, campaignId, recipientKey, events: [], state: emptyState() };
      recipients.set(recipientKey, contribution);
    }
    contribution.events.push(item);
    foldEvent(contribution.state, event);
  }
  return inOrder(tenants).flatMap((campaigns) => inOrder(campaigns).flatMap((recipients) => inOrder(recipients)));
}

/** UUIDs in lower case, which PostgreSQL puts into the same order. */
function inOrder<Value>(map: ReadonlyMap<string, Value>): Value[] {
  return Array.from(map)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, value]) => value);
}

/** Finds the contribution of each row. The rows have to be in the order of the contributions. */
function matched<Row extends StateKey>(contributions: readonly Contribution[], rows: readonly Row[]) {
  const hits: [Contribution, Row][] = [];
  const misses: Contribution[] = [];
  let next = 0;
  for (const contribution of contributions) {
    const row = rows[next];
    if (row !== undefined && isOf(contribution, row)) {
      hits.push([contribution, row]);
      next += 1;
    } else misses.push(contribution);
  }
  if (next < rows.length) throw new Error("States came in another order than they were sent");
  return { hits, misses };
}

function isOf(place: Place, row: StateKey): boolean {
  return (
    place.recipientKey === row.recipient_key && place.campaignId === row.campaign_id && place.tenantId === row.tenant_id
  );
}

function changeOf(
  { tenantId, campaignId, recipientKey, events }: Place,
  before: RecipientState,
  after: RecipientState,
  isNew: boolean,
): StateChange {
  return { tenantId, campaignId, recipientKey, events, before, after, isNew };
}

const FIRST_EVENT = FIRST_TIMES.indexOf("first_event_at");

/** What a state was that is `after` since this was added to it, on the conditions of the statement `add`. */
function beforeOf(after: RecipientState, brought: RecipientState): RecipientState {
  const before = {
    firstTimes: after.firstTimes.map((time, position) =>
      position !== FIRST_EVENT && time === brought.firstTimes[position] ? NEVER : time,
    ),
    counts: after.counts.map((count, position) => count - (brought.counts[position] ?? 0)),
    revenue: brought.revenue === null ? after.revenue : null,
  };
  if (before.counts.every((count) => count === 0)) throw new Error(VANISHED);
  return before;
}

function stateOf(row: StateRow): RecipientState {
  return {
    firstTimes: FIRST_TIMES.map((name) => row[name] ?? NEVER),
    counts: EVENT_COUNTS.map((name) => row[name]),
    revenue: row.revenue,
  };
}

function keysOf(places: readonly Place[]): [Buffer, Buffer, Buffer] {
  return [
    uuidArray(places, (place) => place.tenantId),
    uuidArray(places, (place) => place.campaignId),
    uuidArray(places, (place) => place.recipientKey),
  ];
}

function columnsOf(rows: readonly (Place & { readonly state: RecipientState })[]): Buffer[] {
  return [
    ...keysOf(rows),
    ...instantColumns(
      rows.map(({ state }) => state.firstTimes),
      FIRST_TIMES.length,
    ),
    ...integerColumns(
      rows.map(({ state }) => state.counts),
      EVENT_COUNTS.length,
    ),
    textArray(
      rows.map(({ state: { revenue } }) => (revenue === null ? undefined : JSON.stringify(revenue))),
      (revenue) => revenue,
    ),
  ];
}
