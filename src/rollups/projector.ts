/**
 * Moves messages from the outbox into the rollups of the metrics database. There is no transaction over both databases:
 * a message's id is written in the same metrics transaction as what it changes, and the message leaves the outbox after
 * that has committed. Dying between the two delivers the message again, and its id is known by then.
 *
 * A projector that froze must not wake and apply what another one applied and everybody forgot. So the metrics transaction
 * begins before the outbox is read, and the server ends it when its client has been silent for
 * IDLE_IN_TRANSACTION_TIMEOUT_MS; ids are kept for FORGET_AFTER_HOURS, and as long as the outbox holds their message.
 *
 * Projectors may run side by side: messages are sums, rows are upserted in one order. They hold a shared lock that `verify`
 * takes exclusively for the moment in which it opens its snapshots of both databases.
 */
import { recordAudit } from "../audit/record-audit.js";
import { applyCampaignIdentities, applyFirstSent } from "../campaigns/campaign-projection.js";
import type { IdentityChange } from "../campaigns/campaign-identities.js";
import type { Pool, Session, Transaction } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { claimMessages, OUTBOX_FORMAT, removeMessages, type StoredMessage } from "../events/outbox.js";
import type { TenantId } from "../ids.js";
import type { Logger } from "../observability/logger.js";
import { moveTenantVersions } from "../tenancy/tenant-version.js";
import { beginAsWorker, writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { TimeZoneId } from "../time/time-zone.js";
import { WorkLoop } from "../work-loop.js";
import { holdProjectorLock } from "./projector-lock.js";
import { RollupChanges } from "./rollup-changes.js";
import type { RollupPayload } from "./rollup-message.js";
import { addToRollup } from "./rollup-tables.js";

export interface ProjectorOptions {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
  readonly pollMs: number;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** Called after each commit, with the events in it and when the oldest was accepted. */
  readonly onProjected?: (events: number, oldestReceivedAt: EpochMicros) => void;
}

/** What a message may hold. */
interface Payload extends Partial<IdentityChange> {
  readonly rollup?: RollupPayload;
}
type Message = StoredMessage & { readonly payload: Payload };

/** Messages per transaction: ten batches of a busy tenant make one set of upserts. */
const MAX_MESSAGES = 50;
const FORGET_AFTER_HOURS = 24;

const findWaiting = defineStatement<"events", [], { waiting: boolean }>(
  "events",
  "outbox.is_waiting",
  `select exists (select from outbox where format <= ${OUTBOX_FORMAT}) as waiting`,
);

const rememberApplied = defineStatement<"metrics", [messages: string, now: string], { id: string }>(
  "metrics",
  "projector.remember_applied",
  `insert into applied_messages (tenant_id, id, applied_at)
   select tenant_id, id, $2 from json_to_recordset($1) as message (tenant_id uuid, id uuid)
   order by tenant_id, id
   on conflict (tenant_id, id) do nothing
   returning id`,
);

const findZones = defineStatement<
  "metrics",
  [readonly TenantId[]],
  { id: TenantId; rollup_time_zone: TimeZoneId; next_rollup_time_zone: TimeZoneId | null }
>(
  "metrics",
  "projector.find_zones",
  "select id, rollup_time_zone, next_rollup_time_zone from tenants where id = any ($1::uuid[])",
);

const findOldestMessage = defineStatement<"events", [], { id: string | null }>(
  "events",
  "outbox.find_oldest",
  // PostgreSQL 15 has no min(uuid).
  "select (select id from outbox order by id limit 1) as id",
);

const forgetApplied = defineStatement<"metrics", [now: string, oldestWaiting: string | null], never>(
  "metrics",
  "projector.forget_applied",
  `delete from applied_messages
   where applied_at < $1::timestamptz - interval '${FORGET_AFTER_HOURS} hours' and ($2::uuid is null or id < $2)`,
);

export class Projector {
  readonly #options: ProjectorOptions;
  readonly #loop: WorkLoop;

  constructor(options: ProjectorOptions) {
    this.#options = options;
    const { pollMs: idleMs, log } = options;
    this.#loop = new WorkLoop({ name: "projector", step: () => this.#step(), idleMs, log });
  }

  /** Says that messages were written. */
  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #step(): Promise<boolean> {
    const { events, metrics, onProjected } = this.#options;
    const [peeked] = await writeAsWorker(events, (session) => session.run(findWaiting()));
    if (peeked?.waiting !== true) return false;
    const projection = await beginAsWorker(metrics);
    const messages = await this.#project(projection).catch(async (error: unknown) => {
      await projection.rollback();
      throw error;
    });
    const count = messages.reduce((sum, message) => sum + message.event_count, 0);
    if (count > 0) onProjected?.(count, Math.min(...messages.map((message) => message.received_at)) as EpochMicros);
    return messages.length > 0;
  }

  /** Applies the next messages and commits them in both databases, the metrics first. */
  async #project(projection: Transaction<"metrics">): Promise<readonly Message[]> {
    await projection.run(holdProjectorLock());
    const reading = await beginAsWorker(this.#options.events);
    try {
      const messages = (await reading.run(claimMessages(MAX_MESSAGES))) as readonly Message[];
      await applyMessages(projection, messages, this.#options.now());
      await projection.commit();
      await reading.run(
        removeMessages(
          messages.map((message) => message.lane),
          messages.map((message) => message.id),
        ),
      );
      await reading.commit();
      return messages;
    } catch (error) {
      await reading.rollback();
      throw error;
    }
  }
}

