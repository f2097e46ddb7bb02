/**
 * Does what is left of erasures: the events of the log, links whose URL held the address, dead letters, rows of the inbox that
 * wait for another try. Of several workers one is at an erasure at a time. Nothing is remembered between two rounds but how
 * many events were emptied, and which erasures could not be completed: each round looks for what is left, so a worker may die anywhere.
 * To see that nothing is left it walks through all that waits, so those that could not be completed rest.
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

type PendingId = Pick<PendingErasure, "tenant_id" | "recipient_key" | "revision">;

// All of them: some that nobody can complete would keep the later ones out for good.
const findPending = defineStatement<"events", [], PendingId>(
  "events",
  "worker.find_erasures",
  "select tenant_id, recipient_key, revision from erasures where completed_at is null order by requested_at",
);

const readPending = defineStatement<"events", [TenantId, RecipientKey], PendingErasure>(
  "events",
  "worker.read_erasure",
  `select tenant_id, recipient_key, requested_at, revision, links, audit from erasures
   where tenant_id = $1 and recipient_key = $2 and completed_at is null`,
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
  /** How many times as long as a round was at those that it could not complete these rest after it. Without it they do not. */
  readonly restFactor?: number;
  /** Checked between steps. */
  readonly signal?: AbortSignal;
}

/** After a long outage of the metrics database, say, nobody should wait for longer than this. */
const MAX_REST_MS = 5 * 60_000;
/** So many of those that rested are tried in a round: whoever was asked for meanwhile comes after it. */
const MAX_TRIED_AGAIN = 100;

export class ErasureWork {
  readonly #options: ErasureWorkOptions;
  /** Those that could not be completed, in the order in which they were tried last. */
  readonly #waiting = new Set<string>();
  #restsUntil = 0;

  constructor(options: ErasureWorkOptions) {
    this.#options = options;
  }

  /**
   * One round over what is asked for: first what is new, then what could not be completed before, where it has rested. Returns how many
   * erasures were completed. One that fails does not keep the others waiting.
   */
  async run(): Promise<number> {
    const { events, restFactor = 0, signal } = this.#options;
    const pending = await writeAsWorker(events, (session) => session.run(findPending()));
    const errors: unknown[] = [];
    let completed = 0;
    let spentMs = 0;
    for (const [id, { tenant_id: tenantId, recipient_key: recipientKey }] of this.#turns(pending)) {
      if (signal?.aborted === true) break;
      const began = performance.now();
      // Where it comes to nothing, the last one.
      this.#waiting.delete(id);
      this.#waiting.add(id);
      try {
        if (await this.eraseOne(tenantId, recipientKey)) {
          this.#waiting.delete(id);
          completed += 1;
          continue;
        }
      } catch (error) {
        errors.push(error);
      }
      spentMs += performance.now() - began;
    }
    const restMs = Math.min(MAX_REST_MS, restFactor * spentMs);
    this.#restsUntil = Math.max(this.#restsUntil, performance.now() + restMs);
    if (errors.length > 0) throw errors[0];
    return completed;
  }

  #turns(pending: readonly PendingId[]): [string, PendingId][] {
    // Whoever is asked for again is new.
    const all = new Map(pending.map((one) => [`${one.tenant_id} ${one.recipient_key} ${one.revision}`, one]));
    for (const id of this.#waiting) if (!all.has(id)) this.#waiting.delete(id);
    const fresh = [...all].filter(([id]) => !this.#waiting.has(id));
    if (performance.now() < this.#restsUntil) return fresh;
    const again = [...this.#waiting].slice(0, MAX_TRIED_AGAIN).flatMap((id): [string, PendingId][] => {
      const one = all.get(id);
      return one === undefined ? [] : [[id, one]];
    });
    return [...fresh, ...again];
  }

  /** One round for one person. Whether the erasure was completed by it: not where somebody else did, or where something is left. */
  async eraseOne(tenantId: TenantId, recipientKey: RecipientKey): Promise<boolean> {
    const { events, log } = this.#options;
    const [erasure] = await writeAsWorker(events, (session) => session.run(readPending(tenantId, recipientKey)));
    if (erasure === undefined || !(await this.#erase(erasure))) return false;
    log.info({ tenantId }, "a person was erased");
    return true;
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
