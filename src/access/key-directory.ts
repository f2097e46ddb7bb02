/**
 * The keys as the metrics database knows them, by prefix, each never older than `maxAgeMs` at the moment it is asked for:
 * that is how long a revoked key may go on working. An age counts from before the statement was sent.
 *
 * Known keys are not read again for that. A change of a key moves a revision in the same transaction: where it stands as it
 * stood when a key was read, the key still holds. So a server asks twice a second whether one of a thousand keys has changed. Every
 * ten seconds those in use are read in any case, together: for what changed without the revision, by the hand of an operator or
 * a program of the release before, and for databases that were restored.
 *
 * Made-up keys may neither fill the memory nor take the database from the others. Concurrent look-ups of one prefix are one;
 * prefixes that nobody has are remembered in a bounded cache of their own, where they cannot push known keys out; and prefixes
 * that were never found share a few look-ups at a time, past which callers are turned away while known keys pass.
 */
import { comesFromDatabase, DatabaseUnreachable, isDatabaseAway } from "../database/database-away.js";
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import { growingLru } from "../growing-lru.js";
import type { ApiKeyId, TenantId } from "../ids.js";
import type { Logger } from "../observability/logger.js";
import { readWithoutTenant } from "../tenancy/transactions.js";
import type { EpochMicros } from "../time/instant.js";
import { withinTime } from "../within-time.js";
import { createPrincipal, type KeyPrincipal } from "./principal.js";

export interface KeyRecord {
  readonly hash: Buffer;
  readonly principal: KeyPrincipal;
  readonly expiresAt: EpochMicros | null;
  readonly revokedAt: EpochMicros | null;
  readonly lastUsedAt: EpochMicros | null;
}

/** The keys with one prefix (hardly ever two), as they stood at `readAt` or later. */
export interface KeyReading {
  readonly records: readonly KeyRecord[];
  readonly readAt: EpochMicros;
  /** When the records themselves were read. */
  readonly lookedUpAt: EpochMicros;
  /** The revision of all keys at that time; null where it is not known. */
  readonly revision: number | null;
}

/** The database did not answer: whether there is such a key is not known. */
export class KeyDirectoryAway extends Error {
  override readonly name = "KeyDirectoryAway";
}

export interface KeyDirectoryOptions {
  readonly metrics: Pool<"metrics">;
  readonly now: () => EpochMicros;
  readonly maxAgeMs: number;
  readonly log: Logger;
}

interface KeyRow {
  readonly revision: number | null;
  readonly prefix: string;
  readonly tenant_id: TenantId;
  readonly id: ApiKeyId;
  readonly secret_hash: Buffer;
  readonly scopes: readonly string[];
  readonly campaign_tags: readonly string[] | null;
  readonly expires_at: EpochMicros | null;
  readonly revoked_at: EpochMicros | null;
  readonly last_used_at: EpochMicros | null;
}

interface Lookup {
  /** Null while it waits for its turn: what it will read is newer than whoever joins it. */
  startedAt: EpochMicros | null;
  readonly reading: Promise<KeyReading>;
}

interface RevisionReading {
  readonly readAt: EpochMicros;
  readonly revision: Promise<number | null>;
}

// In one snapshot: a revision read after the keys could be that of a change which they do not show.
const findByPrefixes = defineStatement<"metrics", [prefixes: readonly string[]], KeyRow>(
  "metrics",
  "api_keys.find_by_prefixes",
  `select (select revision from key_changes) as revision, wanted.prefix, tenant_id, id, secret_hash, scopes, campaign_tags,
     expires_at, revoked_at, last_used_at
   from unnest($1::text[]) as wanted (prefix) cross join lateral find_keys_with_limits(wanted.prefix)`,
);

const findRevision = defineStatement<"metrics", [], { revision: number }>(
  "metrics",
  "api_keys.find_revision",
  "select revision from key_changes",
);

const MAX_KNOWN = 20_000;
const MAX_ABSENT = 20_000;
/** Known keys looked up at once. */
const MAX_TOGETHER = 1_000;
/** A key is in use for so long after it was asked for. */
const IN_USE_MS = 60_000;
/** Further ones are looked up one by one. All are gone through at each look-up, 0.6 ms for so many. */
const MAX_IN_USE = 5_000;
/** Prefixes are random, so none that was absent is ever given to a key that somebody could already hold. */
const ABSENT_MAX_AGE_MS = 10_000;
const MAX_STRANGERS_AT_ONCE = 4;
const MAX_STRANGERS_WAITING = 256;
const LOOKUP_TIMEOUT_MS = 2_000;
/** For so long after a key was read an unmoved revision tells that it holds. */
const MAX_UNREAD_MS = 10_000;
/** After a failure the database is left alone this long, and callers need not wait to learn that it is away. */
const OUTAGE_PAUSE_MS = 250;

