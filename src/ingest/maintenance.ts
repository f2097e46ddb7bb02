/** What workers do now and then. Several may do it side by side: each statement is right whoever else runs it. */
import type { Pool } from "../database/pool.js";
import type { Partitions } from "../events/partitions.js";
import { dropExpiredPartitions, retainedFrom } from "../events/retention.js";
import type { Logger } from "../observability/logger.js";
import { finishZoneChanges } from "../rollups/rebuild/finish-zone-changes.js";
import { forgetAppliedMessages } from "../rollups/projector.js";
import { definePortion, deleteInPortions } from "../tenancy/delete-in-portions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { forgetEventIds } from "./forget-event-ids.js";
import { IDEMPOTENCY_TTL_HOURS } from "./inbox-writer.js";

const RECEIPT_TTL_DAYS = 7;

const forgetReceipts = definePortion<"events", [now: string]>("events", "maintenance.forget_receipts", {
  table: "receipts",
  key: ["tenant_id", "id"],
  order: "applied_at",
  where: `applied_at < $2::timestamptz - interval '${RECEIPT_TTL_DAYS} days'`,
});

const forgetDiscarded = definePortion<"events", [now: string]>("events", "maintenance.forget_discarded", {
  table: "dead_letters",
  key: ["tenant_id", "id"],
  order: "discarded_at",
  // A receipt lives longer where another event of its call was recorded later: it must not say APPLIED in the end.
  where: `discarded_at < $2::timestamptz - interval '${RECEIPT_TTL_DAYS} days'
     and not exists (
       select from receipts where tenant_id = dead_letters.tenant_id and receipts.id = dead_letters.receipt_id
     )
     and not exists (
       select from inbox where tenant_id = dead_letters.tenant_id and inbox.receipt_id = dead_letters.receipt_id
     )`,
});

const forgetIdempotencyKeys = definePortion<"events", [now: string]>("events", "maintenance.forget_idempotency_keys", {
  table: "idempotency_keys",
  key: ["tenant_id", "key"],
  order: "created_at",
  where: `created_at < $2::timestamptz - interval '${IDEMPOTENCY_TTL_HOURS} hours'`,
});

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
  /** Of what has expired. */
  readonly rowsAtATime?: number;
}

export class Maintenance {
  readonly #options: MaintenanceOptions;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /** A step that fails does not keep the others from their work; what went wrong is thrown in the end. */
  async run(): Promise<void> {
    const { events, metrics, partitions, now, signal, rowsAtATime } = this.#options;
    const portions = { signal, rowsAtATime };
    const forget = (portion: typeof forgetReceipts) => async () => {
      const at = formatInstant(now());
      await deleteInPortions(events, (rows) => portion(rows, at), portions);
    };
    const steps: readonly (() => Promise<unknown>)[] = [
      () => partitions.ensureAhead(now()),
      forget(forgetReceipts),
      forget(forgetDiscarded),
      forget(forgetIdempotencyKeys),
      () => this.#applyRetention(),
      () => forgetAppliedMessages(events, metrics, now(), portions),
      () => finishZoneChanges(metrics, now, portions),
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
