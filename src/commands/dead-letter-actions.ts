import type { Session } from "../database/pool.js";
import { PublicError } from "../errors.js";
import { type DeadLetterId, isUuid, type ReceiptId, type TenantId, uuidOfGlobalId } from "../ids.js";
import { type DeadEvent, type DeadLetterRow, readDeadEvent } from "../ingest/dead-letters/dead-letter.js";
import { discardDeadLetters, type IfMissing, replayDeadLetters } from "../ingest/dead-letters/dead-letters.js";
import {
  findCampaignNames,
  findDeadLetters,
  type LetterFilter,
  type LetterReference,
  listDeadLetters,
} from "../ingest/dead-letters/dead-letters-of-all.js";
import type { Pools } from "../open-pools.js";
import { systemClock } from "../runtime.js";
import { findTenants } from "../tenancy/tenants.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { formatInstant } from "../time/instant.js";
import { withInstallation } from "./open-command.js";
import { findTenantOrFail } from "./tenant-actions.js";
import { lineOf, textTable } from "./text-table.js";

export interface ListOptions {
  readonly tenant?: string;
  readonly receipt?: string;
  readonly limit: number;
  readonly json?: true;
}

export interface ChooseOptions {
  readonly all?: true;
  readonly tenant?: string;
  readonly yes?: true;
  readonly json?: true;
}

const NO_FILTER: LetterFilter = { tenantId: null, receiptId: null, ids: null };
/** Letters that go together: few enough that a transaction is short. */
const LETTERS_PER_TRANSACTION = 500;

/** What is said of one letter. */
interface Description {
  readonly letter: DeadLetterRow;
  readonly event: DeadEvent;
  readonly tenant: string;
  /** The campaign's external id, or its id where it has none. */
  readonly campaign: string | null;
}

export function listLetters(options: ListOptions): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    const filter = {
      ...(await filterOf(pools, options.tenant)),
      receiptId: options.receipt === undefined ? null : (uuidOf("IngestReceipt", options.receipt) as ReceiptId),
    };
    // One more tells whether there are others.
    const found = await describe(pools, filter, options.limit + 1);
    const shown = found.slice(0, options.limit);
    if (options.json === true) return write(shown.map((description) => jsonOf(description)));
    if (shown.length === 0) return void process.stderr.write("There are no dead letters.\n");
    const rows = shown.map(({ letter, event, tenant, campaign }) => [
      letter.id,
      tenant,
      formatInstant(letter.diedAt),
      event.type ?? "?",
      campaign ?? "?",
      event.eventId ?? "?",
      String(letter.attempts),
      letter.reason,
      letter.error,
    ]);
    const heading = ["ID", "TENANT", "DIED AT", "TYPE", "CAMPAIGN", "EVENT ID", "TRIES", "REASON", "ERROR"];
    process.stdout.write(textTable(heading, rows));
    if (found.length > shown.length) process.stderr.write(`There are more than ${shown.length}; see --limit.\n`);
  });
}

export function showLetter(id: string, options: { readonly json?: true }): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    const ids = [letterIdOf(id)];
    const [description] = await describe(pools, { ...NO_FILTER, ids }, 1);
    if (description === undefined) throw noSuch([id]);
    const { payload, input } = { payload: description.letter.payload, input: description.event.input };
    // What cannot be read is shown as it lies there.
    const full = { ...jsonOf(description), event: input, ...(input === null && { payload }) };
    if (options.json === true) return write(full);
    for (const [name, value] of Object.entries(full)) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      process.stdout.write(`${`${name}:`.padEnd(15)} ${lineOf(text)}\n`);
    }
  });
}

export function replayLetters(ids: readonly string[], options: ChooseOptions): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    const chosen = await choose(pools, ids, options);
    const replayed = await eachTogether(pools, chosen, options, replayDeadLetters);
    if (options.json === true) write({ replayed });
    else process.stdout.write(`${countOf(replayed)} replayed; a running server or worker tries them again.\n`);
  });
}

export function discardLetters(ids: readonly string[], options: ChooseOptions): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    const chosen = await choose(pools, ids, options);
    if (options.all === true && options.yes !== true && chosen.length > 0) {
      const message = `This would delete the events of ${countOf(chosen.length)} for good. If you mean it, add --yes.`;
      throw new PublicError("BAD_INPUT", message);
    }
    const now = systemClock();
    const discarded = await eachTogether(pools, chosen, options, (session, tenantId, group, ifMissing) =>
      discardDeadLetters(session, tenantId, group, now, ifMissing),
    );
    if (options.json === true) write({ discarded });
    else process.stdout.write(`${countOf(discarded)} discarded.\n`);
  });
}

