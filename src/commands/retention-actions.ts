import {
  dropExpiredPartitions,
  type EventPartition,
  findExpiredPartitions,
  retainedFrom,
} from "../events/retention.js";
import { systemClock } from "../runtime.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { formatInstant } from "../time/instant.js";
import { withInstallation } from "./open-command.js";

export interface RetentionOptions {
  readonly dryRun?: true;
}

/** Prints a line a partition. Leaves exit status 1 where some could not be dropped, being in use. */
export function applyRetention({ dryRun }: RetentionOptions): Promise<void> {
  return withInstallation(async ({ config, log }, { events }) => {
    const { eventRetentionDays: days } = config.limits;
    if (days === null) {
      process.stderr.write("EVENT_RETENTION_DAYS is not set: events are kept, and nothing is dropped.\n");
      return;
    }
    const now = systemClock();
    const before = retainedFrom(days, now);
    const expired = `past ${days} days, wholly before ${formatInstant(before)}`;
    if (dryRun === true) {
      const found = await writeAsWorker(events, (session) => findExpiredPartitions(session, before));
      printAll(found);
      process.stderr.write(`${found.length} partitions ${expired}: would be dropped\n`);
      return;
    }
    const { dropped, left } = await dropExpiredPartitions(events, before, { now, log });
    printAll(dropped);
    process.stderr.write(`${dropped.length} partitions ${expired}: dropped\n`);
    if (left.length === 0) return;
    process.stderr.write(`${left.length} more are in use and were left: run it again, or let a worker do it\n`);
    process.exitCode = 1;
  });
}

function printAll(partitions: readonly EventPartition[]): void {
  for (const { name, from, to, estimatedRows, bytes } of partitions) {
    const rows = estimatedRows === null ? "an unknown number of rows" : `about ${estimatedRows} rows`;
    const [first, end] = [from, to].map((instant) => formatInstant(instant).slice(0, 10));
    process.stdout.write(`${name}: from ${first} to before ${end}, ${rows}, ${(bytes / 1_000_000).toFixed(1)} MB\n`);
  }
}