/** Applies those messages that the metrics do not hold yet. */
async function applyMessages(
  session: Session<"metrics">,
  messages: readonly Message[],
  now: EpochMicros,
): Promise<void> {
  if (messages.length === 0) return;
  const ids = messages.map(({ tenant_id, id }) => ({ tenant_id, id }));
  const fresh = new Set(
    (await session.run(rememberApplied(JSON.stringify(ids), formatInstant(now)))).map((row) => row.id),
  );
  const news = messages.filter((message) => fresh.has(message.id));
  if (news.length === 0) return;
  const tenantIds = [...new Set(news.map((message) => message.tenant_id))];
  const zones = new Map(
    (await session.run(findZones(tenantIds))).map(({ id, rollup_time_zone: current, next_rollup_time_zone: next }) => [
      id,
      next === null ? [current] : [current, next],
    ]),
  );
  const changes = new RollupChanges();
  for (const { tenant_id: tenantId, payload } of news) {
    const zonesOfTenant = zones.get(tenantId);
    if (zonesOfTenant === undefined) throw new Error(`Tenant ${tenantId} has messages and does not exist`);
    if (payload.rollup !== undefined) changes.add(tenantId, zonesOfTenant, payload.rollup);
  }
  await applyCampaignIdentities(
    session,
    news.flatMap(({ tenant_id: tenantId, payload: { campaign: identity } }) =>
      identity === undefined ? [] : [{ tenantId, identity }],
    ),
  );
  // After the campaigns, whose rows are locked by who changes them: he may have more to say of it than the message has, and
  // in the other order both would wait for each other.
  await recordAudit(
    session,
    news.flatMap(({ payload: { audit } }) => audit ?? []),
  );
  await applyFirstSent(
    session,
    news.flatMap(({ tenant_id: tenantId, payload }) =>
      (payload.rollup?.firstSent ?? []).map(([campaignId, at]) => ({ tenantId, campaignId, at })),
    ),
  );
  for (const [table, rows] of changes.tables()) await addToRollup(session, table, rows);
  await moveTenantVersions(session, tenantIds);
}

/** Forgets the messages that can never come again. */
export async function forgetAppliedMessages(
  events: Pool<"events">,
  metrics: Pool<"metrics">,
  now: EpochMicros,
): Promise<void> {
  const [oldest] = await writeAsWorker(events, (session) => session.run(findOldestMessage()));
  await writeAsWorker(metrics, (session) => session.run(forgetApplied(formatInstant(now), oldest?.id ?? null)));
}
