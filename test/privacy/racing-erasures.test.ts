/** Erasures while events of the same person arrive: whichever comes first, nothing of the person is left, and all counts. */
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { rememberAddresses } from "../../src/events/event-log.js";
import { LANES } from "../../src/events/outbox.js";
import { Partitions } from "../../src/events/partitions.js";
import type { CampaignId, ReceiptId, RecipientKey, TenantId } from "../../src/ids.js";
import { uuidv7 } from "../../src/ids.js";
import { recordBatch } from "../../src/ingest/record-batch.js";
import { eraseRecipient, nameRecipient } from "../../src/privacy/erase-recipient.js";
import { findErasure } from "../../src/privacy/erasure.js";
import { ErasureWork } from "../../src/privacy/erasure-work.js";
import { beginAsWorker, writeAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { acceptedEvent, projectMessages } from "../rollups/rollup-scene.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";
import { waitFor } from "../support/wait-for.js";
import { everythingStored, tablesWith } from "./everything-stored.js";
import { eventsOf, tracesOf } from "./person.js";
import { differencesOf, recordedBy } from "./recounts.js";

const now = () => instantFromMillis(Date.now());
const log = pino({ level: "silent" });

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 2, projectors: 1 });
});
afterAll(() => pipeline.stop());

const recipientOf = (tenantId: TenantId) =>
  nameRecipient(pipeline.recipientKeys, tenantId, "ann@example.org", ["recipient"]);
const erase = (tenantId: TenantId) => eraseRecipient(pipeline, tenantId, recipientOf(tenantId), OPERATOR, now());
const work = (signal?: AbortSignal) =>
  new ErasureWork({ ...pipeline, now, log, ...(signal !== undefined && { signal }) });
const erasureOf = (tenantId: TenantId) =>
  writeAsWorker(pipeline.events, (session) => findErasure(session, tenantId, recipientOf(tenantId).recipientKey));

async function sweepOut(tenantId: TenantId): Promise<void> {
  await waitFor(
    async () => {
      await work().run();
      return (await erasureOf(tenantId))?.completedAt ?? null;
    },
    { what: "the erasure to be completed", deadlineMs: 30_000 },
  );
}

const traces = async (tenantId: TenantId) =>
  tablesWith(
    (await everythingStored(pipeline.databases)).filter(({ row }) => row.includes(tenantId)),
    ...tracesOf("ann"),
  );

const countWaiting = defineStatement<"events", [kind: string], { waiting: number }>(
  "events",
  "test.count_waiting",
  // The server's other databases are other tests'.
  `select count(*) as waiting from pg_locks join pg_stat_activity using (pid)
   where not granted and locktype = $1 and datname = current_database()`,
);
const someoneWaits = (kind: string) =>
  waitFor(
    async () =>
      ((await writeAsWorker(pipeline.events, (session) => session.run(countWaiting(kind))))[0]?.waiting ?? 0) > 0,
    { what: `somebody to wait for a lock of the type ${kind}` },
  );

/** An event of the person with everything personal, as a worker has claimed it. */
function claimed(tenantId: TenantId) {
  const event = acceptedEvent({
    type: "CLICKED",
    campaignId: uuidv7() as CampaignId,
    recipient: "ann@example.org",
    occurredAt: now(),
    url: "https://example.org/?e=ann@example.org",
    client: "ann mail",
    traffic: "HUMAN",
  });
  const { recipientKey } = recipientOf(tenantId);
  const received = {
    tenantId,
    receiptId: uuidv7() as ReceiptId,
    receivedAt: now(),
    event: { ...event, recipientKey, metadata: { a: "ann@example.org" } },
  };
  const row = {
    id: 0,
    lane: LANES.LIVE,
    is_retry: false,
    tenant_id: tenantId,
    receipt_id: received.receiptId,
    format: 1,
    event_count: 1,
    received_at: received.receivedAt,
    attempts: 0,
    first_failed_at: null,
    payload: "",
  };
  return { rows: [row], events: [received] };
}

test("an erasure waits for the batch that is being recorded, and then finds all of it", async () => {
  const tenantId = await pipeline.createTenant();
  await new Partitions(pipeline.events).ensureAhead(now());
  const batch = await beginAsWorker(pipeline.events);
  const { rows, events } = claimed(tenantId);
  await recordBatch(batch, rows, events, { maxLinksPerCampaign: 10, now: now() });
  const erasing = erase(tenantId);
  await someoneWaits("advisory");
  await batch.commit();
  await erasing;
  await pipeline.settled();
  await sweepOut(tenantId);
  expect(await erasureOf(tenantId)).toMatchObject({ erasedEvents: 1 });
  expect(await traces(tenantId)).toEqual([]);
});

