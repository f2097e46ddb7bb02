import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createSecretKey } from "node:crypto";
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CampaignIdentities } from "../../src/campaigns/campaign-identities.js";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import type { AcceptedEvent } from "../../src/events/event.js";
import { RetentionFloor } from "../../src/events/retention-floor.js";
import { RecipientKeys } from "../../src/events/event-key.js";
import { LANES } from "../../src/events/outbox.js";
import { type TenantId, uuidv7 } from "../../src/ids.js";
import { importFile, type ImportOptions } from "../../src/ingest/import/import-file.js";
import type { RefusalReason } from "../../src/ingest/import/file-record.js";
import type { ImportProgress, ImportSummary } from "../../src/ingest/import/import-progress.js";
import { readPayload } from "../../src/ingest/inbox-payload.js";
import { InboxWriter } from "../../src/ingest/inbox-writer.js";
import { Intake, type IntakeCall } from "../../src/ingest/intake.js";
import { createLogger } from "../../src/observability/logger.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { instantFromMillis } from "../../src/time/instant.js";
import { startPipeline } from "../support/pipeline.js";
import { createTestDatabases, type TestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";

const NOW = instantFromMillis(Date.UTC(2026, 10, 20, 12));
const MAX_EVENTS_PER_CALL = 100;

let databases: TestDatabases;
let events: Pool<"events">;
let inbox: InboxWriter;
let folder: string;
let intake: Intake;
let tenantId: TenantId;
/** Statements that failed, in the order in which they did. */
const failed: string[] = [];

beforeAll(async () => {
  databases = await createTestDatabases();
  folder = await mkdtemp(join(tmpdir(), "import-"));
  events = new Pool({
    database: "events",
    url: databases.eventsUrl,
    maxConnections: 6,
    waitTimeoutMs: 5_000,
    preparedStatements: true,
    log: createLogger("silent"),
    onStatement: (name, _seconds, hasFailed) => void (hasFailed && failed.push(name)),
  });
  inbox = new InboxWriter(events);
  intake = new Intake({
    campaigns: new CampaignIdentities(events, () => NOW),
    inbox,
    recipientKeys: new RecipientKeys(createSecretKey(Buffer.alloc(32, 7))),
    floor: new RetentionFloor(events),
    limits: {
      maxAddressChars: 320,
      maxMetadataBytes: 8192,
      maxUrlChars: 8192,
      maxTextChars: 1024,
      maxEventsPerCall: MAX_EVENTS_PER_CALL,
      maxFutureMinutes: 10,
      eventRetentionDays: null,
    },
    now: () => NOW,
  });
});

afterAll(async () => {
  await inbox?.stop();
  await events?.stop();
  await databases?.drop();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => {
  tenantId = uuidv7() as TenantId;
  failed.length = 0;
});

interface Imported {
  readonly summary: ImportSummary;
  /** By line, in the order of the file. */
  readonly refused: readonly (readonly [line: number, refusal: RefusalReason])[];
}

class Recorder implements ImportProgress {
  readonly refusals: [number, RefusalReason][] = [];
  readonly summaries: ImportSummary[] = [];
  onUpdate: ((accepted: number) => void) | null = null;

  update(state: { accepted: number }): void {
    this.onUpdate?.(state.accepted);
  }
  refused(line: number, refusal: RefusalReason): void {
    this.refusals.push([line, refusal]);
  }
  done(summary: ImportSummary): void {
    this.summaries.push(summary);
  }
}

async function importContent(
  name: string,
  content: string | Buffer,
  options: Partial<ImportOptions> & { progress?: Recorder } = {},
): Promise<Imported> {
  const path = join(folder, `${uuidv7()}-${name}`);
  await writeFile(path, content);
  const progress = options.progress ?? new Recorder();
  const summary = await importFile({ path, tenantId, intake, ...options, progress });
  expect(progress.summaries).toEqual([summary]);
  return { summary, refused: progress.refusals.toSorted(([a], [b]) => a - b) };
}

/** The intake, with something that happens before each call. */
function intakeAfter(happens: () => Promise<void>): Intake {
  return new Proxy(intake, {
    get(target, name) {
      if (name !== "accept") return Reflect.get(target, name, target) as unknown;
      return async (call: IntakeCall) => {
        await happens();
        return target.accept(call);
      };
    },
  });
}

const readInbox = defineStatement<
  "events",
  [TenantId],
  { lane: number; event_count: number; format: number; payload: string }
>(
  "events",
  "test.read_inbox",
  "select lane, event_count, format, payload::text as payload from inbox where tenant_id = $1 order by id",
);

/** What the tenant has in the inbox, in an order that does not depend on which call was faster. */
async function acceptedEvents(): Promise<AcceptedEvent[]> {
  const rows = await writeAsWorker(events, (session) => session.run(readInbox(tenantId)));
  const read = rows.map((row) => ({ ...row, events: readPayload(row.format, row.payload) }));
  expect(read.every((row) => row.lane === LANES.BULK && row.event_count === row.events.length)).toBe(true);
  return read.flatMap((row) => row.events).toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

async function acceptedRecipients(): Promise<string[]> {
  return (await acceptedEvents()).map((event) => event.address ?? "").toSorted();
}

function sent(recipient: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { type: "SENT", campaignExternalId: "spring", recipient, occurredAt: "2026-11-01T08:00:00Z", ...more };
}

const ndjson = (...lines: unknown[]) => lines.map((line) => JSON.stringify(line)).join("\n");

const HEADER = "type,campaignExternalId,recipient,occurredAt";
const row = (recipient: string) => `SENT,spring,${recipient},2026-11-01T08:00:00Z`;

function cellOf(value: unknown): string {
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asCsv(rows: readonly Record<string, unknown>[]): string {
  const columns = [...new Set(rows.flatMap((cells) => Object.keys(cells)))];
  return [columns.join(","), ...rows.map((cells) => columns.map((name) => cellOf(cells[name])).join(","))].join("\n");
}

function many(count: number): string {
  return ndjson(...Array.from({ length: count }, (_, index) => sent(`${index}@x`)));
}

const clearInbox = defineStatement<"events", [TenantId], never>(
  "events",
  "test.clear_inbox",
  "delete from inbox where tenant_id = $1",
);

async function asOwner(text: string): Promise<void> {
  const client = new Client({ connectionString: databases.eventsUrl });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

describe("the two formats", () => {
  const HISTORY = [
    sent("a@example.org"),
    sent("b@example.org", { eventId: "given-1", messageId: "m-1" }),
    sent("a@example.org", { type: "CLICKED", url: "https://example.org/?q=a,b", traffic: "MACHINE", country: "DE" }),
    sent("a@example.org", { type: "CONVERTED", amount: "12.50", currency: "eur", externalReference: "R\n2" }),
    sent("c@example.org", { type: "BOUNCED", statusCode: "5.1.1", diagnostic: 'user "c" unknown,\r\nsorry' }),
    sent("ü@example.org", { type: "REJECTED", reason: "suppressed", metadata: { list: ["x", 1], 'quo"te': null } }),
  ];

  test("the same history as CSV and as NDJSON is the same in the inbox", async () => {
    await importContent("history.ndjson", ndjson(...HISTORY));
    const fromNdjson = await acceptedEvents();
    await writeAsWorker(events, (session) => session.run(clearInbox(tenantId)));
    const { summary } = await importContent("history.csv", asCsv(HISTORY));
    expect(await acceptedEvents()).toEqual(fromNdjson);
    expect(fromNdjson).toHaveLength(HISTORY.length);
    expect(fromNdjson.find((event) => event.type === "BOUNCED")?.diagnostic).toBe('user "c" unknown,\r\nsorry');
    expect(fromNdjson.find((event) => event.type === "REJECTED")?.metadata).toEqual({ list: ["x", 1], 'quo"te': null });
    expect(summary).toEqual({ lines: 6, accepted: 6, refused: 0, durableThroughLine: 9, interrupted: false });
  });

  test.each(["csv", "ndjson"] as const)(
    "a packed %s file is unpacked on the fly, also from two members",
    async (format) => {
      const content = format === "csv" ? `${HEADER}\n${row("a@x")}\n${row("b@x")}\n` : ndjson(sent("a@x"), sent("b@x"));
      const cut = content.indexOf("b@x");
      const packed = Buffer.concat([gzipSync(content.slice(0, cut)), gzipSync(content.slice(cut))]);
      await importContent(`history.${format}.gz`, packed);
      expect(await acceptedRecipients()).toEqual(["a@x", "b@x"]);
    },
  );

  test("a packed file that was cut off is reported, and what came before the cut is in", async () => {
    const content = ndjson(...Array.from({ length: 5_000 }, (_, index) => sent(`${uuidv7()}-${index}@x`)));
    const packed = gzipSync(content);
    const cut = importContent("history.ndjson.gz", packed.subarray(0, Math.floor(packed.length * 0.9)));
    await expect(cut).rejects.toThrow(/unexpected end of file.*every line through \d+ is durable/s);
    expect((await acceptedEvents()).length).toBeGreaterThan(3_000);
  });

  test.each(["csv", "ndjson"] as const)("a byte order mark and CRLF change nothing in %s", async (format) => {
    const lines =
      format === "csv" ? [HEADER, row("a@x"), "", row("b@x")] : [ndjson(sent("a@x")), "", ndjson(sent("b@x"))];
    const { summary } = await importContent(`history.${format}`, `\uFEFF${lines.join("\r\n")}\r\n`);
    expect(await acceptedRecipients()).toEqual(["a@x", "b@x"]);
    expect(summary).toMatchObject({ lines: 2, durableThroughLine: lines.length });
  });

  test.each(["csv", "ndjson"] as const)("the manual's own %s example is accepted to the last line", async (format) => {
    const manual = await readFile(new URL("../../docs/import.md", import.meta.url), "utf8");
    const example = new RegExp("```" + (format === "csv" ? "csv" : "json") + "\n(.*?)```", "s").exec(manual)?.[1] ?? "";
    const { summary, refused } = await importContent(`example.${format}`, example);
    expect(refused).toEqual([]);
    expect(summary.accepted).toBe(format === "csv" ? 3 : 2);
  });

  test("a format that neither the name nor the caller says is asked for, before anything is read", async () => {
    await expect(importContent("history.txt", "")).rejects.toMatchObject({ code: "BAD_INPUT" });
    await expect(importContent("history.txt", ndjson(sent("a@x")), { format: "ndjson" })).resolves.toBeDefined();
    await expect(
      importFile({ path: join(folder, "none.csv"), tenantId, intake, progress: new Recorder() }),
    ).rejects.toThrow(/Cannot read .*none\.csv/);
  });

  test("a line that the chunks of a big file cut in two comes through whole", async () => {
    const recipients = Array.from({ length: 4_000 }, (_, index) => `${"é".repeat(index % 60)}${index}@x`);
    const { summary } = await importContent("big.csv", [HEADER, ...recipients.map((each) => row(each))].join("\n"));
    expect(summary).toMatchObject({ accepted: 4_000, refused: 0, durableThroughLine: 4_001 });
    expect(await acceptedRecipients()).toEqual(recipients.toSorted());
  });
});

describe("what is refused", () => {
  test("lines of NDJSON that cannot be read are refused by number, and the rest goes in", async () => {
    const content = [
      ndjson(sent("a@x")),
      "{not json",
      "",
      "[]",
      ndjson(sent("b@x", { colour: "red" })),
      `{"__proto__":{},${ndjson(sent("p@x")).slice(1)}`,
      ndjson(sent("c@x", { amount: 5 })),
      ndjson(sent("d@x")),
      "null",
    ].join("\n");
    const { summary, refused } = await importContent("history.ndjson", content);
    expect(refused.map(([line, { code, field }]) => [line, code, field])).toEqual([
      [2, "INVALID", null],
      [4, "INVALID", null],
      [5, "INVALID", "colour"],
      [6, "INVALID", "__proto__"],
      [7, "INVALID", "amount"],
      [9, "INVALID", null],
    ]);
    expect(refused[2]?.[1].message).toContain('"colour"');
    expect(await acceptedRecipients()).toEqual(["a@x", "d@x"]);
    expect(summary).toMatchObject({ lines: 8, accepted: 2, refused: 6 });
  });

  test("rows of CSV that cannot be read are refused by the number of their first line, and the rest goes in", async () => {
    const content = [
      `${HEADER},metadata`,
      `${row("a@x")},`,
      `${row("short@x")}`,
      `${row("long@x")},,`,
      `${row('"b"@x')},`, // a quote inside a cell that stands in none
      `${row('"b" @x')},`,
      `${row("c@x")},"{""text"":""two\nlines""}"`, // 7 and 8: a line break is no JSON
      `${row("d@x")},"{""text"":\n""x""}"`, // 9 and 10
      `${row("e@x")},{broken`,
      `${row("f@x")},"[1]"`,
      `"SENT","spring","g@x","2026-11-01T08:00:00Z","a\nb","one too many"`, // 13 and 14
      `${row("h@x")},`,
    ].join("\n");
    const { refused } = await importContent("history.csv", content);
    expect(refused.map(([line, { field }]) => [line, field])).toEqual([
      [3, null],
      [4, null],
      [5, null],
      [6, null],
      [7, "metadata"],
      [11, "metadata"],
      [12, "metadata"],
      [13, null],
    ]);
    expect(await acceptedRecipients()).toEqual(["a@x", "d@x", "h@x"]);
  });

  test("a quote that is never closed costs its own row and no other", async () => {
    const rows = [HEADER, row("a@x"), row('"b@x'), row("c@x"), `SENT,spring,"d@x",2026-11-01T08:00:00Z`, row("e@x")];
    const { refused } = await importContent("history.csv", rows.join("\n"));
    expect(refused.map(([line]) => line)).toEqual([3]);
    expect(await acceptedRecipients()).toEqual(["a@x", "c@x", "d@x", "e@x"]);
  });

  test("text inside a well-formed cell is never taken for a row, even where the row itself is refused", async () => {
    const hidden = `x\n${row("hidden@x")}\ny`;
    const rows = [HEADER, `${row("a@x")},"${hidden}"`, row("b@x")];
    const { refused } = await importContent("history.csv", rows.join("\n"));
    expect(refused.map(([line]) => line)).toEqual([2]);
    expect(await acceptedRecipients()).toEqual(["b@x"]);
  });

  test.each(["csv", "ndjson"] as const)(
    "a %s line of megabytes is refused by number, and the next ones go in",
    async (format) => {
      const long = `${"x".repeat(3_000_000)}@x`;
      const lines =
        format === "csv"
          ? [HEADER, row("a@x"), row(long), row("b@x")]
          : ["", ndjson(sent("a@x")), ndjson(sent(long)), ndjson(sent("b@x"))];
      const { refused } = await importContent(`history.${format}`, lines.join("\n"));
      expect(refused.map(([line, { code }]) => [line, code])).toEqual([[3, "TOO_LARGE"]]);
      expect(await acceptedRecipients()).toEqual(["a@x", "b@x"]);
    },
  );

  test("a file that is one endless line is refused without being held in memory", async () => {
    const member = gzipSync(Buffer.alloc(8_000_000, "x"));
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const progress = new Recorder();
    progress.onUpdate = () => (most = Math.max(most, process.memoryUsage().arrayBuffers - before));
    const { refused } = await importContent("endless.ndjson.gz", Buffer.concat(Array(40).fill(member)), { progress });
    expect(refused.map(([line, { code }]) => [line, code])).toEqual([[1, "TOO_LARGE"]]);
    // Of 320 million bytes; what the collector has not come to yet is among it.
    expect(most).toBeLessThan(160_000_000);
  });

  test("a quote that opens megabytes of rows is given up, and the rows after it go in", async () => {
    const rows = Array.from({ length: 8_000 }, (_, index) => row(`${"x".repeat(200)}${index}@x`));
    const { summary, refused } = await importContent("history.csv", [HEADER, row('"open@x'), ...rows].join("\n"));
    expect(refused.map(([line]) => line)).toEqual([2]);
    expect(summary.accepted).toBe(8_000);
  });

  test("a line that is not UTF-8 is refused by number and changes no other", async () => {
    const content = Buffer.concat([
      Buffer.from(`${ndjson(sent("a@x"))}\n`),
      Buffer.from(`${ndjson(sent("é@x"))}\n`, "latin1"),
      Buffer.from(`${ndjson(sent("é@x"))}\n`),
    ]);
    const { refused } = await importContent("history.ndjson", content);
    expect(refused.map(([line, { message }]) => [line, message])).toEqual([[2, "The line is not UTF-8."]]);
    expect(await acceptedRecipients()).toEqual(["a@x", "é@x"]);
  });

  test("what intake refuses is named by its line in the file, however many calls are in flight", async () => {
    const bad = new Set([1, 99, 100, 101, 250, 1_999, 2_000]);
    const lines = Array.from({ length: 2_000 }, (_, index) =>
      sent(`${index + 1}@x`, bad.has(index + 1) ? { occurredAt: `not a time ${index + 1}` } : {}),
    );
    const { refused, summary } = await importContent("history.ndjson", ndjson(...lines));
    expect(refused.map(([line, { field }]) => [line, field])).toEqual([...bad].map((line) => [line, "occurredAt"]));
    expect(summary).toMatchObject({ accepted: 2_000 - bad.size, refused: bad.size });
  });

  test.each([
    ["an unknown column", `${HEADER},colour`, /unknown: "colour"/],
    [
      "a column in other letters",
      HEADER.replace("recipient", "Recipient"),
      /unknown: "Recipient".*missing: recipient/s,
    ],
    ["no type", HEADER.replace("type,", ""), /missing: type/],
    ["no campaign", HEADER.replace("campaignExternalId", "campaignId2"), /missing: campaignId or campaignExternalId/],
    ["a column twice", `${HEADER},type`, /more than once: type/],
    ["a header that is no CSV", `"type"x,recipient`, /header cannot be read/],
    ["nothing at all", "", /has a header/],
  ])("a CSV file with %s is refused as a whole, and nothing of it is recorded", async (_what, header, message) => {
    const content = header === "" ? "" : `${header}\n${row("a@x")}\n`;
    const attempt = importContent("history.csv", content);
    await expect(attempt).rejects.toMatchObject({ code: "BAD_INPUT", message: expect.stringMatching(message) });
    expect(await acceptedEvents()).toEqual([]);
  });
});

describe("again and again", () => {
  test("a file that is imported twice brings the ids that are known already", async () => {
    await importContent("history.ndjson", many(150));
    const once = (await acceptedEvents()).map((event) => event.key);
    await importContent("history.ndjson", many(150));
    const twice = (await acceptedEvents()).map((event) => event.key);
    expect(new Set(once).size).toBe(150);
    expect(new Set(twice)).toEqual(new Set(once));
  });

  test("identical lines are one event, and lines told apart by eventId are two", async () => {
    const lines = [sent("a@x"), sent("a@x"), sent("a@x", { eventId: "1" }), sent("a@x", { eventId: "2" })];
    await importContent("history.ndjson", ndjson(...lines));
    expect(new Set((await acceptedEvents()).map((event) => event.key)).size).toBe(3);
  });

  test("an interrupted import says how far it came, and the next one completes it", async () => {
    const content = many(20_000);
    const interruption = new AbortController();
    const progress = new Recorder();
    progress.onUpdate = (accepted) => accepted >= 500 && interruption.abort();
    const { summary } = await importContent("history.ndjson", content, { progress, signal: interruption.signal });
    const stored = await acceptedEvents();
    expect(summary.interrupted).toBe(true);
    expect(summary.accepted).toBe(stored.length);
    expect(summary.accepted).toBeLessThan(20_000);
    expect(summary.durableThroughLine).toBeGreaterThan(0);
    const addresses = new Set(stored.map((event) => event.address));
    for (let line = 1; line <= summary.durableThroughLine; line++) expect(addresses.has(`${line - 1}@x`)).toBe(true);

    const rest = await importContent("history.ndjson", content);
    expect(rest.summary).toMatchObject({ accepted: 20_000, interrupted: false, durableThroughLine: 20_000 });
    expect(new Set((await acceptedEvents()).map((event) => event.key)).size).toBe(20_000);
  });
});

describe("a database that is away", () => {
  test("is waited for, and what was sent meanwhile is stored once", async () => {
    const progress = new Recorder();
    let isAway = false;
    const away = intakeAfter(async () => {
      if (isAway) return;
      isAway = true;
      await asOwner("alter table inbox rename to inbox_away");
    });
    const importing = importContent("history.ndjson", many(300), { progress, intake: away, retryForMs: 20_000 });
    try {
      await waitFor(() => failed.includes("inbox.append"), { what: "a call that could not be stored" });
    } finally {
      await asOwner("alter table inbox_away rename to inbox");
    }
    const { summary } = await importing;
    expect(summary).toMatchObject({ accepted: 300, refused: 0, durableThroughLine: 300 });
    expect(await acceptedEvents()).toHaveLength(300);
  });

  test("is waited for as well where it is away before the campaigns are known", async () => {
    await asOwner("alter table campaign_identities rename to campaign_identities_away");
    const importing = importContent("history.ndjson", many(300), { retryForMs: 20_000 });
    try {
      await waitFor(() => failed.includes("campaigns.find_by_external_ids"), { what: "a look-up that failed" });
    } finally {
      await asOwner("alter table campaign_identities_away rename to campaign_identities");
    }
    await expect(importing).resolves.toMatchObject({ summary: { accepted: 300, refused: 0 } });
  });

  test("for too long ends the import with the last line that is durable", async () => {
    let calls = 0;
    const away = intakeAfter(async () => {
      if (++calls === 3) await asOwner("alter table inbox rename to inbox_away");
    });
    const progress = new Recorder();
    const importing = importContent("history.ndjson", many(1_000), {
      progress,
      intake: away,
      maxCallsInFlight: 1,
      retryForMs: 1,
    });
    try {
      await expect(importing).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining("every line through 200 is durable"),
      });
    } finally {
      await asOwner("alter table inbox_away rename to inbox");
    }
    expect(progress.summaries).toMatchObject([{ accepted: 200, durableThroughLine: 200 }]);
    expect(await acceptedEvents()).toHaveLength(200);
  });
});

const countTotals = defineStatement<"metrics", [TenantId], { sent: number; unique_sent: number }>(
  "metrics",
  "test.count_totals",
  "select sent, unique_sent from campaign_totals where tenant_id = $1",
);

test("a history that is interrupted and imported twice more counts once, to the rollups", async () => {
  const pipeline = await startPipeline();
  try {
    const tenant = await pipeline.createTenant();
    const to = { tenantId: tenant, intake: pipeline.intake };
    const interruption = new AbortController();
    const progress = new Recorder();
    progress.onUpdate = (accepted) => accepted > 0 && interruption.abort();
    const first = await importContent("history.ndjson", many(9_000), { ...to, progress, signal: interruption.signal });
    expect(first.summary.interrupted).toBe(true);
    const rows = Array.from({ length: 9_000 }, (_, index) => row(`${index}@x`));
    for (let again = 0; again < 2; again++) await importContent("history.csv", [HEADER, ...rows].join("\n"), to);
    await pipeline.settled();
    const totals = await writeAsWorker(pipeline.metrics, (session) => session.run(countTotals(tenant)));
    expect(totals).toEqual([{ sent: 9_000, unique_sent: 9_000 }]);
  } finally {
    await pipeline.stop();
  }
});