export class KeyDirectory {
  readonly #options: KeyDirectoryOptions;
  readonly #known = growingLru<string, KeyReading>(MAX_KNOWN);
  readonly #absent = growingLru<string, KeyReading>(MAX_ABSENT);
  readonly #lookups = new Map<string, Lookup>();
  /** Known prefixes in use, and when each was last asked for: the longest ago comes first. */
  readonly #inUse = new Map<string, EpochMicros>();
  readonly #waiting: (() => void)[] = [];
  #revision: RevisionReading | undefined;
  #newestRevision: number | null = null;
  #strangers = 0;
  #awaySince: EpochMicros | null = null;
  #failedAt: EpochMicros | null = null;

  constructor(options: KeyDirectoryOptions) {
    this.#options = options;
  }

  /** Throws KeyDirectoryAway where the database is, and PublicError OVERLOADED in a flood of unknown prefixes. */
  async find(prefix: string): Promise<KeyReading> {
    const { maxAgeMs } = this.#options;
    const known = this.#known.get(prefix);
    if (known !== undefined) {
      this.#noteUse(prefix);
      if (this.#isWithin(known.readAt, maxAgeMs)) return known;
    }
    const absent = this.#absent.get(prefix);
    if (absent !== undefined && this.#isWithin(absent.readAt, ABSENT_MAX_AGE_MS)) return absent;
    const running = this.#running(prefix);
    if (running !== undefined) return running;
    return known === undefined ? this.#lookUpStranger(prefix) : this.#lookAgain(prefix, known);
  }

  #running(prefix: string): Promise<KeyReading> | undefined {
    const lookup = this.#lookups.get(prefix);
    if (lookup === undefined) return undefined;
    const isFresh = lookup.startedAt === null || this.#isWithin(lookup.startedAt, this.#options.maxAgeMs);
    return isFresh ? lookup.reading : undefined;
  }

  /** What is known, where no key has changed since it was read; else what is there now. */
  async #lookAgain(prefix: string, known: KeyReading): Promise<KeyReading> {
    if (known.revision !== null && this.#isWithin(known.lookedUpAt, MAX_UNREAD_MS)) {
      const { readAt, revision } = this.#readRevision();
      if ((await revision) === known.revision) {
        const confirmed = { ...known, readAt };
        // Another one may have read the key meanwhile.
        if (this.#known.peek(prefix) === known) this.#remember(prefix, confirmed);
        return confirmed;
      }
    }
    return this.#running(prefix) ?? this.#lookUpKnown(prefix);
  }

  #readRevision(): RevisionReading {
    if (this.#revision !== undefined && this.#isWithin(this.#revision.readAt, this.#options.maxAgeMs)) {
      return this.#revision;
    }
    const readAt = this.#options.now();
    const rows = this.#ask(() => readWithoutTenant(this.#options.metrics, (session) => session.run(findRevision())));
    const revision = rows.then(([row]) => (this.#newestRevision = row?.revision ?? null));
    const reading: RevisionReading = { readAt, revision };
    this.#revision = reading;
    revision.catch(() => {
      if (this.#revision === reading) this.#revision = undefined;
    });
    return reading;
  }

  /** This one, and with it those in use that have changed, or will soon be due. */
  #lookUpKnown(prefix: string): Promise<KeyReading> {
    const prefixes = [...new Set([prefix, ...this.#dueInUse()])];
    const startedAt = this.#options.now();
    const readings = this.#read(prefixes, startedAt);
    for (const each of prefixes) {
      const reading = readings.then((found) => found.get(each) ?? nobody(startedAt));
      const lookup: Lookup = { startedAt, reading };
      this.#lookups.set(each, lookup);
      // Whoever asks hears of a failure; of those that nobody asks for yet nobody needs to.
      const forget = () => this.#forget(each, lookup);
      reading.then(forget, forget);
    }
    return readings.then((found) => found.get(prefix) ?? nobody(startedAt));
  }

  #noteUse(prefix: string): void {
    if (!this.#inUse.delete(prefix) && this.#inUse.size >= MAX_IN_USE) return;
    this.#inUse.set(prefix, this.#options.now());
  }

  #dueInUse(): string[] {
    const due: string[] = [];
    for (const [prefix, askedAt] of this.#inUse) {
      if (!this.#isWithin(askedAt, IN_USE_MS)) this.#inUse.delete(prefix);
      else if (this.#isDue(prefix)) due.push(prefix);
      if (due.length >= MAX_TOGETHER) break;
    }
    return due;
  }

  #isDue(prefix: string): boolean {
    const known = this.#known.peek(prefix);
    if (known === undefined) return false;
    return known.revision !== this.#newestRevision || !this.#isWithin(known.lookedUpAt, MAX_UNREAD_MS / 2);
  }

  #forget(prefix: string, lookup: Lookup): void {
    if (this.#lookups.get(prefix) === lookup) this.#lookups.delete(prefix);
  }

  #lookUpStranger(prefix: string): Promise<KeyReading> {
    if (this.#waiting.length >= MAX_STRANGERS_WAITING) {
      throw new PublicError("OVERLOADED", "Too many unknown API keys at once; try again.", { retryAfterSeconds: 1 });
    }
    const turn = this.#takeTurn();
    const read = async (): Promise<KeyReading> => {
      await turn;
      try {
        lookup.startedAt = this.#options.now();
        const found = (await this.#read([prefix], lookup.startedAt)).get(prefix) ?? nobody(lookup.startedAt);
        if (found.records.length > 0) this.#noteUse(prefix);
        return found;
      } finally {
        this.#passTurn();
        this.#forget(prefix, lookup);
      }
    };
    // The microtask lets `lookup` exist before it is written to.
    const lookup: Lookup = { startedAt: null, reading: Promise.resolve().then(read) };
    this.#lookups.set(prefix, lookup);
    return lookup.reading;
  }

  async #read(prefixes: readonly string[], readAt: EpochMicros): Promise<ReadonlyMap<string, KeyReading>> {
    const rows = await this.#ask(() =>
      readWithoutTenant(this.#options.metrics, (session) => session.run(findByPrefixes(prefixes))),
    );
    const rowsOf = Map.groupBy(rows, ({ prefix }) => prefix);
    const readings = new Map<string, KeyReading>();
    for (const prefix of prefixes) {
      const found = rowsOf.get(prefix) ?? [];
      const revision = found[0]?.revision ?? null;
      const reading: KeyReading = { records: found.map(recordOfRow), readAt, lookedUpAt: readAt, revision };
      readings.set(prefix, reading);
      this.#remember(prefix, reading);
    }
    return readings;
  }

  #remember(prefix: string, reading: KeyReading): void {
    const [into, outOf] = reading.records.length > 0 ? [this.#known, this.#absent] : [this.#absent, this.#known];
    // A look-up that was overtaken by a later one must not bring its older answer back.
    const current = this.#known.peek(prefix) ?? this.#absent.peek(prefix);
    if (current === undefined || current.readAt <= reading.readAt || current.readAt > this.#options.now()) {
      outOf.delete(prefix);
      into.set(prefix, reading);
    }
  }

  /** Throws KeyDirectoryAway where the database does not answer. */
  async #ask<Row>(query: () => Promise<Row[]>): Promise<Row[]> {
    if (this.#failedAt !== null && this.#isWithin(this.#failedAt, OUTAGE_PAUSE_MS)) throw new KeyDirectoryAway();
    try {
      const rows = await withinTime(twice(query), LOOKUP_TIMEOUT_MS, (message) => new DatabaseUnreachable(message));
      this.#noteSuccess();
      return rows;
    } catch (error) {
      // The statement is as it always was: where the database refuses it, the database is not what it was. It may be on its way back from a
      // backup, without its tables or our right to them.
      if (!comesFromDatabase(error)) throw error;
      this.#noteFailure(error);
      throw new KeyDirectoryAway("API keys cannot be looked up", { cause: error });
    }
  }

  async #takeTurn(): Promise<void> {
    if (this.#strangers < MAX_STRANGERS_AT_ONCE) this.#strangers++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #passTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#strangers--;
    else next();
  }

  #noteFailure(error: unknown): void {
    this.#failedAt = this.#options.now();
    if (this.#awaySince !== null) return;
    this.#awaySince = this.#failedAt;
    this.#options.log.error({ err: error }, "API keys cannot be looked up; known ones go on writing");
  }

  #noteSuccess(): void {
    this.#failedAt = null;
    if (this.#awaySince === null) return;
    const awayMs = Math.round((this.#options.now() - this.#awaySince) / 1000);
    this.#awaySince = null;
    this.#options.log.info({ awayMs }, "API keys can be looked up again");
  }

  /** A clock that was turned back makes everything too old rather than fresh for long. */
  #isWithin(instant: EpochMicros, ms: number): boolean {
    const age = this.#options.now() - instant;
    return age >= 0 && age < ms * 1000;
  }
}

/** After a restart of the database the pool still holds dead connections: one of them is no outage. */
async function twice<Result>(query: () => Promise<Result>): Promise<Result> {
  try {
    return await query();
  } catch (error) {
    if (!isDatabaseAway(error)) throw error;
    return query();
  }
}

function nobody(readAt: EpochMicros): KeyReading {
  return { records: [], readAt, lookedUpAt: readAt, revision: null };
}

function recordOfRow(row: KeyRow): KeyRecord {
  return {
    hash: row.secret_hash,
    principal: createPrincipal(row.tenant_id, row.id, row.scopes, { campaignTags: row.campaign_tags }),
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}
