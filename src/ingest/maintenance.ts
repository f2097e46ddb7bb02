/** What workers do now and then. Several may do it side by side: each statement is right whoever else runs it. */
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import type { Partitions } from "../events/partitions.js";
import { forgetAppliedMessages } from "../rollups/projector.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { IDEMPOTENCY_TTL_HOURS } from "./inbox-writer.js";

const RECEIPT_TTL_DAYS = 7;

const forgetReceipts = defineStatement<"events", [now: string], never>(
  "events",
  "maintenance.forget_receipts",
  `delete from receipts where applied_at < $1::timestamptz - interval '${RECEIPT_TTL_DAYS} days'`,
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
  readonly now: () => EpochMicros;
}

export class Maintenance {
  readonly #options: MaintenanceOptions;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { events, metrics, partitions, now } = this.#options;
    await partitions.ensureAhead(now());
    await writeAsWorker(events, (session) => session.run(forgetReceipts(formatInstant(now()))));
    await writeAsWorker(events, (session) => session.run(forgetIdempotencyKeys(formatInstant(now()))));
    await forgetAppliedMessages(events, metrics, now());
  }
}
