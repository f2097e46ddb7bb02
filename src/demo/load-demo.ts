/**
 * Fills the demo tenant through the same door that all events come through, in the bulk lane, so that a newcomer's own
 * events do not wait behind them. It can be interrupted anywhere: the moment that the data is made for is kept, so the
 * next start makes the same events, and those that were recorded already count no second time.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { OPERATOR } from "../audit/audit-entry.js";
import { PublicError } from "../errors.js";
import type { CampaignStore } from "../campaigns/campaign-store.js";
import type { TenantId } from "../ids.js";
import { acceptBulk, isPassing } from "../ingest/accept-bulk.js";
import type { Intake } from "../ingest/intake.js";
import { parseInstant } from "../time/instant.js";
import type { DemoEvent } from "./demo-event.js";
import { demoCampaigns, demoEventCount, demoEvents } from "./demo-events.js";

interface LoadDemoOptions {
  readonly tenantId: TenantId;
  readonly intake: Intake;
  readonly campaigns: CampaignStore;
  /** Where it is kept what has been loaded. */
  readonly stateFile: string;
  readonly now: () => Date;
  /** Awaited before each call: holds the loading back while too many events wait to be recorded. */
  readonly waitWhileFull: () => Promise<void>;
  readonly onProgress: (loaded: number, total: number) => void;
  readonly signal: AbortSignal;
}

interface DemoState {
  /** The moment that the data was made for. */
  readonly madeFor: string;
  readonly loaded: number;
  readonly done: boolean;
}

const EVENTS_PER_CALL = 1000;
const RETRY_FOR_MS = 60_000;

/** Resolves when everything is accepted, at once where it was before, or when the signal says stop. */
export async function loadDemo(options: LoadDemoOptions): Promise<void> {
  const { signal, onProgress, stateFile } = options;
  const state = (await readState(stateFile)) ?? { madeFor: options.now().toISOString(), loaded: 0, done: false };
  if (state.done) return;
  await writeState(stateFile, state);
  const madeFor = new Date(state.madeFor);
  await createCampaigns(options, madeFor);
  const total = demoEventCount(madeFor);
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

async function readState(file: string): Promise<DemoState | null> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as DemoState;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Whole or not at all: a run that is killed while it writes must not leave half a state, on which every start would fail. */
async function writeState(file: string, state: DemoState): Promise<void> {
  const draft = `${file}.new`;
  await writeFile(draft, `${JSON.stringify(state)}\n`);
  await rename(draft, file);
}
