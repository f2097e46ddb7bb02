import { expect } from "vitest";
import type { Product } from "./product.js";

/** An EventInput, as JSON. */
export type EventFields = Readonly<Record<string, unknown>>;

export const RECORD_EVENTS = `mutation ($input: RecordEventsInput!) {
  recordEvents(input: $input) {
    acceptedCount
    receipt { id status acceptedAt appliedAt recordedCount duplicateCount }
    refused { index code field message }
  }
}`;

export interface RecordedEvents {
  readonly recordEvents: {
    readonly acceptedCount: number;
    readonly receipt: {
      readonly id: string;
      readonly status: string;
      readonly acceptedAt: string;
      readonly appliedAt: string | null;
      readonly recordedCount: number;
      readonly duplicateCount: number;
    } | null;
    readonly refused: readonly { index: number; code: string; field: string | null; message: string }[];
  };
}

/** Records events that are all good, and gives the receipt's id. */
export async function recordEvents(product: Product, key: string, events: readonly EventFields[]): Promise<string> {
  const { data, errors } = await product.graphql<RecordedEvents>(key, RECORD_EVENTS, { input: { events } });
  expect(errors).toBeUndefined();
  expect(data.recordEvents.refused).toEqual([]);
  return data.recordEvents.receipt?.id ?? "";
}
