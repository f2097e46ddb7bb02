/**
 * Makes calls durable. While one insert of a tenant is in flight, the tenant's next calls gather and go in together with
 * the next one: under load many calls share a commit, and a lone call waits for nobody. No timer is involved.
 * Calls of different tenants never share a transaction.
 */
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import type { ReceiptId, TenantId } from "../ids.js";
import { runAsTenant, writeAsTenant } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { appendToInbox, type InboxEntry } from "./inbox.js";
import type { Refusal } from "./judge-event.js";

/** What a call was answered; kept for 24 hours under its idempotency key. */
export interface IntakeAnswer {
  /** Null where nothing was accepted. */
  readonly receiptId: ReceiptId | null;
  readonly acceptedAt: EpochMicros;
  readonly acceptedCount: number;
  readonly refused: readonly ({ readonly index: number } & Pick<Refusal, "code" | "field" | "message">)[];
}

interface Idempotency {
  readonly key: string;
  /** Of the call's canonical content. */
  readonly contentHash: string;
}

interface Call {
  readonly answer: IntakeAnswer;
  readonly entry: InboxEntry | null;
  readonly idempotency: Idempotency | null;
  readonly settle: (answer: IntakeAnswer | Promise<never>) => void;
  /** When it came, in milliseconds of performance.now(). */
  readonly since: number;
}

interface InboxWriterOptions {
  /** How long a call may wait for those before it, until it is refused. Nothing of it was sent to the database then. */
  readonly waitTimeoutMs?: number;
  /** Of payload, of all calls that wait: further ones are refused at once, but for one that nobody waits before. */
  readonly maxWaitingChars?: number;
}

const MAX_CALLS_PER_INSERT = 500;
const DEFAULT_WAIT_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_WAITING_CHARS = 64_000_000;

/** Of payload: beyond it the next calls wait for an insert of their own. V8 has no texts of more than half a gigabyte. */
const MAX_CHARS_PER_INSERT = 8_000_000;

export const IDEMPOTENCY_TTL_HOURS = 24;

const forgetExpired = defineStatement<"events", [TenantId, readonly string[], now: string], never>(
  "events",
  "idempotency.forget_expired",
  `delete from idempotency_keys
   where tenant_id = $1 and key = any ($2) and created_at < $3::timestamptz - interval '${IDEMPOTENCY_TTL_HOURS} hours'`,
);

const remember = defineStatement<"events", [TenantId, keys: string, now: string], { key: string }>(
  "events",
  "idempotency.remember",
  `insert into idempotency_keys (tenant_id, key, content_hash, answer, created_at)
   select $1, key, content_hash, answer, $3
   from json_to_recordset($2) as call (key text, content_hash uuid, answer json)
   order by key
   on conflict (tenant_id, key) do nothing
   returning key`,
);

const recall = defineStatement<
  "events",
  [TenantId, readonly string[]],
  { key: string; content_hash: string; answer: IntakeAnswer }
>(
  "events",
  "idempotency.recall",
  "select key, content_hash, answer from idempotency_keys where tenant_id = $1 and key = any ($2)",
);

const findFirst = defineStatement<
  "events",
  [TenantId, key: string, now: string],
  { content_hash: string; answer: IntakeAnswer }
>(
  "events",
  "idempotency.find_first",
  `select content_hash, answer from idempotency_keys
   where tenant_id = $1 and key = $2 and created_at >= $3::timestamptz - interval '${IDEMPOTENCY_TTL_HOURS} hours'`,
);

export class InboxWriter {
  readonly #events: Pool<"events">;
  readonly #waitTimeoutMs: number;
  readonly #maxWaitingChars: number;
  readonly #queues = new Map<TenantId, Call[]>();
  readonly #flushing = new Set<Promise<void>>();
  #waitingChars = 0;

  constructor(events: Pool<"events">, options: InboxWriterOptions = {}) {
    this.#events = events;
    this.#waitTimeoutMs = options.waitTimeoutMs ?? DEFAULT_WAIT_TIMEOUT_MS;
    this.#maxWaitingChars = options.maxWaitingChars ?? DEFAULT_MAX_WAITING_CHARS;
  }

