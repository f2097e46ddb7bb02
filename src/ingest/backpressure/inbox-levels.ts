/**
 * What this process knows of how much waits in one lane: a reading of the inbox that all calls share, and what the process
 * itself has let in since. Calls do not wait for a reading, with one exception: the first ones after a lull, since nothing
 * young is known then, and these no longer than a moment.
 *
 *   - Readings begin because a call came, one after the other, and of the same tenant never more often than
 *     MIN_INTERVAL_MS. One that took long rests twenty times as long, up to a minute: a million rows take about a second.
 *   - What has become durable before a reading began is in the reading. What becomes so during one is counted on top of it,
 *     and may be in it already: the level is then too high until the next reading, never too low.
 *   - While nothing can be read, what the process itself has let in counts alone, and an old reading a minute at the most:
 *     the inbox is then as good as away, and storing the events will say so.
 */
import type { Pool } from "../../database/pool.js";
import type { Lane } from "../../events/outbox.js";
import type { TenantId } from "../../ids.js";
import type { Logger } from "../../observability/logger.js";
import { withinTime } from "../../within-time.js";
import type { HighWaterMarks, MarkScope, Waiting } from "./high-water-marks.js";
import { readWaiting } from "./read-waiting.js";

export interface InboxLevelsOptions {
  readonly events: Pool<"events">;
  readonly lane: Lane;
  readonly marks: HighWaterMarks;
  readonly log: Logger;
  /** How long a call waits for the first reading after a lull. */
  readonly patienceMs: number;
  /** Milliseconds on a clock that never goes back. */
  readonly elapsedMs: () => number;
}

const MIN_INTERVAL_MS = 250;
/** A reading that took long is not made again before so many times as long. */
const REST_FACTOR = 20;
/** However long it took: a refusal is due to be looked at anew by the time that its caller comes again. */
const MAX_INTERVAL_MS = 60_000;
/** After so many intervals without a reading nothing young is known. */
const LULL_INTERVALS = 4;
const RETRY_AFTER_FAILURE_MS = 1_000;
/** What is known says nothing any more when it has not been read for so long. */
const MAX_TRUST_MS = 60_000;

/** Of a tenant, or of all. */
class Level {
  #found: Waiting = { events: 0, oldestAt: null };
  #readAt = -Infinity;
  /** Since when events are counted without a reading between. */
  #countedSince: number;
  dueAt = -Infinity;
  isWanted = false;
  /** Events of calls that were let in and are not stored yet. */
  inFlight = 0;
  storedSinceReading = 0;
  #storedBeforeReading = 0;
  #intervalMs = MIN_INTERVAL_MS;

  constructor(now: number) {
    this.#countedSince = now;
  }

  beginReading(): void {
    this.#storedBeforeReading += this.storedSinceReading;
    this.storedSinceReading = 0;
  }

  endReading(found: Waiting, beganAt: number, endedAt: number): void {
    this.#found = found;
    this.#readAt = beganAt;
    this.#countedSince = beganAt;
    this.#intervalMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, REST_FACTOR * (endedAt - beganAt)));
    this.dueAt = beganAt + this.#intervalMs;
    this.#storedBeforeReading = 0;
  }

  isYoungAt(now: number): boolean {
    return now - this.#readAt <= LULL_INTERVALS * this.#intervalMs;
  }

  isTrustedAt(now: number): boolean {
    return this.isYoungAt(now) || now - this.#countedSince <= MAX_TRUST_MS;
  }

  get waiting(): Waiting {
    const { events, oldestAt } = this.#found;
    return { events: events + this.#storedBeforeReading + this.storedSinceReading + this.inFlight, oldestAt };
  }
}

export class InboxLevels {
  readonly #options: InboxLevelsOptions;
  readonly #tenants = new Map<TenantId, Level>();
  readonly #all: Level;
  #reading: Promise<void> | null = null;

  constructor(options: InboxLevelsOptions) {
    this.#options = options;
    this.#all = new Level(options.elapsedMs());
  }

