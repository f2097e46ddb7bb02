/**
 * How much waits in a lane, as far as it has to be known: a row holds at least one event, so that as many rows as a mark has
 * events say "at least the mark", however many lie behind them. No payload is read. A letter that is replayed is as old as
 * the call that brought it, which says nothing of how long it has waited here; what a newer program wrote waits for one,
 * and must not refuse calls that this one's workers could record.
 */
import type { Pool } from "../../database/pool.js";
import { defineStatement } from "../../database/statement.js";
import type { Lane } from "../../events/outbox.js";
import type { TenantId } from "../../ids.js";
import { writeAsWorker } from "../../tenancy/transactions.js";
import type { EpochMicros } from "../../time/instant.js";
import { INBOX_FORMAT } from "../inbox-payload.js";
import type { Waiting } from "./high-water-marks.js";

const SAYS_ITS_AGE = `not is_replay and format <= ${INBOX_FORMAT}`;

/** Of each tenant along the primary key, oldest first. */
const readOfTenants = defineStatement<
  "events",
  [Lane, readonly TenantId[], maxRows: number],
  { tenant_id: TenantId; events: number; oldest: EpochMicros | null }
>(
  "events",
  "inbox.read_waiting_of_tenants",
  `select tenant.id as tenant_id, waiting.events, waiting.oldest
   from unnest($2::uuid[]) as tenant (id)
   cross join lateral (
     select coalesce(sum(event_count), 0)::bigint as events, min(received_at) filter (where ${SAYS_ITS_AGE}) as oldest
     from (
       select event_count, received_at, is_replay, format from inbox
       where lane = $1 and tenant_id = tenant.id
       order by inbox.id
       limit $3
     ) as row
   ) as waiting`,
);

const readOfAll = defineStatement<"events", [Lane, maxRows: number], { events: number; oldest: EpochMicros | null }>(
  "events",
  "inbox.read_waiting_of_all",
  `select coalesce(sum(event_count), 0)::bigint as events, min(received_at) filter (where ${SAYS_ITS_AGE}) as oldest
   from (select event_count, received_at, is_replay, format from inbox where lane = $1 limit $2) as row`,
);

interface WaitingQuestion {
  readonly lane: Lane;
  readonly tenants: readonly TenantId[];
  /** Whether to read of all together as well. */
  readonly ofAll: boolean;
  readonly maxTenantRows: number;
  readonly maxRows: number;
  /** Called when the transaction has begun: what was committed before is in the answer. */
  readonly onBegin: () => void;
}

interface WaitingFound {
  readonly tenants: ReadonlyMap<TenantId, Waiting>;
  readonly all: Waiting | null;
}

/** As the worker, whose policies show all tenants' rows: nothing of a row leaves it but its count and its time. */
export function readWaiting(pool: Pool<"events">, question: WaitingQuestion): Promise<WaitingFound> {
  const { lane, tenants, ofAll, maxTenantRows, maxRows, onBegin } = question;
  return writeAsWorker(pool, async (session) => {
    onBegin();
    const rows = tenants.length === 0 ? [] : await session.run(readOfTenants(lane, tenants, maxTenantRows));
    const [all] = ofAll ? await session.run(readOfAll(lane, maxRows)) : [];
    return {
      tenants: new Map(rows.map(({ tenant_id: id, events, oldest }) => [id, { events, oldestAt: oldest }])),
      all: all === undefined ? null : { events: all.events, oldestAt: all.oldest },
    };
  });
}
