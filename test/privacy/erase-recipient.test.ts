import { createSecretKey } from "node:crypto";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OPERATOR } from "../../src/audit/audit-entry.js";
import { defineStatement } from "../../src/database/statement.js";
import { textOfRecipientKey } from "../../src/events/event-key.js";
import type { EventInput } from "../../src/events/event.js";
import { LANES } from "../../src/events/outbox.js";
import type { TenantId } from "../../src/ids.js";
import { eraseRecipient, nameRecipient } from "../../src/privacy/erase-recipient.js";
import { findErasure } from "../../src/privacy/erasure.js";
import { ErasureWork } from "../../src/privacy/erasure-work.js";
import { rebuildRollups } from "../../src/rollups/rebuild/rebuild.js";
import { ROLLUP_TABLE_NAMES } from "../../src/rollups/rollup-tables.js";
import { writeAsTenant, writeAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { readDeadEvent } from "../../src/ingest/dead-letters/dead-letter.js";
import { findDeadLetter, readDeadLetterPage } from "../../src/ingest/dead-letters/dead-letter-pages.js";
import { INBOX_FORMAT } from "../../src/ingest/inbox-payload.js";
import { Cursors } from "../../src/pages/cursors.js";
import { readPageArguments } from "../../src/pages/page-arguments.js";
import { poisoned, slipIn } from "../ingest/dead-letters/poison.js";
import { type Pipeline, startPipeline } from "../support/pipeline.js";
import { waitFor } from "../support/wait-for.js";
import { everythingStored, tablesWith } from "./everything-stored.js";
import { eventsOf, tracesOf } from "./person.js";
import { differencesOf, recordedBy } from "./recounts.js";

const now = () => instantFromMillis(Date.now());
const log = pino({ level: "silent" });

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline({ workers: 2, projectors: 2 });
});
afterAll(() => pipeline.stop());

async function record(tenantId: TenantId, events: readonly EventInput[], options: { settle?: boolean } = {}) {
  const answer = await pipeline.intake.accept({ tenantId, lane: LANES.LIVE, events });
  expect(answer.refused).toEqual([]);
  if (options.settle !== false) await pipeline.settled();
}

const nameOf = (tenantId: TenantId, name: string) =>
  nameRecipient(pipeline.recipientKeys, tenantId, `${name}@example.org`, ["recipient"]);
const erase = (tenantId: TenantId, name: string) =>
  eraseRecipient(pipeline, tenantId, nameOf(tenantId, name), OPERATOR, now());
const sweep = (signal?: AbortSignal) =>
  new ErasureWork({ ...pipeline, now, log, ...(signal !== undefined && { signal }) }).run();
const erasureOf = (tenantId: TenantId, name: string) =>
  writeAsTenant(pipeline.events, tenantId, (session) =>
    findErasure(session, tenantId, nameOf(tenantId, name).recipientKey),
  );

/** Sweeps until the erasure says that it is done. */
async function sweepOut(tenantId: TenantId, name: string): Promise<void> {
  const isDone = async () => {
    await sweep();
    return (await erasureOf(tenantId, name))?.completedAt ?? null;
  };
  await waitFor(isDone, { what: "the erasure to be completed" });
}

/** All rollups of a tenant, but for what links are called, each row as text. */
async function rollupsOf(tenantId: TenantId): Promise<string[]> {
  const read = (table: string) =>
    defineStatement<"metrics", [TenantId], { row: string }>(
      "metrics",
      `test.read_${table}`,
      `select (to_jsonb(stored) - 'url')::text as row from ${table} as stored where tenant_id = $1 order by 1`,
    );
  return writeAsWorker(pipeline.metrics, async (session) => {
    const rows: string[] = [];
    for (const table of ROLLUP_TABLE_NAMES) {
      const found = await session.run(read(table)(tenantId));
      rows.push(...found.map(({ row }) => `${table} ${row}`));
    }
    return rows;
  });
}

const WAYS_TO_NAME = {
  address: (tenantId: TenantId) => nameOf(tenantId, "ann"),
  key: (tenantId: TenantId) => {
    const text = textOfRecipientKey(nameOf(tenantId, "ann").recipientKey);
    return nameRecipient(pipeline.recipientKeys, tenantId, text, ["recipient"]);
  },
};

