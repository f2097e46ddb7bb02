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
 *
 * A message that cannot be applied holds up nobody else: when messages fail together, each tenant's are applied apart, and each of
 * those that fail again. What is at fault stays in the outbox, so that its tenant's numbers go on saying that something waits, and
 * is tried again after a while.
 */
import { recordAudit } from "../audit/record-audit.js";
import { projectCampaigns } from "../campaigns/campaign-projection.js";
import type { IdentityChange } from "../campaigns/campaign-identities.js";
import { isDatabaseAway, wasRolledBack } from "../database/database-away.js";
import type { Pool, Session, Transaction } from "../database/pool.js";
import { runInOrder } from "../database/run-in-order.js";
import { defineStatement, type Statement } from "../database/statement.js";
import { claimAgain, claimMessages, OUTBOX_FORMAT, removeMessages, type StoredMessage } from "../events/outbox.js";
import type { TenantId } from "../ids.js";
import type { Logger } from "../observability/logger.js";
import { SparseWarnings } from "../observability/sparse-warnings.js";
import { definePortion, deleteInPortions, type PortionOptions } from "../tenancy/delete-in-portions.js";
import { tenantVersionsMoved } from "../tenancy/tenant-version.js";
import { beginAsWorker, runAsWorker, writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { TimeZoneId } from "../time/time-zone.js";
import { WorkLoop } from "../work-loop.js";
import { holdProjectorLock } from "./projector-lock.js";
import { RollupChanges } from "./rollup-changes.js";
import type { RollupPayload } from "./rollup-message.js";
import { additionsTo } from "./rollup-tables.js";
import { SetAside } from "./set-aside.js";

export interface ProjectorOptions {
  readonly events: Pool<"events">;
  readonly metrics: Pool<"metrics">;
  readonly pollMs: number;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  /** How long a message waits that could not be applied, until it is tried again. */
  readonly retryMs?: number;
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
const DEFAULT_RETRY_MS = 60_000;

const findWaiting = defineStatement<
  "events",
  [setAsideTenants: readonly TenantId[], setAside: readonly string[]],
  { waiting: boolean }
>(
  "events",
  "outbox.is_waiting",
  `select exists (
     select from outbox where format <= ${OUTBOX_FORMAT} and tenant_id <> all ($1::uuid[]) and id <> all ($2::uuid[])
   ) as waiting`,
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

const forgetApplied = definePortion<"metrics", [now: string, oldestWaiting: string | null]>(
  "metrics",
  "projector.forget_applied",
  {
    table: "applied_messages",
    key: ["tenant_id", "id"],
    order: "applied_at",
    where: `applied_at < $2::timestamptz - interval '${FORGET_AFTER_HOURS} hours' and ($3::uuid is null or id < $3)`,
  },
);

/** What could not be applied, for its own sake as it seems; the cause tells why. */
class Inapplicable extends Error {
  override readonly name = "Inapplicable";
  readonly messages: readonly Message[];

  constructor(messages: readonly Message[], cause: unknown) {
    super("Messages cannot be applied", { cause });
    this.messages = messages;
  }
}

export class Projector {
  readonly #options: ProjectorOptions;
  readonly #loop: WorkLoop;
  readonly #setAside: SetAside;
  readonly #warnings: SparseWarnings;

  constructor(options: ProjectorOptions) {
    this.#options = options;
    const { pollMs: idleMs, log, retryMs = DEFAULT_RETRY_MS } = options;
    this.#setAside = new SetAside(retryMs);
    this.#warnings = new SparseWarnings(log);
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
    const { tenantIds, messageIds } = this.#setAside.read();
    const waiting = findWaiting(tenantIds, messageIds);
    const [peeked] = await runAsWorker(this.#options.events, waiting);
    if (peeked?.waiting !== true) return false;
    return this.#attempt(claimMessages(MAX_MESSAGES, tenantIds, messageIds));
  }

  /** Applies what is claimed, or all of it that can be; false where there was nothing. */
  async #attempt(claim: Statement<"events", StoredMessage>): Promise<boolean> {
    const { metrics, onProjected } = this.#options;
    const projection = await beginAsWorker(metrics);
    try {
      const messages = await this.#project(projection, claim);
      const count = messages.reduce((sum, message) => sum + message.event_count, 0);
      if (count > 0) onProjected?.(count, Math.min(...messages.map((message) => message.received_at)) as EpochMicros);
      return messages.length > 0;
    } catch (error) {
      await projection.rollback();
      if (!(error instanceof Inapplicable)) throw error;
      await this.#isolate(error.messages, error.cause);
      return true;
    }
  }

  /** Applies the messages that are claimed and commits them in both databases, the metrics first. */
  async #project(
    projection: Transaction<"metrics">,
    claim: Statement<"events", StoredMessage>,
  ): Promise<readonly Message[]> {
    await projection.run(holdProjectorLock());
    const reading = await beginAsWorker(this.#options.events);
    try {
      const messages = (await reading.run(claim)) as readonly Message[];
      await applyMessages(projection, messages, this.#options.now()).catch((error: unknown) => {
        // What is not the messages' fault may come through the next time.
        throw isDatabaseAway(error) || wasRolledBack(error) ? error : new Inapplicable(messages, error);
      });
      await projection.commit();
      await reading.runAndCommit(
        removeMessages(
          messages.map((message) => message.lane),
          messages.map((message) => message.id),
        ),
      );
      return messages;
    } catch (error) {
      await reading.rollback();
      throw error;
    }
  }

  /** After messages failed together: tenant by tenant, then one by one, so that only those at fault wait. */
  async #isolate(messages: readonly Message[], error: unknown): Promise<void> {
    const [first] = messages;
    if (first === undefined) return;
    if (messages.length === 1) return this.#leave(first, error);
    const tenants = [...Map.groupBy(messages, (message) => message.tenant_id).values()];
    for (const part of tenants.length > 1 ? tenants : messages.map((message) => [message])) {
      const [{ tenant_id: tenantId } = first] = part;
      if (this.#setAside.holds(tenantId)) continue;
      const lanes = part.map((message) => message.lane);
      const ids = part.map((message) => message.id);
      await this.#attempt(claimAgain(lanes, ids));
    }
  }

  #leave({ tenant_id: tenantId, id: messageId }: Message, error: unknown): void {
    this.#setAside.add(tenantId, messageId);
    const context = { err: error, tenantId, messageId };
    if (this.#setAside.holds(tenantId)) {
      this.#warnings.warn(context, "many messages of a tenant cannot be applied; all of them wait in the outbox");
    } else this.#warnings.warn(context, "a message cannot be applied and waits in the outbox");
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
  const [remembered, tenants] = await Promise.all([
    session.run(rememberApplied(JSON.stringify(ids), formatInstant(now))),
    session.run(findZones([...new Set(messages.map((message) => message.tenant_id))])),
  ]);
  const fresh = new Set(remembered.map((row) => row.id));
  const news = messages.filter((message) => fresh.has(message.id));
  if (news.length === 0) return;
  const zones = new Map(
    tenants.map(({ id, rollup_time_zone: current, next_rollup_time_zone: next }) => [
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
  await Promise.all([
    projectCampaigns(session, {
      identities: news.flatMap(({ tenant_id: tenantId, payload: { campaign: identity } }) =>
        identity === undefined ? [] : [{ tenantId, identity }],
      ),
      firstSent: news.flatMap(({ tenant_id: tenantId, payload }) =>
        (payload.rollup?.firstSent ?? []).map(([campaignId, at]) => ({ tenantId, campaignId, at })),
      ),
    }),
    // After the campaigns, whose rows are locked by who changes them: he may have more to say of it than the message has, and
    // in the other order both would wait for each other.
    recordAudit(
      session,
      news.flatMap(({ payload: { audit } }) => audit ?? []),
    ),
    runInOrder(session, statementsOf(changes, new Set(news.map((message) => message.tenant_id)))),
  ]);
}

function* statementsOf(changes: RollupChanges, tenantIds: Iterable<TenantId>): Generator<Statement<"metrics", never>> {
  for (const [table, rows] of changes.tables()) yield* additionsTo(table, rows);
  yield tenantVersionsMoved(tenantIds);
}

/** Forgets the messages that can never come again. */
export async function forgetAppliedMessages(
  events: Pool<"events">,
  metrics: Pool<"metrics">,
  now: EpochMicros,
  portions: PortionOptions = {},
): Promise<void> {
  const [oldest] = await writeAsWorker(events, (session) => session.run(findOldestMessage()));
  const portion = (rows: number) => forgetApplied(rows, formatInstant(now), oldest?.id ?? null);
  await deleteInPortions(metrics, portion, portions);
}
