/**
 * Hands over events that nobody waits for, patiently. Where too much waits to be recorded it comes again until there is room,
 * however long that takes: the events lie in a file and are safe there. Where a part is away it comes again with growing
 * pauses for a bounded time. Coming again counts nothing twice, since every event has an id of its own or one derived from
 * its content.
 */
import { setTimeout as pause } from "node:timers/promises";
import { PublicError } from "../errors.js";
import type { EventInput } from "../events/event.js";
import { LANES } from "../events/outbox.js";
import type { TenantId } from "../ids.js";
import type { IntakeAnswer } from "./inbox-writer.js";
import type { Intake } from "./intake.js";

export interface BulkOptions {
  readonly intake: Intake;
  readonly tenantId: TenantId;
  /** How long a part may be away before a call counts as failed. */
  readonly retryForMs: number;
  /** Ends the pauses: what is refused from then on is left. */
  readonly signal?: AbortSignal | undefined;
  /** Told each time that a call is refused because too much waits. */
  readonly onFull?: (() => void) | undefined;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

/** Throws what the last attempt failed with. */
export async function acceptBulk(options: BulkOptions, events: readonly EventInput[]): Promise<IntakeAnswer> {
  const { intake, tenantId, retryForMs, signal, onFull } = options;
  let pauseMs = FIRST_PAUSE_MS;
  let deadline: number | null = null;
  for (;;) {
    try {
      return await intake.accept({ tenantId, lane: LANES.BULK, events });
    } catch (error) {
      if (!isPassing(error) || signal?.aborted === true) throw error;
      if (error.code === "OVERLOADED") {
        // The inbox answers: nothing is away any more.
        [pauseMs, deadline] = [FIRST_PAUSE_MS, null];
        onFull?.();
      } else {
        deadline ??= performance.now() + retryForMs;
        if (performance.now() >= deadline) throw error;
      }
      // Jitter, so that the calls in flight and other imports do not come back all at once.
      const waitMs = Math.max(pauseMs, (error.retryAfterSeconds ?? 0) * 1000) * (0.75 + Math.random() / 2);
      await pause(waitMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }
}

/** Whether the same call may succeed later. */
export function isPassing(error: unknown): error is PublicError {
  return error instanceof PublicError && (error.code === "UNAVAILABLE" || error.code === "OVERLOADED");
}