test.each(["address", "key"] as const)(
  "once a person is erased by their %s no table of either database holds a trace, and no number has changed",
  async (way) => {
    const [tenantId, other] = [await pipeline.createTenant(), await pipeline.createTenant()];
    await record(tenantId, [...eventsOf("ann"), ...eventsOf("bob"), ...eventsOf("ann", "autumn")]);
    await record(other, eventsOf("ann", "others"));
    const before = await rollupsOf(tenantId);
    expect(tablesWith(await everythingStored(pipeline.databases), ...tracesOf("ann")).length).toBeGreaterThan(10);

    await eraseRecipient(pipeline, tenantId, WAYS_TO_NAME[way](tenantId), OPERATOR, now());
    // At once, before any worker comes.
    const recipients = (await everythingStored(pipeline.databases)).filter(({ table }) => table === "recipients");
    expect(
      tablesWith(
        recipients.filter(({ row }) => row.includes(tenantId)),
        ...tracesOf("ann"),
      ),
    ).toEqual([]);
    await sweepOut(tenantId, "ann");

    const stored = (await everythingStored(pipeline.databases)).filter(({ row }) => row.includes(tenantId));
    expect(tablesWith(stored, ...tracesOf("ann"))).toEqual([]);
    expect(tablesWith(stored, ...tracesOf("bob")).length).toBeGreaterThan(10);
    expect(await rollupsOf(tenantId)).toEqual(before);
    expect(await differencesOf(pipeline, tenantId)).toEqual([]);
    const rebuilt = rebuildRollups(pipeline, { tenantId }, { now });
    for (;;) {
      const step = await rebuilt.next();
      if (step.done === true) break;
    }
    expect(await rollupsOf(tenantId)).toEqual(before);
    expect(await erasureOf(tenantId, "ann")).toMatchObject({ erasedEvents: 26 });
    // The same person at another tenant is another one.
    const others = (await everythingStored(pipeline.databases)).filter(({ row }) => row.includes(other));
    expect(tablesWith(others, ...tracesOf("ann")).length).toBeGreaterThan(10);
  },
);

test("neither a replay nor news brings the person back: the one counts nothing, the other as the same person's", async () => {
  const tenantId = await pipeline.createTenant();
  await record(tenantId, eventsOf("ann"));
  await erase(tenantId, "ann");
  await sweepOut(tenantId, "ann");
  const before = await rollupsOf(tenantId);
  const recorded = await recordedBy(pipeline, tenantId);

  await record(tenantId, eventsOf("ann"));
  // Without ids, as from another export: derived ones.
  const nameless = eventsOf("cat").map(({ eventId: _eventId, ...event }) => event);
  expect([await rollupsOf(tenantId), await recordedBy(pipeline, tenantId)]).toEqual([before, recorded]);

  // News: in the campaign that is known, and in one that is not.
  const late = [...eventsOf("ann"), ...eventsOf("ann", "winter")];
  await record(
    tenantId,
    late.map((event, n) => ({ ...event, eventId: `late-${n}` })),
  );
  const stored = (await everythingStored(pipeline.databases)).filter(({ row }) => row.includes(tenantId));
  expect(tablesWith(stored, ...tracesOf("ann"))).toEqual([]);
  expect(await recordedBy(pipeline, tenantId)).toBe(Number(recorded) + late.length);
  expect(await differencesOf(pipeline, tenantId)).toEqual([]);
  const uniques = (rows: readonly string[]) =>
    rows
      .filter((row) => row.startsWith("campaign_totals "))
      .map((row) => JSON.parse(row.slice("campaign_totals ".length)) as Record<string, number>)
      .map((row) => [row["unique_sent"], row["unique_opened"], row["unique_clicked"], row["opened"]]);
  expect(uniques(before)).toEqual([[1, 1, 1, 2]]);
  expect(uniques(await rollupsOf(tenantId)).toSorted()).toEqual([
    [1, 1, 1, 2],
    [1, 1, 1, 4],
  ]);

  await record(tenantId, nameless);
  const counted = await rollupsOf(tenantId);
  await erase(tenantId, "cat");
  await sweepOut(tenantId, "cat");
  await record(tenantId, nameless);
  expect(await rollupsOf(tenantId)).toEqual(counted);
});

const insertWaiting = defineStatement<"events", [TenantId, payload: string, count: number], never>(
  "events",
  "test.insert_waiting",
  `insert into inbox (tenant_id, lane, receipt_id, format, event_count, payload, received_at, not_before, attempts)
   values ($1, 2, gen_random_uuid(), ${INBOX_FORMAT}, $3, $2::json, now() - interval '1 minute', now() + interval '1 hour', 1)`,
);
const letThemCome = defineStatement<"events", [], never>(
  "events",
  "test.let_them_come",
  "update inbox set not_before = now() where lane = 2",
);
const buryWaiting = defineStatement<"events", [TenantId], never>(
  "events",
  "test.bury_waiting",
  `with row as (delete from inbox where tenant_id = $1 returning *)
   insert into dead_letters (tenant_id, id, receipt_id, format, event_count, payload, received_at, died_at, error)
   select tenant_id, gen_random_uuid(), receipt_id, format, event_count, payload, received_at, now(), 'near "ann@example.org"'
   from row`,
);
const replayLetters = defineStatement<"events", [TenantId], never>(
  "events",
  "test.replay_letters",
  `with row as (delete from dead_letters where tenant_id = $1 and discarded_at is null returning *)
   insert into inbox (tenant_id, lane, receipt_id, format, event_count, payload, received_at)
   select tenant_id, 0, receipt_id, format, event_count, payload, received_at from row`,
);
const readAccepted = defineStatement<"events", [TenantId], { payload: unknown }>(
  "events",
  "test.read_accepted",
  "select payload from inbox where tenant_id = $1 order by id",
);