  /**
   * Resolves when the call is durable, with its answer or, for a repeated idempotency key, the first one's. Rejects with UNAVAILABLE where
   * it is not known to be, or where too much waits for inserts that do not come to their end.
   */
  write(
    tenantId: TenantId,
    answer: IntakeAnswer,
    entry: InboxEntry | null,
    idempotency: Idempotency | null,
  ): Promise<IntakeAnswer> {
    const { promise, resolve } = Promise.withResolvers<IntakeAnswer>();
    const call: Call = { answer, entry, idempotency, settle: resolve, since: performance.now() };
    const queue = this.#queues.get(tenantId);
    if (queue !== undefined) {
      const chars = this.#waitingChars + charsOf(call);
      if (this.#waitingChars > 0 && chars > this.#maxWaitingChars) return Promise.reject(notStored());
      this.#waitingChars = chars;
      queue.push(call);
      return promise;
    }
    this.#queues.set(tenantId, []);
    const flushing = this.#flush(tenantId, [call]);
    this.#flushing.add(flushing);
    void flushing.finally(() => this.#flushing.delete(flushing));
    return promise;
  }

  /** What was stored under an idempotency key; null where nothing was, or too long ago. */
  async findFirst(
    tenantId: TenantId,
    key: string,
    now: EpochMicros,
  ): Promise<(Idempotency & { readonly answer: IntakeAnswer }) | null> {
    const statement = findFirst(tenantId, key, formatInstant(now));
    const [row] = await writeAsTenant(this.#events, tenantId, (session) => session.run(statement));
    return row === undefined ? null : { key, contentHash: row.content_hash, answer: row.answer };
  }

  /** Waits for the calls that are in flight. */
  async stop(): Promise<void> {
    await Promise.all(this.#flushing);
  }

  async #flush(tenantId: TenantId, first: readonly Call[]): Promise<void> {
    let calls: readonly Call[] = first;
    while (calls.length > 0) {
      await this.#insert(tenantId, calls);
      calls = this.#takeNext(this.#queues.get(tenantId) ?? []);
    }
    this.#queues.delete(tenantId);
  }

  /** At least one, where any waits that has not waited for too long. */
  #takeNext(queue: Call[]): Call[] {
    const earliest = performance.now() - this.#waitTimeoutMs;
    const inTime = queue.findIndex(({ since }) => since >= earliest);
    const lateCount = inTime === -1 ? queue.length : inTime;
    for (const call of this.#take(queue, lateCount)) call.settle(rejectedWith(notStored()));
    let count = 0;
    let chars = 0;
    for (const call of queue.slice(0, MAX_CALLS_PER_INSERT)) {
      chars += charsOf(call);
      if (count > 0 && chars > MAX_CHARS_PER_INSERT) break;
      count += 1;
    }
    return this.#take(queue, count);
  }

  #take(queue: Call[], count: number): Call[] {
    const calls = queue.splice(0, count);
    for (const call of calls) this.#waitingChars -= charsOf(call);
    return calls;
  }

  async #insert(tenantId: TenantId, calls: readonly Call[]): Promise<void> {
    try {
      const answers = await this.#store(tenantId, calls);
      for (const call of calls) call.settle(answers.get(call) ?? call.answer);
    } catch (error) {
      // The database may have committed what it could not answer any more, so nothing is promised of this call.
      const message = "It is not known whether the events were stored. Send the call again: an event counts once.";
      for (const call of calls) {
        call.settle(Promise.reject(new PublicError("UNAVAILABLE", message, { cause: error, retryAfterSeconds: 1 })));
      }
    }
  }

  /** What is to be answered in place of a call's own answer, where that is something else. */
  async #store(tenantId: TenantId, calls: readonly Call[]): Promise<ReadonlyMap<Call, IntakeAnswer | Promise<never>>> {
    if (calls.every(({ idempotency }) => idempotency === null)) {
      const entries = entriesOf(calls);
      if (entries.length > 0) await runAsTenant(this.#events, tenantId, appendToInbox(tenantId, entries));
      return new Map();
    }
    return writeAsTenant(this.#events, tenantId, async (session) => {
      const repeated = await this.#answersOfRepeated(session, tenantId, calls);
      const entries = entriesOf(calls.filter((call) => !repeated.has(call)));
      if (entries.length > 0) await session.run(appendToInbox(tenantId, entries));
      return repeated;
    });
  }

  /** The calls whose idempotency key was used before, each with what is to be answered instead. */
  async #answersOfRepeated(
    session: Session<"events">,
    tenantId: TenantId,
    calls: readonly Call[],
  ): Promise<ReadonlyMap<Call, IntakeAnswer | Promise<never>>> {
    const repeated = new Map<Call, IntakeAnswer | Promise<never>>();
    const first = new Map<string, Call>();
    for (const call of calls) {
      if (call.idempotency !== null && !first.has(call.idempotency.key)) first.set(call.idempotency.key, call);
    }
    const keys = [...first.keys()];
    const now = formatInstant(Math.max(...calls.map((call) => call.answer.acceptedAt)) as EpochMicros);
    await session.run(forgetExpired(tenantId, keys, now));
    const rows = [...first].map(([key, call]) => ({
      key,
      content_hash: call.idempotency?.contentHash,
      answer: call.answer,
    }));
    const inserted = new Set((await session.run(remember(tenantId, JSON.stringify(rows), now))).map((row) => row.key));
    const stored = new Map((await session.run(recall(tenantId, keys))).map((row) => [row.key, row]));
    for (const call of calls) {
      if (call.idempotency === null) continue;
      const { key, contentHash } = call.idempotency;
      if (inserted.has(key) && first.get(key) === call) continue;
      const earlier = stored.get(key);
      if (earlier === undefined) throw new Error("An idempotency key vanished under the transaction that met it");
      repeated.set(call, earlier.content_hash === contentHash ? earlier.answer : rejectedWith(keyReused(key)));
    }
    return repeated;
  }
}

function entriesOf(calls: readonly Call[]): InboxEntry[] {
  return calls.flatMap(({ entry }) => (entry === null ? [] : [entry]));
}

function charsOf({ entry }: Call): number {
  return entry?.payload.length ?? 0;
}

function notStored(): PublicError {
  const message = "Too much waits to be stored. Nothing of the call was recorded; send it again.";
  return new PublicError("UNAVAILABLE", message, { retryAfterSeconds: 1 });
}

export function keyReused(key: string): PublicError {
  const message = `The idempotency key ${JSON.stringify(key)} was used for a call with other content.`;
  return new PublicError("IDEMPOTENCY_KEY_REUSED", message, { field: ["input", "idempotencyKey"] });
}

function rejectedWith(reason: PublicError): Promise<never> {
  const rejected = Promise.reject(reason);
  // Handled by the call that gets it; until then it must not count as unhandled.
  rejected.catch(() => undefined);
  return rejected;
}
