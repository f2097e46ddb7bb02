/**
 * Clients as they are out there: they send batches, send again what they got no answer to (to whichever server), with an
 * idempotency key and without, and deliver a fifth of what was acknowledged a second time. Some give up without an answer.
 */
import type { SeededRandom } from "../../src/demo/seeded-random.js";
import { BOUNCE_CLASSES, EVENT_TYPES, TRAFFIC_VERDICTS } from "../../src/events/event.js";
import { Ledger, type SentEvent } from "./ledger.js";
import { pause } from "./pause.js";
import type { LoadedTenant } from "./rig.js";

const CLIENTS = 3;
const MAX_EVENTS_PER_CALL = 30;
const ANSWER_TIMEOUT_MS = 1_500;
const MAX_ATTEMPTS = 40;
const REDELIVERED_SHARE = 0.2;
const BUSY_EVENTS = 800;
const DAY_MS = 86_400_000;

const RECORD = `mutation ($input: RecordEventsInput!) {
  recordEvents(input: $input) { receipt { id } acceptedCount refused { index message } }
}`;
const READ = `{ kpis(range: { from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z" }) { metrics { sent { total } } } }`;

interface Answer {
  readonly data?: {
    readonly recordEvents?: {
      readonly receipt: { readonly id: string } | null;
      readonly acceptedCount: number;
      readonly refused: readonly unknown[];
    };
  };
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

/** A caller may come again after these; nobody may after any other. */
const RETRYABLE: ReadonlySet<string> = new Set(["UNAVAILABLE", "OVERLOADED", "INTERNAL"]);

export class Load {
  readonly ledger = new Ledger();
  readonly #tenant: LoadedTenant;
  readonly #urls: readonly string[];
  readonly #random: SeededRandom;
  readonly #prefix: string;
  readonly #clients: Promise<void>[];
  #isOver = false;
  #events = 0;

  constructor(tenant: LoadedTenant, urls: readonly string[], random: SeededRandom, prefix: string) {
    this.#tenant = tenant;
    this.#urls = urls;
    this.#random = random;
    this.#prefix = prefix;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#client());
    this.#clients.push(this.#reader());
  }

  /** No new calls; those in hand are carried to their end. */
  async finish(): Promise<Ledger> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return this.ledger;
  }

  async #client(): Promise<void> {
    const earlier: SentEvent[] = [];
    while (!this.#isOver) {
      const events = Array.from({ length: 1 + this.#draw(MAX_EVENTS_PER_CALL) }, () => this.#newEvent());
      const repeats = Math.round((events.length * REDELIVERED_SHARE) / (1 - REDELIVERED_SHARE));
      for (let n = 0; n < repeats && earlier.length > 0; n += 1) {
        events.splice(this.#draw(events.length + 1), 0, ...earlier.slice(this.#draw(earlier.length)).slice(0, 1));
        this.ledger.redelivered += 1;
      }
      if (await this.#deliver(events)) earlier.push(...events);
      // Enough is in already where a fault takes long; a trickle goes on, so that it strikes something.
      await pause(this.#events < BUSY_EVENTS ? this.#random.between(0, 30) : 150);
    }
  }

  /** True where it was acknowledged. */
  async #deliver(events: readonly SentEvent[]): Promise<boolean> {
    const key = this.#random.chance(0.5) ? `${this.#prefix}-call-${this.#events}-${this.#random.next()}` : undefined;
    const input = { events, ...(key !== undefined && { idempotencyKey: key }) };
    const givesUp = this.#random.chance(0.1);
    this.ledger.send(events);
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const answer = await this.#ask(RECORD, { input });
      if (answer === null) {
        this.ledger.unansweredCalls += 1;
        if (givesUp) return false;
      } else if (answer.data?.recordEvents !== undefined) {
        const { receipt, acceptedCount, refused } = answer.data.recordEvents;
        if (receipt === null || acceptedCount !== events.length || refused.length > 0) {
          throw new Error(`Good events were refused: ${JSON.stringify(answer)}`);
        }
        this.ledger.acknowledge(events, receipt.id);
        return true;
      } else {
        this.ledger.refusedCalls += 1;
        const code = answer.errors?.[0]?.extensions?.code ?? "";
        if (!RETRYABLE.has(code)) throw new Error(`A call failed for good: ${JSON.stringify(answer)}`);
      }
      await pause(this.#random.between(20, 150));
    }
    return false;
  }

  /** Keeps the caches in use while it all goes on; what is read under way is not judged. */
  async #reader(): Promise<void> {
    while (!this.#isOver) {
      await this.#ask(READ, {});
      await pause(100);
    }
  }

  /** Null where no whole answer came. */
  async #ask(query: string, variables: unknown): Promise<Answer | null> {
    const url = this.#urls[this.#draw(this.#urls.length)];
    try {
      const response = await fetch(`${url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${this.#tenant.key}` },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
      return (await response.json()) as Answer;
    } catch {
      return null;
    }
  }

  #draw(below: number): number {
    return Math.floor(this.#random.next() * below);
  }

  #pick<T>(values: readonly [T, ...T[]]): T {
    return this.#random.pick(values);
  }

  #newEvent(): SentEvent {
    this.#events += 1;
    const messageId = `${this.#prefix}-${this.#events}`;
    const type = this.#pick(EVENT_TYPES);
    // Mostly of today and in no order; a fifth comes late, by up to three months.
    const ageMs = this.#random.chance(0.2) ? this.#random.between(0, 90 * DAY_MS) : this.#random.between(0, DAY_MS);
    return {
      messageId,
      ...(this.#random.chance(0.8) && { eventId: `id of ${messageId}` }),
      type,
      campaignExternalId: `campaign ${this.#draw(4)}`,
      recipient: `r${this.#draw(60)}@example.org`,
      occurredAt: new Date(Date.now() - ageMs).toISOString(),
      ...(type === "CLICKED" && { url: `https://example.org/${this.#draw(5)}` }),
      ...((type === "CLICKED" || type === "OPENED") && { traffic: this.#pick(TRAFFIC_VERDICTS) }),
      ...(type === "BOUNCED" && { bounceClass: this.#pick(BOUNCE_CLASSES) }),
      ...(type === "CONVERTED" &&
        this.#random.chance(0.8) && {
          amount: this.#random.between(0, 100).toFixed(2),
          currency: this.#pick(["EUR", "USD"]),
        }),
    };
  }
}