describe("what is not recorded yet", () => {
  /** Puts events that intake accepted where they wait for another try, without workers in between. */
  async function leaveWaiting(tenantId: TenantId, events: readonly EventInput[]): Promise<void> {
    const holding = await startPipeline({ workers: 0, projectors: 0 });
    await holding.intake.accept({ tenantId, lane: LANES.LIVE, events });
    const [row] = await writeAsWorker(holding.events, (session) => session.run(readAccepted(tenantId)));
    const payload = JSON.stringify(row?.payload);
    await writeAsWorker(pipeline.events, (session) => session.run(insertWaiting(tenantId, payload, events.length)));
    await holding.stop();
  }

  test.each(["in the inbox", "among the dead letters"])(
    "stays %s without the person, and counts later",
    async (where) => {
      const tenantId = await pipeline.createTenant();
      await leaveWaiting(tenantId, [...eventsOf("ann"), ...eventsOf("bob")]);
      const isDead = where !== "in the inbox";
      if (isDead) await writeAsWorker(pipeline.events, (session) => session.run(buryWaiting(tenantId)));
      await erase(tenantId, "ann");
      await sweepOut(tenantId, "ann");
      const stored = (await everythingStored(pipeline.databases)).filter(({ row }) => row.includes(tenantId));
      expect(tablesWith(stored, ...tracesOf("ann"))).toEqual([]);
      expect(tablesWith(stored, ...tracesOf("bob"))).toEqual([isDead ? "dead_letters" : "inbox"]);
      await writeAsWorker(pipeline.events, (session) => session.run(isDead ? replayLetters(tenantId) : letThemCome()));
      await pipeline.settled();
      expect(await recordedBy(pipeline, tenantId)).toBe(26);
      expect(await differencesOf(pipeline, tenantId)).toEqual([]);
      const after = (await everythingStored(pipeline.databases)).filter(({ row }) => row.includes(tenantId));
      expect(tablesWith(after, ...tracesOf("ann"))).toEqual([]);
    },
  );

  test("shows nobody who the person was from the erasure on, before any worker has emptied it", async () => {
    const tenantId = await pipeline.createTenant();
    const personal = (name: string) =>
      poisoned(`${name}@example.org-1`, {
        recipientKey: nameOf(tenantId, name).recipientKey,
        address: `${name}@example.org`,
        messageId: `<${name}@example.org>`,
        metadata: { a: `${name} mail` },
      });
    await slipIn(pipeline.events, tenantId, [personal("ann"), personal("bob")]);
    await pipeline.settled();
    await erase(tenantId, "ann");
    const shown = await writeAsTenant(pipeline.events, tenantId, async (session) => {
      const cursors = new Cursors(createSecretKey(Buffer.alloc(32)));
      const { edges } = await readDeadLetterPage(session, tenantId, null, readPageArguments({}), cursors);
      const letters = await Promise.all(edges.map(({ node }) => findDeadLetter(session, tenantId, node.id)));
      return [...edges.map(({ node }) => node), ...letters].map((row) => JSON.stringify(row && readDeadEvent(row)));
    });
    expect(shown).toHaveLength(4);
    for (const trace of tracesOf("ann")) expect(shown.join("\n")).not.toContain(trace);
    expect(shown.filter((text) => text.includes("bob@example.org"))).toHaveLength(2);
    expect(shown.filter((text) => text.includes(nameOf(tenantId, "ann").recipientKey))).toHaveLength(2);
  });

  test("loses the person when it is buried after the erasure, and keeps everybody else's", async () => {
    const tenantId = await pipeline.createTenant();
    await erase(tenantId, "ann");
    await sweepOut(tenantId, "ann");
    const personal = (name: string) =>
      poisoned(`${name}@example.org-1`, {
        recipientKey: nameOf(tenantId, name).recipientKey,
        messageId: `<${name}@example.org>`,
        metadata: { a: `${name} mail` },
      });
    await slipIn(pipeline.events, tenantId, [personal("ann"), personal("bob")]);
    await pipeline.settled();
    const stored = (await everythingStored(pipeline.databases)).filter(({ row }) => row.includes(tenantId));
    expect(stored.filter(({ table }) => table === "dead_letters")).toHaveLength(2);
    expect(tablesWith(stored, ...tracesOf("ann"))).toEqual([]);
    expect(tablesWith(stored, ...tracesOf("bob"))).toEqual(["dead_letters"]);
  });
});