const holdRecipient = defineStatement<"events", [TenantId, RecipientKey], never>(
  "events",
  "test.hold_recipient",
  "insert into recipients (tenant_id, recipient_key, address) values ($1, $2, 'held')",
);

test("a batch that begins during an erasure waits for it, and records nothing of the person", async () => {
  const tenantId = await pipeline.createTenant();
  await new Partitions(pipeline.events).ensureAhead(now());
  const holder = await beginAsWorker(pipeline.events);
  await holder.run(holdRecipient(tenantId, recipientOf(tenantId).recipientKey));
  const erasing = erase(tenantId);
  await someoneWaits("transactionid");
  const { rows, events } = claimed(tenantId);
  const recording = writeAsWorker(pipeline.events, (session) =>
    recordBatch(session, rows, events, { maxLinksPerCampaign: 10, now: now() }),
  );
  await someoneWaits("advisory");
  await holder.commit();
  await erasing;
  expect(await recording).toEqual({ recorded: 1, duplicates: 0 });
  await pipeline.settled();
  // Without a sweep.
  expect(await traces(tenantId)).toEqual([]);
});

test("a worker of the release before, which knows no erasures, cannot bring an address back, whoever comes first", async () => {
  for (const first of ["worker", "erasure"]) {
    const tenantId = await pipeline.createTenant();
    const { events } = claimed(tenantId);
    if (first === "erasure") await erase(tenantId);
    const worker = await beginAsWorker(pipeline.events);
    await rememberAddresses(worker, events);
    const erasing = first === "worker" ? erase(tenantId) : null;
    if (erasing !== null) await someoneWaits("transactionid");
    await worker.commit();
    await erasing;
    await writeAsWorker(pipeline.events, (session) => rememberAddresses(session, events));
    expect(await traces(tenantId)).toEqual([]);
  }
});

const ROUNDS = 12;

test("whenever a person is erased among arriving events, with sweeps at any moment, no trace is left and all counts", async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const tenantId = await pipeline.createTenant();
    const calls = Array.from({ length: 24 }, (_, n) =>
      [...eventsOf("ann", `c${n % 3}`), ...eventsOf("bob", `c${n % 3}`)].map((event) => ({
        ...event,
        eventId: `${event.eventId ?? ""}-${n}`,
      })),
    );
    const eraseAt = (round * 7) % calls.length;
    const arriving: Promise<unknown>[] = [];
    for (const [n, events] of calls.entries()) {
      if (n === eraseAt || n === (eraseAt + 5) % calls.length) arriving.push(erase(tenantId));
      if (n % 4 === round % 4) arriving.push(work().run());
      arriving.push(pipeline.intake.accept({ tenantId, lane: n % 2 === 0 ? LANES.LIVE : LANES.BULK, events }));
      // Lets some of it happen.
      if (n % 3 === round % 3) await Promise.race(arriving);
    }
    await Promise.all(arriving);
    await pipeline.settled();
    await sweepOut(tenantId);
    expect(await traces(tenantId), `round ${round}`).toEqual([]);
    expect(await recordedBy(pipeline, tenantId)).toBe(24 * 26);
    expect(await differencesOf(pipeline, tenantId)).toEqual([]);
  }
}, 60_000);

const MANY = 2_300;

test("a sweep of thousands of events may be ended anywhere by any of several workers, and the next goes on", async () => {
  const tenantId = await pipeline.createTenant();
  const template = eventsOf("ann").filter(({ type }) => type === "OPENED" || type === "CLICKED");
  for (let from = 0; from < MANY; from += 500) {
    const events = Array.from({ length: Math.min(500, MANY - from) }, (_, n) => {
      const at = from + n;
      const event = template[at % template.length] ?? template[0];
      if (event === undefined) throw new Error("There are events");
      // Over fourteen months.
      const occurredAt = new Date(Date.UTC(2025, 9, 1) + at * 4 * 3_600_000).toISOString();
      return { ...event, eventId: `many-${at}`, occurredAt };
    });
    await pipeline.intake.accept({ tenantId, lane: LANES.BULK, events });
  }
  await pipeline.settled();
  await erase(tenantId);
  let rounds = 0;
  for (const steps of [1, 2, 3, 5, 8]) {
    const stop = new AbortController();
    let left = steps;
    const signal = new Proxy(stop.signal, {
      get: (target, name) => (name === "aborted" ? (left -= 1) < 0 : Reflect.get(target, name)),
    });
    await work(signal).run();
    rounds += 1;
    expect((await erasureOf(tenantId))?.completedAt).toBeNull();
  }
  expect(rounds).toBe(5);
  await Promise.all([work().run(), work().run(), work().run()]);
  await sweepOut(tenantId);
  expect(await erasureOf(tenantId)).toMatchObject({ erasedEvents: MANY });
  expect(await traces(tenantId)).toEqual([]);
}, 60_000);

