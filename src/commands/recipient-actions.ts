import { setTimeout as pause } from "node:timers/promises";
import { OPERATOR } from "../audit/audit-entry.js";
import type { Pool } from "../database/pool.js";
import { PublicError } from "../errors.js";
import { type EventList, readEventPage } from "../events/event-pages.js";
import type { EventRow } from "../events/event-row.js";
import { RecipientKeys, textOfRecipientKey } from "../events/event-key.js";
import type { RecipientKey, TenantId } from "../ids.js";
import type { Installation } from "../open-installation.js";
import type { Pools } from "../open-pools.js";
import { Cursors } from "../pages/cursors.js";
import { MAX_PAGE_SIZE, type PageRequest } from "../pages/page-arguments.js";
import type { Page } from "../pages/page.js";
import { eraseRecipient, nameRecipient, type NamedRecipient } from "../privacy/erase-recipient.js";
import { type Erasure, findErasure } from "../privacy/erasure.js";
import { ErasureWork } from "../privacy/erasure-work.js";
import { forgetAddresses } from "../privacy/forget-addresses.js";
import { findHeldRecipient, findUnrecordedEvents, readRecipientCampaigns } from "../privacy/recipient-record.js";
import { systemClock } from "../runtime.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { configOfProcess, withInstallation } from "./open-command.js";
import { findTenantOrFail } from "./tenant-actions.js";

export interface RecipientOptions {
  readonly tenant: string;
  readonly recipient: string;
}

export interface ForgetOptions {
  readonly tenant: string;
  readonly yes?: true;
}

const ROUND_PAUSE_MS = 200;
/** For workers that are at rows of the person: longer than a batch takes. */
const MAX_WAIT_MS = 30_000;

async function find(
  { secret }: Installation,
  pools: Pools,
  { tenant, recipient }: RecipientOptions,
): Promise<NamedRecipient & { readonly tenantId: TenantId }> {
  const { id: tenantId } = await findTenantOrFail(pools, tenant);
  return { tenantId, ...nameRecipient(new RecipientKeys(secret), tenantId, recipient, ["recipient"]) };
}

export function exportOne(options: RecipientOptions): Promise<void> {
  return withInstallation(async (installation, pools) => {
    const { tenantId, recipientKey } = await find(installation, pools, options);
    const { events } = pools;
    const cursors = new Cursors(installation.secret);
    const head = await writeAsTenant(events, tenantId, async (session) => {
      const { address, isKnown } = await findHeldRecipient(session, tenantId, recipientKey);
      const erasure = erasureOf(await findErasure(session, tenantId, recipientKey));
      return { recipientKey: isKnown ? textOfRecipientKey(recipientKey) : null, address, erasure };
    });
    await write("recipient", head);
    const readCampaigns = (page: PageRequest) =>
      writeAsTenant(events, tenantId, (session) =>
        readRecipientCampaigns(session, tenantId, recipientKey, page, cursors),
      );
    for await (const { firstEventAt, ...campaign } of eachOf(readCampaigns, cursors)) {
      const links = campaign.links.map(({ firstClickedAt, ...link }) => {
        return { ...link, firstClickedAt: timeOf(firstClickedAt) };
      });
      await write("campaign", { ...campaign, firstEventAt: timeOf(firstEventAt), links });
    }
    for await (const { occurredAt, receivedAt, recipientKey: _key, ...event } of eachOf(
      readEvents(events, tenantId, recipientKey, cursors),
      cursors,
    )) {
      await write("event", { ...event, occurredAt: timeOf(occurredAt), receivedAt: timeOf(receivedAt) });
    }
    const unrecorded = await writeAsTenant(events, tenantId, (session) =>
      findUnrecordedEvents(session, tenantId, recipientKey),
    );
    for (const event of unrecorded) await write("unrecorded", event);
  });
}

function readEvents(events: Pool<"events">, tenantId: TenantId, recipientKey: RecipientKey, cursors: Cursors) {
  const list: EventList = {
    types: null,
    occurredAt: null,
    campaignId: null,
    recipientKey,
    metadata: null,
    traffic: null,
    order: "OLDEST_FIRST",
  };
  return (page: PageRequest): Promise<Page<EventRow>> =>
    writeAsTenant(events, tenantId, (session) => readEventPage(session, tenantId, list, page, cursors));
}

/** Everything in a list, a page at a time: a person may have any number of events. */
async function* eachOf<Row>(read: (page: PageRequest) => Promise<Page<Row>>, cursors: Cursors): AsyncGenerator<Row> {
  let after: string | null = null;
  for (;;) {
    const page: Page<Row> = await read({ limit: MAX_PAGE_SIZE, direction: "FORWARD", after, before: null });
    for (const { node } of page.edges) yield node;
    const last = page.edges.at(-1);
    if (!page.hasNextPage || last === undefined) return;
    after = cursors.encode(page.binding, last.position);
  }
}

/** Answers when all is erased: does a worker's part too, so that it needs none to run. */
export function eraseOne(options: RecipientOptions): Promise<void> {
  return withInstallation(async (installation, pools, log) => {
    const { tenantId, ...named } = await find(installation, pools, options);
    await eraseRecipient(pools, tenantId, named, OPERATOR, systemClock());
    const isTold = process.stderr.isTTY;
    if (isTold) process.stderr.write("The address is gone; what else was kept of the events goes now.\n");
    const stopping = new AbortController();
    process.once("SIGINT", () => stopping.abort());
    const { signal } = stopping;
    const work = new ErasureWork({ ...pools, now: systemClock, log, signal });
    const deadline = performance.now() + MAX_WAIT_MS;
    for (;;) {
      // Nobody else's: what keeps theirs open is not for whoever waits here to hear of.
      await work.eraseOne(tenantId, named.recipientKey);
      const erasure = await writeAsTenant(pools.events, tenantId, (session) =>
        findErasure(session, tenantId, named.recipientKey),
      );
      if (erasure?.completedAt !== undefined && erasure.completedAt !== null) {
        process.stdout.write(`${JSON.stringify(erasureOf(erasure))}\n`);
        return;
      }
      if (signal.aborted || performance.now() > deadline) {
        process.stderr.write(
          "The address is gone; a running worker does the rest, or this command does when run again.\n",
        );
        process.exitCode = signal.aborted ? 130 : 1;
        return;
      }
      await pause(ROUND_PAUSE_MS);
    }
  });
}

export function forgetAll(options: ForgetOptions): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    if (configOfProcess().storeAddresses) {
      const message =
        "Set STORE_ADDRESSES to off first, here and for every serve and work: they would store addresses again.";
      throw new PublicError("BAD_INPUT", message);
    }
    const { id } = await findTenantOrFail(pools, options.tenant);
    if (options.yes !== true) {
      throw new PublicError(
        "BAD_INPUT",
        "This would delete the tenant's addresses for good. If you mean it, add --yes.",
      );
    }
    const forgotten = await forgetAddresses(pools.events, id);
    process.stdout.write(`${forgotten} addresses deleted.\n`);
  });
}

function erasureOf(erasure: Erasure | null) {
  if (erasure === null) return null;
  const { requestedAt, completedAt, erasedEvents } = erasure;
  return { requestedAt: timeOf(requestedAt), completedAt: timeOf(completedAt), erasedEvents };
}

function timeOf(instant: EpochMicros | null): string | null {
  return instant === null ? null : formatInstant(instant);
}

/** A line, and room for the next: a reader may be slower than the database. */
function write(kind: string, value: object): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.write(`${JSON.stringify({ kind, ...value })}\n`, (error) => {
    if (error === null || error === undefined) resolve();
    else reject(error);
  });
  return promise;
}
