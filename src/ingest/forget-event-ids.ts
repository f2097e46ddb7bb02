/**
 * Forgets the ids of events that retention has dropped, so that the ledger does not grow for ever.
 *
 * An id that is forgotten counts again if its event comes again. So ids go only once no such event can come: intake has
 * refused what lies before the declared moment for a day, and nothing waits, in the inbox or among the dead letters, that was
 * accepted until then. Until the letters of that time are replayed or discarded, the ids stay.
 */
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";

/** For servers to learn of the declaration, for calls in hand to end, and for clocks that differ. */
const MARGIN = "interval '1 day'";

const findForgettable = defineStatement<"events", [now: string], { before: EpochMicros; blocks: number }>(
  "events",
  "retention.find_forgettable",
  `select dropped_before as before,
     pg_relation_size('event_ids') / current_setting('block_size')::bigint + 1 as blocks
   from retention
   where (ids_forgotten_before is null or ids_forgotten_before < dropped_before)
     and declared_at + ${MARGIN} < $1
     and not exists (select from event_partitions() where upper_bound <= dropped_before)
     and not exists (select from inbox where received_at < declared_at + ${MARGIN})
     and not exists (select from dead_letters where discarded_at is null and received_at < declared_at + ${MARGIN})`,
);

const forget = defineStatement<"events", [from: string, to: string, before: string], never>(
  "events",
  "retention.forget_ids",
  // By place, not by time: an index on the time would cost every insert, and whatever lies before is anywhere.
  "delete from event_ids where ctid >= $1::tid and ctid < $2::tid and occurred_at < $3",
);

const rememberForgotten = defineStatement<"events", [before: string], never>(
  "events",
  "retention.remember_forgotten",
  "update retention set ids_forgotten_before = $1::timestamptz where dropped_before = $1::timestamptz",
);

/** 8 MB of the ledger, some 70,000 ids. */
const BLOCKS_AT_A_TIME = 1_000;

export interface ForgetOptions {
  readonly now: EpochMicros;
  /** Checked between portions; the next run begins anew, and finds little to do where this one was. */
  readonly signal?: AbortSignal;
  readonly blocksAtATime?: number;
}

/** False where ids may not be forgotten yet, or nothing is left to forget. */
export async function forgetEventIds(
  events: Pool<"events">,
  { now, signal, blocksAtATime = BLOCKS_AT_A_TIME }: ForgetOptions,
): Promise<boolean> {
  const [found] = await writeAsWorker(events, (session) => session.run(findForgettable(formatInstant(now))));
  if (found === undefined) return false;
  const before = formatInstant(found.before);
  for (let block = 0; block < found.blocks; block += blocksAtATime) {
    if (signal?.aborted === true) return false;
    const portion = forget(`(${block},0)`, `(${block + blocksAtATime},0)`, before);
    await writeAsWorker(events, (session) => session.run(portion));
  }
  await writeAsWorker(events, (session) => session.run(rememberForgotten(before)));
  return true;
}
