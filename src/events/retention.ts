/**
 * Drops what is past retention: partitions of the event log that lie wholly before a moment, through functions of the owner's.
 *
 * First the moment is declared, for good: from then on intake refuses what lies before it (retention-floor.ts), and `verify`
 * does not recount what reaches past it, whether or not every table has let go of its partition yet. Then one partition
 * goes per transaction, so that nobody waits for more than one table. A drop needs its table alone for an instant; while somebody
 * reads or writes there it gives up after 200 ms and comes back with the next round, since writers would queue up behind it.
 * Rollups, recipients' states and addresses stay.
 */
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { Logger } from "../observability/logger.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant, MICROS_PER_DAY } from "../time/instant.js";

export interface EventPartition {
  readonly name: string;
  readonly from: EpochMicros;
  readonly to: EpochMicros;
  /** As the statistics say; null where there are none yet. */
  readonly estimatedRows: number | null;
  /** With its indexes. */
  readonly bytes: number;
}

interface PartitionRow {
  readonly name: string;
  readonly from: EpochMicros;
  readonly to: EpochMicros;
  readonly rows: number;
  readonly bytes: number | null;
}

const find = defineStatement<"events", [before: string], PartitionRow>(
  "events",
  "retention.find_expired",
  `select partition_name::text as name, lower_bound as from, upper_bound as to, reltuples::bigint as rows,
     pg_total_relation_size(partition) as bytes
   from event_partitions()
   join pg_class on pg_class.oid = partition
   where upper_bound <= $1
   order by lower_bound, partition_name`,
);

const declare = defineStatement<"events", [before: string, now: string], { before: EpochMicros | null }>(
  "events",
  "retention.declare",
  "select declare_events_dropped($1, $2) as before",
);

const drop = defineStatement<"events", [name: string], { outcome: "DROPPED" | "GONE" | "BUSY" }>(
  "events",
  "retention.drop",
  "select drop_event_partition($1) as outcome",
);

/** Each try may hold writers up for a fifth of a second: so many that are in vain, and the rest has to wait for the next round. */
const MAX_BUSY = 3;

/** The moment before which nothing is kept. */
export function retainedFrom(days: number, now: EpochMicros): EpochMicros {
  return (now - days * MICROS_PER_DAY) as EpochMicros;
}

/** The partitions that hold nothing from this moment on, oldest first. */
export async function findExpiredPartitions(
  session: Session<"events">,
  before: EpochMicros,
): Promise<EventPartition[]> {
  const rows = await session.run(find(formatInstant(before)));
  return rows.map(({ name, from, to, rows: estimate, bytes }) => {
    return { name, from, to, estimatedRows: estimate < 0 ? null : estimate, bytes: bytes ?? 0 };
  });
}

export interface DropOptions {
  readonly now: EpochMicros;
  readonly log: Logger;
  /** Checked between partitions. */
  readonly signal?: AbortSignal;
}

export interface DropResult {
  readonly dropped: readonly EventPartition[];
  /** Those that somebody used, or that nobody got to: for the next round. */
  readonly left: readonly EventPartition[];
}

/** Drops the partitions that hold nothing from this moment on, as far as nobody is at them. */
export async function dropExpiredPartitions(
  events: Pool<"events">,
  before: EpochMicros,
  { now, log, signal }: DropOptions,
): Promise<DropResult> {
  const expired = await writeAsWorker(events, (session) => findExpiredPartitions(session, before));
  const dropped: EventPartition[] = [];
  const left: EventPartition[] = [];
  if (expired.length === 0) return { dropped, left };
  await writeAsWorker(events, (session) => session.run(declare(formatInstant(before), formatInstant(now))));
  let busy = 0;
  for (const partition of expired) {
    if (busy >= MAX_BUSY || signal?.aborted === true) {
      left.push(partition);
      continue;
    }
    const [tried] = await writeAsWorker(events, (session) => session.run(drop(partition.name)));
    if (tried?.outcome === "BUSY") {
      busy += 1;
      left.push(partition);
    } else if (tried?.outcome === "DROPPED") {
      dropped.push(partition);
      const { name, estimatedRows, bytes } = partition;
      log.info({ partition: name, estimatedRows, bytes }, "dropped a partition past retention");
    }
  }
  if (left.length > 0) {
    log.info({ partitions: left.map(({ name }) => name) }, "partitions past retention are in use; tried again later");
  }
  return { dropped, left };
}
