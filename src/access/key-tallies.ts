/**
 * Counts what each key does, in the process, and adds it to the database's days every ten seconds and at the end: a request
 * pays for a look into a map. What a process that is killed had not written is lost, ten seconds' worth; what could not be
 * written, as the database was away, waits. A connection that breaks between a commit and its answer leaves open whether the
 * counts were written; they are written again. So these are no figures to bill to the last digit by.
 */
import type { Pool } from "../database/pool.js";
import type { ApiKeyId, TenantId } from "../ids.js";
import type { Logger } from "../observability/logger.js";
import { writeAsEachTenant } from "../tenancy/transactions.js";
import { type EpochMicros, MICROS_PER_DAY } from "../time/instant.js";
import { addToKeyDays, type KeyDayCounts } from "./key-days.js";

interface KeyTalliesOptions {
  readonly metrics: Pool<"metrics">;
  readonly now: () => EpochMicros;
  readonly log: Logger;
  readonly flushIntervalMs?: number;
}

/** A key, as a principal names it. */
interface KeyOfTenant {
  readonly tenantId: TenantId;
  readonly keyId: ApiKeyId;
}

interface Tally extends KeyDayCounts {
  readonly tenantId: TenantId;
  requests: number;
  events: number;
  cost: number;
}

export class KeyTallies {
  readonly #options: KeyTalliesOptions;
  readonly #timer: NodeJS.Timeout;
  /** Of the day that is counted now. As many as there are keys in use, since none is counted that was not let in. */
  readonly #tallies = new Map<ApiKeyId, Tally>();
  #day = 0;
  /** Of days before, and what could not be written. */
  #left: Tally[] = [];
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: KeyTalliesOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.flush(), options.flushIntervalMs ?? 10_000).unref();
  }

  /** A request of the key began, whatever becomes of it. */
  countRequest(key: KeyOfTenant): void {
    this.#tallyOf(key).requests += 1;
  }

  /** By a call of the key so many events became durable. */
  countEvents(key: KeyOfTenant, count: number): void {
    if (count > 0) this.#tallyOf(key).events += count;
  }

  /** A request of the key cost so many points in the end. */
  countCost(key: KeyOfTenant, points: number): void {
    if (points > 0) this.#tallyOf(key).cost += points;
  }

  /** Writes what was counted. Never throws; what could not be written waits for the next time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  /** Writes what is left and ends. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  #tallyOf({ tenantId, keyId }: KeyOfTenant): Tally {
    const day = Math.floor(this.#options.now() / MICROS_PER_DAY);
    if (day !== this.#day) {
      this.#left.push(...this.#tallies.values());
      this.#tallies.clear();
      this.#day = day;
    }
    let tally = this.#tallies.get(keyId);
    if (tally === undefined)
      this.#tallies.set(keyId, (tally = { tenantId, keyId, day, requests: 0, events: 0, cost: 0 }));
    return tally;
  }

  async #write(): Promise<void> {
    const tallies = sumByDay([...this.#left, ...this.#tallies.values()]);
    this.#left = [];
    this.#tallies.clear();
    const byTenant = Map.groupBy(tallies, (tally) => tally.tenantId);
    const unwritten = await writeAsEachTenant(this.#options.metrics, byTenant, addToKeyDays);
    for (const { items, error } of unwritten) {
      this.#options.log.warn({ err: error }, "what API keys did could not be written; it waits");
      this.#left.push(...items);
    }
  }
}

/** One tally for each key and day: those of a day that could not be written and what was counted on it since are two. */
function sumByDay(tallies: readonly Tally[]): Tally[] {
  const sums = new Map<string, Tally>();
  for (const tally of tallies) {
    const place = `${tally.keyId} ${tally.day}`;
    const sum = sums.get(place);
    if (sum === undefined) {
      sums.set(place, { ...tally });
      continue;
    }
    sum.requests += tally.requests;
    sum.events += tally.events;
    sum.cost += tally.cost;
  }
  return [...sums.values()];
}
