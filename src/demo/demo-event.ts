import type { EventDetails, EventType } from "../events/event.js";

/** One event as `recordEvents` takes it; the fields are those of the schema's EventInput. */
export interface DemoEvent extends EventDetails {
  eventId: string;
  type: EventType;
  campaignExternalId: string;
  recipient: string;
  messageId: string;
  /** ISO 8601, UTC, milliseconds. */
  occurredAt: string;
  metadata?: Record<string, string | number | boolean>;
}

/** What a simulation step knows; who, when and in which campaign are added where the event is emitted. */
export type DemoFacts = Omit<DemoEvent, "eventId" | "campaignExternalId" | "recipient" | "messageId" | "occurredAt">;

/** Takes one thing that happened to the recipient at hand, at a time in epoch milliseconds. */
export type Emit = (atMs: number, facts: DemoFacts) => void;