test("what the metrics have still to learn of a link keeps an erasure open, and says no address in the end", async () => {
  const slow = await startPipeline({ workers: 1, projectors: 0 });
  const tenantId = await slow.createTenant();
  const recipient = nameRecipient(slow.recipientKeys, tenantId, "ann@example.org", ["recipient"]);
  await slow.intake.accept({ tenantId, lane: LANES.LIVE, events: eventsOf("ann") });
  await waitFor(async () => (await recordedBy(slow, tenantId)) === 13, { what: "the events to be recorded" });
  await eraseRecipient(slow, tenantId, recipient, OPERATOR, now());
  const sweep = new ErasureWork({ ...slow, now, log });
  expect(await sweep.run()).toBe(0);
  await projectMessages(slow);
  expect(await sweep.run()).toBe(1);
  expect(tablesWith(await everythingStored(slow.databases), ...tracesOf("ann"))).toEqual([]);
  await slow.stop();
});

test("clicks on one link from before and after an erasure are applied together, and are that link's", async () => {
  const slow = await startPipeline({ workers: 1, projectors: 0 });
  const tenantId = await slow.createTenant();
  const recipient = nameRecipient(slow.recipientKeys, tenantId, "ann@example.org", ["recipient"]);
  const clicks = eventsOf("ann").filter(({ type }) => type === "CLICKED");
  const record = async (run: number) => {
    const events = clicks.map((event, n) => ({ ...event, eventId: `${run}-${n}` }));
    await slow.intake.accept({ tenantId, lane: LANES.LIVE, events });
    await waitFor(async () => (await recordedBy(slow, tenantId)) === run * clicks.length, {
      what: "the clicks to be recorded",
    });
  };
  await record(1);
  await eraseRecipient(slow, tenantId, recipient, OPERATOR, now());
  await record(2);
  await projectMessages(slow);
  await new ErasureWork({ ...slow, now, log }).run();
  expect(await differencesOf(slow, tenantId)).toEqual([]);
  await slow.stop();
});

test("clicks that come after an erasure, by the URL that is left, do not keep it open", async () => {
  const slow = await startPipeline({ workers: 1, projectors: 0 });
  const tenantId = await slow.createTenant();
  const recipient = nameRecipient(slow.recipientKeys, tenantId, "ann@example.org", ["recipient"]);
  const clicks = eventsOf("ann").filter(({ type }) => type === "CLICKED");
  await slow.intake.accept({ tenantId, lane: LANES.LIVE, events: clicks });
  await waitFor(async () => (await recordedBy(slow, tenantId)) === clicks.length, {
    what: "the clicks to be recorded",
  });
  await projectMessages(slow);
  await eraseRecipient(slow, tenantId, recipient, OPERATOR, now());
  const later = clicks.map((event, n) => ({ ...event, eventId: `later-${n}` }));
  await slow.intake.accept({ tenantId, lane: LANES.LIVE, events: later });
  await waitFor(async () => (await recordedBy(slow, tenantId)) === 2 * clicks.length, {
    what: "the later clicks to be recorded",
  });
  expect(await new ErasureWork({ ...slow, now, log }).run()).toBe(1);
  await projectMessages(slow);
  expect(tablesWith(await everythingStored(slow.databases), ...tracesOf("ann"))).toEqual([]);
  expect(await differencesOf(slow, tenantId)).toEqual([]);
  await slow.stop();
});