  /** To be awaited before `waiting`. Begins a reading where one is due, and waits for it after a lull alone. */
  async prepare(tenantId: TenantId): Promise<void> {
    const { elapsedMs, patienceMs } = this.#options;
    const asked = [this.#levelOf(tenantId), this.#all];
    for (const level of asked) level.isWanted ||= level.dueAt <= elapsedMs();
    if (asked.some((level) => level.isWanted)) void this.#read();
    const isKnown = (): boolean => asked.every((level) => level.isYoungAt(elapsedMs()));
    if (this.#reading !== null && !isKnown()) {
      await withinTime(this.#untilKnown(this.#reading, isKnown), patienceMs).catch(() => undefined);
    }
  }

  /** What waits now, as far as it is known. Not a promise: whoever enters at once is seen by the next one who asks. */
  waiting(tenantId: TenantId): Readonly<Record<MarkScope, Waiting | null>> {
    const now = this.#options.elapsedMs();
    const known = (level: Level): Waiting | null => (level.isTrustedAt(now) ? level.waiting : null);
    return { tenant: known(this.#levelOf(tenantId)), all: known(this.#all) };
  }

  /** Counts a call's events as waiting from now on. To be told once how many of them became durable. */
  enter(tenantId: TenantId, eventCount: number): (storedCount: number) => void {
    const levels = [this.#levelOf(tenantId), this.#all];
    for (const level of levels) level.inFlight += eventCount;
    return (storedCount) => {
      for (const level of levels) {
        level.inFlight -= eventCount;
        level.storedSinceReading += storedCount;
      }
    };
  }

  #levelOf(tenantId: TenantId): Level {
    const known = this.#tenants.get(tenantId);
    if (known !== undefined) return known;
    const level = new Level(this.#options.elapsedMs());
    this.#tenants.set(tenantId, level);
    return level;
  }

  /** A reading that had begun before the call may know nothing of its tenant: then the next one does. */
  async #untilKnown(first: Promise<void>, isKnown: () => boolean): Promise<void> {
    await first;
    if (!isKnown()) await this.#read();
  }

  /** One at a time; never rejects. */
  #read(): Promise<void> {
    this.#reading ??= this.#readWanted().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readWanted(): Promise<void> {
    const { events, lane, marks, log, elapsedMs } = this.#options;
    const wanted = new Map([...this.#tenants].filter(([, level]) => level.isWanted));
    const ofAll = this.#all.isWanted;
    if (wanted.size === 0 && !ofAll) return;
    const levels = [...wanted.values(), ...(ofAll ? [this.#all] : [])];
    for (const level of levels) {
      level.isWanted = false;
      level.dueAt = Infinity;
    }
    let beganAt = elapsedMs();
    const onBegin = (): void => {
      beganAt = elapsedMs();
      for (const level of levels) level.beginReading();
    };
    const [maxTenantRows, maxRows] = [marks.tenant.events, marks.all.events];
    const question = { lane, tenants: [...wanted.keys()], ofAll, maxTenantRows, maxRows, onBegin };
    try {
      const found = await readWaiting(events, question);
      const endedAt = elapsedMs();
      for (const [tenantId, level] of wanted) {
        level.endReading(found.tenants.get(tenantId) ?? { events: 0, oldestAt: null }, beganAt, endedAt);
      }
      if (found.all !== null) this.#all.endReading(found.all, beganAt, endedAt);
    } catch (error) {
      log.warn({ err: error }, "what waits in the inbox could not be read");
      for (const level of levels) level.dueAt = elapsedMs() + RETRY_AFTER_FAILURE_MS;
    }
    this.#forgetQuiet();
  }

  /** Tenants that have not called for long: the next call reads anew in any case. */
  #forgetQuiet(): void {
    const now = this.#options.elapsedMs();
    for (const [tenantId, level] of this.#tenants) {
      const isIdle = !level.isWanted && level.dueAt <= now && level.inFlight === 0;
      if (isIdle && !level.isTrustedAt(now)) this.#tenants.delete(tenantId);
    }
  }
}
