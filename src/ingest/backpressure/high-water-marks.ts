/**
 * How much may wait in a lane of the inbox before calls are refused: of one tenant, and of all together. Each mark is a
 * number of events and an age of the oldest. Live and bulk events are counted apart, so that an import refuses nobody's
 * live calls.
 */
import { PublicError } from "../../errors.js";
import { type EpochMicros } from "../../time/instant.js";

interface Mark {
  readonly events: number;
  readonly seconds: number;
}

/** A tenant's mark is the lower one: its flood reaches it before it becomes everybody's. */
export interface HighWaterMarks {
  readonly tenant: Mark;
  readonly all: Mark;
}

/** What waits in a lane. Beyond a mark it may tell less than there is, and never less than the mark. */
export interface Waiting {
  readonly events: number;
  /** When the oldest of them was accepted. */
  readonly oldestAt: EpochMicros | null;
}

export type MarkScope = keyof HighWaterMarks;
export type MarkMeasure = "count" | "age";

const SECOND_MICROS = 1_000_000;
const MIN_RETRY_SECONDS = 1;
const MAX_RETRY_SECONDS = 60;

/** A call that was refused for what waits already. Nothing of it was recorded. */
export class Overload extends PublicError {
  readonly scope: MarkScope;
  readonly measure: MarkMeasure;

  constructor(scope: MarkScope, measure: MarkMeasure, retryAfterSeconds: number) {
    const whose = scope === "tenant" ? "of your events " : "events ";
    const what = measure === "count" ? `Too many ${whose}wait` : `The oldest ${whose}waiting has waited too long`;
    const time = retryAfterSeconds === 1 ? "1 second" : `${retryAfterSeconds} seconds`;
    super("OVERLOADED", `${what} to be recorded. Nothing of this call was recorded; send it again in ${time}.`, {
      retryAfterSeconds,
    });
    this.scope = scope;
    this.measure = measure;
  }
}

/** The mark that is reached, as the error to answer; the tenant's own is named first. Null where there is room. */
export function overloadOf(
  waiting: Readonly<Record<MarkScope, Waiting | null>>,
  marks: HighWaterMarks,
  now: EpochMicros,
): Overload | null {
  for (const scope of ["tenant", "all"] as const) {
    const found = waiting[scope];
    if (found === null) continue;
    const age = ageSeconds(found, now);
    const isFull = found.events >= marks[scope].events;
    if (isFull || age >= marks[scope].seconds) {
      return new Overload(scope, isFull ? "count" : "age", retryAfterOf(age));
    }
  }
  return null;
}

/**
 * What is at the head has waited for as long as the whole queue takes to pass: in a tenth of that time about a tenth of it
 * is gone. Where no worker comes the age grows, and with it the pause.
 */
function retryAfterOf(age: number): number {
  return Math.min(MAX_RETRY_SECONDS, Math.max(MIN_RETRY_SECONDS, Math.ceil(age / 10)));
}

function ageSeconds({ oldestAt }: Waiting, now: EpochMicros): number {
  return oldestAt === null ? 0 : Math.max(0, now - oldestAt) / SECOND_MICROS;
}