/** All that are chosen, told before anything is changed; NOT_FOUND names what does not exist. */
async function choose(pools: Pools, ids: readonly string[], options: ChooseOptions): Promise<LetterReference[]> {
  if (options.all === true) {
    if (ids.length > 0) throw new PublicError("BAD_INPUT", "Give ids or --all, not both.");
    const filter = await filterOf(pools, options.tenant);
    return writeAsWorker(pools.events, (session) => findDeadLetters(session, filter));
  }
  if (options.tenant !== undefined) throw new PublicError("BAD_INPUT", "--tenant goes with --all.");
  if (ids.length === 0) throw new PublicError("BAD_INPUT", "Give the ids of dead letters, or --all.");
  const wanted = new Map(ids.map((id) => [letterIdOf(id), id]));
  const filter = { ...NO_FILTER, ids: [...wanted.keys()] };
  const found = await writeAsWorker(pools.events, (session) => findDeadLetters(session, filter));
  for (const { id } of found) wanted.delete(id);
  if (wanted.size > 0) throw noSuch([...wanted.values()]);
  return found;
}

type Work = (
  session: Session<"events">,
  tenantId: TenantId,
  ids: readonly DeadLetterId[],
  ifMissing: IfMissing,
) => Promise<number>;

/**
 * Does the same to all. Those that were named go together or not at all; of --all a few hundred at a time, without those
 * that somebody else has seen to meanwhile. Returns how many.
 */
async function eachTogether(
  { events }: Pools,
  letters: readonly LetterReference[],
  { all }: ChooseOptions,
  work: Work,
): Promise<number> {
  const ordered = letters.toSorted((a, b) => (a.tenantId < b.tenantId ? -1 : Number(a.tenantId > b.tenantId)));
  const size = all === true ? LETTERS_PER_TRANSACTION : Math.max(1, ordered.length);
  let count = 0;
  for (let start = 0; start < ordered.length; start += size) {
    const tenants = Map.groupBy(ordered.slice(start, start + size), ({ tenantId }) => tenantId);
    count += await writeAsWorker(events, async (session) => {
      let done = 0;
      for (const [tenantId, group] of tenants) {
        const ids = group.map(({ id }) => id);
        done += await work(session, tenantId, ids, all === true ? "skip" : "refuse");
      }
      return done;
    });
  }
  return count;
}

async function describe(pools: Pools, filter: LetterFilter, limit: number): Promise<Description[]> {
  const tenants = new Map((await findTenants(pools.metrics)).map(({ id, slug }) => [id, slug]));
  return writeAsWorker(pools.events, async (session) => {
    const letters = (await listDeadLetters(session, filter, limit)).map((letter) => ({
      letter,
      event: readDeadEvent(letter),
    }));
    const names = await findCampaignNames(
      session,
      letters.flatMap(({ letter: { tenantId }, event: { campaignId } }) =>
        campaignId === null ? [] : [{ tenantId, campaignId }],
      ),
    );
    return letters.map(({ letter, event }) => ({
      letter,
      event,
      tenant: tenants.get(letter.tenantId) ?? letter.tenantId,
      campaign: event.campaignId === null ? null : (names.get(event.campaignId) ?? event.campaignId),
    }));
  });
}

function jsonOf({ letter, event, tenant, campaign }: Description): Readonly<Record<string, unknown>> {
  const { payload: _payload, tenantId: _tenantId, lane, receivedAt, firstFailedAt, diedAt, ...rest } = letter;
  return {
    ...rest,
    tenant,
    lane: lane === 0 ? "LIVE" : "BULK",
    type: event.type,
    campaign,
    eventId: event.eventId,
    occurredAt: event.occurredAt === null ? null : formatInstant(event.occurredAt),
    receivedAt: formatInstant(receivedAt),
    firstFailedAt: firstFailedAt === null ? null : formatInstant(firstFailedAt),
    diedAt: formatInstant(diedAt),
  };
}

async function filterOf(pools: Pools, slug: string | undefined): Promise<LetterFilter> {
  return slug === undefined ? NO_FILTER : { ...NO_FILTER, tenantId: (await findTenantOrFail(pools, slug)).id };
}

/** An id as the command line shows it, or as GraphQL does. */
function uuidOf(type: "DeadLetter" | "IngestReceipt", id: string): string {
  const uuid = isUuid(id) ? id : uuidOfGlobalId(type, id);
  if (uuid !== null) return uuid;
  const what = type === "DeadLetter" ? "a dead letter" : "a receipt";
  throw new PublicError("BAD_INPUT", `${JSON.stringify(id)} is not the id of ${what}.`);
}

function letterIdOf(id: string): DeadLetterId {
  return uuidOf("DeadLetter", id) as DeadLetterId;
}

function noSuch(ids: readonly string[]): PublicError {
  const what = ids.length === 1 ? "There is no dead letter" : "There are no dead letters";
  return new PublicError("NOT_FOUND", `${what} ${ids.join(", ")}: never was, or was replayed or discarded already.`);
}

function countOf(count: number): string {
  return count === 1 ? "1 dead letter" : `${count} dead letters`;
}

function write(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
