/**
 * Partitions of the event tables, made ahead and on demand through a function of the owner's. They are made in a
 * transaction of their own, before the batch that needs them begins to write: attaching one locks out other attachments,
 * not writers, and a batch that fails leaves the partition for its next try.
 */
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";

const ensure = defineStatement<"events", [moment: string], { made: number }>(
  "events",
  "partitions.ensure",
  "select ensure_event_partitions($1) as made",
);

const MONTHS_AHEAD = 2;

export class Partitions {
  readonly #events: Pool<"events">;
  /** Months known to have their partitions, as "2026-11". */
  readonly #months = new Set<string>();

  constructor(events: Pool<"events">) {
    this.#events = events;
  }

  /** Makes the partitions that these moments need. */
  async ensureFor(moments: Iterable<EpochMicros>): Promise<void> {
    const missing = new Map<string, string>();
    let lastMonth = Number.NaN;
    for (const moment of moments) {
      // Neighbours mostly share a month: two comparisons save the formatting.
      const date = new Date(moment / 1000);
      const month = date.getUTCFullYear() * 12 + date.getUTCMonth();
      if (month === lastMonth) continue;
      lastMonth = month;
      const label = formatInstant(moment).slice(0, 7);
      if (!this.#months.has(label)) missing.set(label, formatInstant(moment));
    }
    for (const [label, moment] of missing) {
      await writeAsWorker(this.#events, (session) => session.run(ensure(moment)));
      this.#months.add(label);
    }
  }

  /** Looks for partitions again before they are needed next: one that was there is gone. */
  forget(): void {
    this.#months.clear();
  }

  /** Makes the partitions of this month and the next ones. */
  async ensureAhead(now: EpochMicros): Promise<void> {
    const today = new Date(now / 1000);
    const months = Array.from({ length: MONTHS_AHEAD + 1 }, (_, ahead) =>
      Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + ahead, 1),
    );
    await this.ensureFor(months.map((month) => (month * 1000) as EpochMicros));
  }
}
