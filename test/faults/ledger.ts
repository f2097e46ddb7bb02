/** What the clients know: which events were given away, which of them were acknowledged, and by which receipts. */
import type { EventInput } from "../../src/events/event.js";

/** Every event carries its harness-wide id as `messageId`, with which it is found in the log whatever its event id is. */
export type SentEvent = EventInput & { readonly messageId: string };

export class Ledger {
  readonly #acknowledged = new Map<string, SentEvent>();
  /** Sent at least once; whether it was recorded nobody told. */
  readonly #sent = new Map<string, SentEvent>();
  /** By receipt, how many of its events were accepted. */
  readonly #receipts = new Map<string, number>();
  redelivered = 0;
  unansweredCalls = 0;
  refusedCalls = 0;

  send(events: readonly SentEvent[]): void {
    for (const event of events) this.#sent.set(event.messageId, event);
  }

  acknowledge(events: readonly SentEvent[], receiptId: string): void {
    for (const event of events) this.#acknowledged.set(event.messageId, event);
    this.#receipts.set(receiptId, events.length);
  }

  get acknowledged(): ReadonlyMap<string, SentEvent> {
    return this.#acknowledged;
  }

  get sent(): ReadonlyMap<string, SentEvent> {
    return this.#sent;
  }

  get receipts(): ReadonlyMap<string, number> {
    return this.#receipts;
  }
}