test("an erasure that waits for something rests, and whoever is asked for meanwhile comes before it", async () => {
  const slow = await startPipeline({ workers: 1, projectors: 0 });
  const [tenantId, other] = [await slow.createTenant(), await slow.createTenant()];
  const eraseOf = (tenant: TenantId, name: string) => {
    const recipient = nameRecipient(slow.recipientKeys, tenant, `${name}@example.org`, ["recipient"]);
    return eraseRecipient(slow, tenant, recipient, OPERATOR, now());
  };
  /** The metrics database has still to learn of a link of Ann's. */
  const leaveOpen = async (campaign: string) => {
    const before = Number(await recordedBy(slow, tenantId));
    await slow.intake.accept({ tenantId, lane: LANES.LIVE, events: eventsOf(`ann.${campaign}`, campaign) });
    await waitFor(async () => (await recordedBy(slow, tenantId)) === before + 13, {
      what: "the events to be recorded",
    });
    await eraseOf(tenantId, `ann.${campaign}`);
  };

  const resting = new ErasureWork({ ...slow, now, log, restFactor: 1_000_000 });
  await leaveOpen("spring");
  expect(await resting.run()).toBe(0);
  await projectMessages(slow);
  expect(await resting.run()).toBe(0);
  await eraseOf(other, "bob");
  expect(await resting.run()).toBe(1);
  // Who is asked for again is new.
  await eraseOf(tenantId, "ann.spring");
  expect(await resting.run()).toBe(1);

  const done: string[] = [];
  const told = pino(
    {},
    { write: (line: string) => void done.push((JSON.parse(line) as { tenantId: string }).tenantId) },
  );
  const short = new ErasureWork({ ...slow, now, log: told, restFactor: 0.01 });
  await leaveOpen("autumn");
  expect(await short.run()).toBe(0);
  await projectMessages(slow);
  await eraseOf(other, "cat");
  await waitFor(() => short.run().then(() => done.length === 2), { what: "both erasures" });
  expect(done).toEqual([other, tenantId]);
  await slow.stop();
});

const insertBroken = defineStatement<"events", [TenantId, count: number], never>(
  "events",
  "test.insert_broken_erasures",
  // No campaign is called so: whoever comes to the link fails.
  `insert into erasures (tenant_id, recipient_key, number, requested_at, links)
   select $1, gen_random_uuid(), number, now() - interval '1 day', '[{"campaignId": "none", "linkKey": "none", "url": ""}]'
   from generate_series(1, $2::integer) as broken (number)`,
);

test("however many older erasures fail, a person's is completed, and alone it fails by nothing of theirs", async () => {
  const slow = await startPipeline({ workers: 0, projectors: 0 });
  const [tenantId, other] = [await slow.createTenant(), await slow.createTenant()];
  await writeAsWorker(slow.events, (session) => session.run(insertBroken(other, 101)));
  const named = (name: string) => nameRecipient(slow.recipientKeys, tenantId, `${name}@example.org`, ["recipient"]);
  const sweep = new ErasureWork({ ...slow, now, log });
  const isDone = async (name: string) => {
    const { recipientKey } = named(name);
    const erasure = await writeAsWorker(slow.events, (session) => findErasure(session, tenantId, recipientKey));
    return erasure?.completedAt !== null;
  };
  for (const name of ["ann", "bob"]) await eraseRecipient(slow, tenantId, named(name), OPERATOR, now());
  expect(await sweep.eraseOne(tenantId, named("ann").recipientKey)).toBe(true);
  expect([await isDone("ann"), await isDone("bob")]).toEqual([true, false]);
  await expect(sweep.run()).rejects.toThrow("invalid input syntax");
  expect(await isDone("bob")).toBe(true);
  await slow.stop();
});

test("an erasure stands where the metrics are away, and its entry comes into the audit trail when they are back, once", async () => {
  const tenantId = await pipeline.createTenant();
  const away = new Pool({
    database: "metrics",
    url: `${pipeline.databases.metricsUrl}_away`,
    maxConnections: 1,
    waitTimeoutMs: 1_000,
    preparedStatements: true,
    log,
  });
  const erasing = eraseRecipient({ ...pipeline, metrics: away }, tenantId, recipientOf(tenantId), OPERATOR, now());
  await expect(erasing).rejects.toBeInstanceOf(Error);
  await away.stop();
  expect(await erasureOf(tenantId)).toMatchObject({ completedAt: null });
  const entries = async () =>
    (await everythingStored(pipeline.databases)).filter(
      ({ table, row }) => table === "audit_entries" && row.includes(tenantId) && row.includes("RECIPIENT_ERASED"),
    );
  expect(await entries()).toHaveLength(0);
  await sweepOut(tenantId);
  expect(await entries()).toHaveLength(1);
});
