/**
 * Does what is left of erasures: the events of the log, links whose URL held the address, dead letters, rows of the inbox that
 * wait for another try. Of several workers one is at an erasure at a time. Nothing is remembered between two rounds but how
 * many events were emptied: each round looks for what is left, so a worker may die anywhere.
 */
import type { AuditEntry } from "../audit/audit-entry.js";
import { recordAudit } from "../audit/record-audit.js";
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { EVENT_TYPES } from "../events/event.js";
import { NIL_UUID, type RecipientKey, type TenantId } from "../ids.js";
import { eraseInbox, eraseLetters, stillWaits } from "../ingest/dead-letters/erase-waiting.js";
import type { Logger } from "../observability/logger.js";
import { moveTenantVersions } from "../tenancy/tenant-version.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import {
  BEFORE_ALL,
  eraseEventsOfType,
  eraseLinkInLog,
  eraseLinksInMetrics,
  type EventPlace,
  linksArePending,
} from "./erase-events.js";
import type { ErasedLink } from "./erase-recipient.js";

interface PendingErasure {
  readonly tenant_id: TenantId;
  readonly recipient_key: RecipientKey;
  readonly requested_at: EpochMicros;
  readonly revision: number;
  readonly links: readonly ErasedLink[];
  readonly audit: AuditEntry | null;
}

const MAX_ERASURES_PER_ROUND = 100;

const findPending = defineStatement<"events", [], PendingErasure>(
  "events",
  "worker.find_erasures",
  `select tenant_id, recipient_key, requested_at, revision, links, audit from erasures
   where completed_at is null order by requested_at limit ${MAX_ERASURES_PER_ROUND}`,
);

const tryLock = defineStatement<"events", [RecipientKey], { locked: boolean }>(
  "events",
  "erasures.try_lock",
  "select pg_try_advisory_xact_lock(hashtextextended('mailtally.erasure ' || $1, 0)) as locked",
);

const addErased = defineStatement<"events", [TenantId, RecipientKey, events: number], never>(
  "events",
  "erasures.add_erased",
  "update erasures set erased_events = erased_events + $3 where tenant_id = $1 and recipient_key = $2",
);

const complete = defineStatement<"events", [TenantId, RecipientKey, revision: number, now: string], { done: boolean }>(
  "events",
  "erasures.complete",
  // The URLs that took the others' place are in the log; nothing else needs them.
  `update erasures set completed_at = $4::timestamptz, links = '[]', audit = null
   where tenant_id = $1 and recipient_key = $2 and revision = $3
   returning true as done`,
);

interface ErasureWorkOptions {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** Checked between steps. */
  readonly signal?: AbortSignal;
}

export class ErasureWork {
  readonly #options: ErasureWorkOptions;

  constructor(options: ErasureWorkOptions) {
    this.#options = options;
  }

  /** One round over what is asked for. Returns how many erasures were completed. One that fails does not keep the others waiting. */
  async run(): Promise<number> {
    const { events, log, signal } = this.#options;
    const pending = await writeAsWorker(events, (session) => session.run(findPending()));
    const errors: unknown[] = [];
    let completed = 0;
    for (const erasure of pending) {
      if (signal?.aborted === true) break;
      try {
        if (!(await this.#erase(erasure))) continue;
        completed += 1;
        log.info({ tenantId: erasure.tenant_id }, "a person was erased");
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
    return completed;
  }

  async #erase(erasure: PendingErasure): Promise<boolean> {
    const { tenant_id: tenantId, recipient_key: recipientKey, revision, links, audit } = erasure;
    const { metrics, now } = this.#options;
    for (const type of EVENT_TYPES) {
      const step = async (session: Session<"events">, from: EventPlace): Promise<EventPlace | null> => {
        const { erased, next } = await eraseEventsOfType(session, type, tenantId, recipientKey, from);
        if (erased > 0) await session.run(addErased(tenantId, recipientKey, erased));
        return next;
      };
      if (!(await this.#walk(recipientKey, BEFORE_ALL, step))) return false;
    }
    for (const link of links) {
      const done = await this.#walk(recipientKey, link, async (session) => {
        await eraseLinkInLog(session, tenantId, recipientKey, link);
        return null;
      });
      if (!done) return false;
    }
    const acceptedBy = formatInstant(audit?.occurredAt ?? erasure.requested_at);
    const eraseRows = (session: Session<"events">, after: string) =>
      eraseInbox(session, tenantId, recipientKey, after, acceptedBy);
    if (!(await this.#walk(recipientKey, "0", eraseRows))) return false;
    // Before the letters are looked at, since what waits may become one.
    if (await this.#isOutstanding(erasure, acceptedBy)) return false;
    const eraseDead = (session: Session<"events">, after: string) =>
      eraseLetters(session, tenantId, recipientKey, after);
    if (!(await this.#walk(recipientKey, NIL_UUID, eraseDead))) return false;
    await writeAsWorker(metrics, async (session) => {
      if (audit !== null) await recordAudit(session, [audit]);
      if (await eraseLinksInMetrics(session, tenantId, links)) await moveTenantVersions(session, [tenantId]);
    });
    const finish = complete(tenantId, recipientKey, revision, formatInstant(now()));
    return writeAsWorker(this.#options.events, async (session) => (await session.run(finish)).length > 0);
  }

  #isOutstanding({ tenant_id: tenantId, recipient_key: recipientKey, links }: PendingErasure, acceptedBy: string) {
    return writeAsWorker(
      this.#options.events,
      async (session) =>
        (await stillWaits(session, tenantId, recipientKey, acceptedBy)) ||
        (await linksArePending(session, tenantId, links)),
    );
  }

  /** Steps of one transaction each. False where another worker is at this erasure, or the process is to stop. */
  async #walk<Place>(
    recipientKey: RecipientKey,
    start: Place,
    step: (session: Session<"events">, from: Place) => Promise<Place | null>,
  ): Promise<boolean> {
    const { events, signal } = this.#options;
    let place: Place | null = start;
    while (place !== null) {
      if (signal?.aborted === true) return false;
      const from: Place = place;
      const next = await writeAsWorker(events, async (session) => {
        const [lock] = await session.run(tryLock(recipientKey));
        return lock?.locked === true ? { place: await step(session, from) } : null;
      });
      if (next === null) return false;
      ({ place } = next);
    }
    return true;
  }
}
