/** What workers do now and then. Several may do it side by side: each statement is right whoever else runs it. */
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { Partitions } from "../events/partitions.js";
import { dropExpiredPartitions, retainedFrom } from "../events/retention.js";
import type { Logger } from "../observability/logger.js";
import { finishZoneChanges } from "../rollups/rebuild/finish-zone-changes.js";
import { forgetAppliedMessages } from "../rollups/projector.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { forgetEventIds } from "./forget-event-ids.js";
import { IDEMPOTENCY_TTL_HOURS } from "./inbox-writer.js";

const RECEIPT_TTL_DAYS = 7;

const forgetReceipts = defineStatement<"events", [now: string], never>(
  "events",
  "maintenance.forget_receipts",
  `delete from receipts where applied_at < $1::timestamptz - interval '${RECEIPT_TTL_DAYS} days'`,
);

const forgetDiscarded = defineStatement<"events", [now: string], never>(
  "events",
  "maintenance.forget_discarded",
  // A receipt lives longer where another event of its call was recorded later: it must not say APPLIED in the end.
  `delete from dead_letters as letter
   where discarded_at < $1::timestamptz - interval '${RECEIPT_TTL_DAYS} days'
     and not exists (select from receipts where tenant_id = letter.tenant_id and id = letter.receipt_id)
     and not exists (select from inbox where tenant_id = letter.tenant_id and receipt_id = letter.receipt_id)`,
);

const forgetIdempotencyKeys = defineStatement<"events", [now: string], never>(
  "events",
  "maintenance.forget_idempotency_keys",
  `delete from idempotency_keys where created_at < $1::timestamptz - interval '${IDEMPOTENCY_TTL_HOURS} hours'`,
);

interface MaintenanceOptions {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
  readonly partitions: Partitions;
  /** Null: events are kept. */
  readonly eventRetentionDays: number | null;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** Ends the long pieces early; the next round goes on. */
  readonly signal?: AbortSignal;
}

export class Maintenance {
  readonly #options: MaintenanceOptions;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /** A step that fails does not keep the others from their work; what went wrong is thrown in the end. */
  async run(): Promise<void> {
    const { events, metrics, partitions, now } = this.#options;
    const steps: readonly (() => Promise<unknown>)[] = [
      () => partitions.ensureAhead(now()),
      () => writeAsWorker(events, (session) => session.run(forgetReceipts(formatInstant(now())))),
      () => writeAsWorker(events, (session) => session.run(forgetDiscarded(formatInstant(now())))),
      () => writeAsWorker(events, (session) => session.run(forgetIdempotencyKeys(formatInstant(now())))),
      () => this.#applyRetention(),
      () => forgetAppliedMessages(events, metrics, now()),
      () => finishZoneChanges(metrics, now),
    ];
    const errors: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => errors.push(error));
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} steps of the maintenance failed`);
  }

  async #applyRetention(): Promise<void> {
    const { events, eventRetentionDays, now, log, signal } = this.#options;
    if (eventRetentionDays === null) return;
    const options = { now: now(), log, ...(signal && { signal }) };
    await dropExpiredPartitions(events, retainedFrom(eventRetentionDays, now()), options);
    await forgetEventIds(events, options);
  }
}
