/**
 * Fills the demo tenant through the same door that all events come through, in the bulk lane, so that a newcomer's own
 * events do not wait behind them. It can be interrupted anywhere: the moment that the data is made for is kept, so the
 * next start makes the same events, and those that were recorded already count no second time.
 */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { OPERATOR } from "../audit/audit-entry.js";
import { writePrivateFile } from "../database/embedded-record.js";
import { PublicError } from "../errors.js";
import type { CampaignStore } from "../campaigns/campaign-store.js";
import type { TenantId } from "../ids.js";
import { acceptBulk, isPassing } from "../ingest/accept-bulk.js";
import type { Intake } from "../ingest/intake.js";
import type { Logger } from "../observability/logger.js";
import { parseInstant } from "../time/instant.js";
import type { DemoEvent } from "./demo-event.js";
import { demoCampaigns, demoEventCounts, demoEvents } from "./demo-events.js";

interface LoadDemoOptions {
  readonly tenantId: TenantId;
  readonly intake: Intake;
  readonly campaigns: CampaignStore;
  /** Where it is kept what has been loaded. */
  readonly stateFile: string;
  readonly now: () => Date;
  /** When the tenant was made, right before its first loading. */
  readonly tenantCreatedAt: Date;
  readonly log: Logger;
  /** Awaited before each call: holds the loading back while too many events wait to be recorded. */
  readonly waitWhileFull: () => Promise<void>;
  readonly onProgress: (loaded: number, total: number) => void;
  readonly signal: AbortSignal;
}

const stateSchema = z.object({
  /** The moment that the data was made for. */
  madeFor: z.iso.datetime(),
  loaded: z.int().min(0),
  done: z.boolean(),
});
type DemoState = Readonly<z.infer<typeof stateSchema>>;

const EVENTS_PER_CALL = 1000;
const RETRY_FOR_MS = 60_000;

/** Resolves when everything is accepted, at once where it was before, or when the signal says stop. */
export async function loadDemo(options: LoadDemoOptions): Promise<void> {
  const { signal, onProgress, stateFile } = options;
  const state = await readState(options);
  if (state.done) return;
  await writeState(stateFile, state);
  const madeFor = new Date(state.madeFor);
  await createCampaigns(options, madeFor);
  let total = 0;
  for (const count of demoEventCounts(madeFor)) {
    total += count;
    await yieldToOthers();
  }
  let loaded = 0;
  for (const events of inCalls(demoEvents(madeFor))) {
    if (loaded >= state.loaded) {
      await options.waitWhileFull();
      if (signal.aborted) return;
      try {
        await acceptBulk({ ...options, retryForMs: RETRY_FOR_MS }, events);
      } catch (error) {
        if (signal.aborted && isPassing(error)) return;
        throw error;
      }
    } else await yieldToOthers();
    loaded += events.length;
    onProgress(loaded, total);
    await writeState(stateFile, { ...state, loaded: Math.max(loaded, state.loaded) });
  }
  await writeState(stateFile, { ...state, loaded, done: true });
}

/** Making events is work for the processor alone: requests come in between. */
function yieldToOthers(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function* inCalls(events: Iterable<DemoEvent>): Generator<DemoEvent[]> {
  let call: DemoEvent[] = [];
  for (const event of events) {
    call.push(event);
    if (call.length < EVENTS_PER_CALL) continue;
    yield call;
    call = [];
  }
  if (call.length > 0) yield call;
}

async function createCampaigns({ campaigns, tenantId }: LoadDemoOptions, madeFor: Date): Promise<void> {
  for (const { sentAt, ...campaign } of demoCampaigns(madeFor)) {
    const input = { ...campaign, sentAt: parseInstant(sentAt) };
    await campaigns.create(tenantId, input, OPERATOR).catch((error: unknown) => {
      // Made before the loading was interrupted.
      if (!(error instanceof PublicError && error.code === "CONFLICT")) throw error;
    });
  }
}

/**
 * Where the file is damaged the loading begins anew: what is there already counts no second time. That holds for the same day
 * alone, which the tenant remembers.
 */
async function readState({ stateFile, now, tenantCreatedAt, log }: LoadDemoOptions): Promise<DemoState> {
  const text = await readFile(stateFile, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return stateFor(now());
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch {
    log.warn({ file: stateFile }, "what is kept of the demo's loading is damaged; it begins anew");
    return stateFor(tenantCreatedAt);
  }
}

function stateFor(moment: Date): DemoState {
  return { madeFor: moment.toISOString(), loaded: 0, done: false };
}

/** Whole or not at all, also where the power fails: half a state would forget how far the loading has come. */
async function writeState(file: string, state: DemoState): Promise<void> {
  await writePrivateFile(file, `${JSON.stringify(state)}\n`);
}
