/**
 * What is true at the end, read from the tables themselves. After Jepsen's set and total-queue checkers: every acknowledged
 * event is found (else lost), none twice (else duplicated), none that nobody sent (else unexpected), and what was counted
 * without having been acknowledged is reported: its caller got no answer and is free to send it again.
 */
import { uuidOfGlobalId } from "../../src/ids.js";
import { verifyRollups } from "../../src/rollups/verify/verify.js";
import { waitFor } from "../support/wait-for.js";
import { bruteRecount, compareTallies, add, type LogRow, millionths, type Tallies } from "./brute-recount.js";
import type { Ledger } from "./ledger.js";
import type { LoadedTenant, Rig } from "./rig.js";

export interface Verdict {
  readonly acknowledged: number;
  readonly recorded: number;
  /** Recorded, though no call with it was ever acknowledged. */
  readonly unacknowledged: number;
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  readonly unexpected: readonly string[];
  /** Of verify, the recount by hand, the receipts and the answers over HTTP. */
  readonly differences: readonly string[];
}

const TYPES = "sent delivered deferred bounced opened clicked complained unsubscribed converted rejected".split(" ");

export async function check(rig: Rig, tenant: LoadedTenant, ledger: Ledger): Promise<Verdict> {
  const rows = await readLog(rig, tenant);
  const byMessage = Map.groupBy(rows, (row) => row.message_id);
  const lost = [...ledger.acknowledged.keys()].filter((id) => !byMessage.has(id));
  const twice = [...byMessage].filter(([, found]) => found.length > 1).map(([id]) => id);
  const unexpected = rows.filter((row) => !isAsSent(row, ledger)).map((row) => row.message_id);
  const unacknowledged = [...byMessage.keys()].filter((id) => !ledger.acknowledged.has(id)).length;
  const differences = [
    ...(await differencesOfVerify(rig, tenant)),
    ...compareTallies(bruteRecount(rows, tenant.timeZone), await readRollups(rig, tenant)),
    ...(await faultsOfReceipts(rig, tenant, ledger, rows.length)),
    ...(await faultsOfLedgerTables(rig, tenant, rows.length)),
    ...(await faultsOfAnswers(rig, tenant, rows)),
  ];
  const { size: acknowledged } = ledger.acknowledged;
  return { acknowledged, recorded: rows.length, unacknowledged, lost, twice, unexpected, differences };
}

function isAsSent(row: LogRow, ledger: Ledger): boolean {
  const sent = ledger.sent.get(row.message_id);
  return (
    sent !== undefined &&
    sent.type === row.type &&
    Date.parse(sent.occurredAt) === row.at &&
    (sent.eventId === undefined || sent.eventId === row.event_id) &&
    (sent.amount === undefined ? null : millionths(sent.amount ?? "0")) ===
      (row.amount === null ? null : millionths(row.amount))
  );
}

async function readLog(rig: Rig, tenant: LoadedTenant): Promise<LogRow[]> {
  const branches = TYPES.map((type) => {
    const traffic = type === "opened" || type === "clicked" ? "traffic::text" : "null";
    const bounceClass = type === "bounced" ? "bounce_class::text" : "null";
    const money = type === "converted" ? "amount::text, currency" : "null, null";
    return `select '${type.toUpperCase()}' as type, campaign_id, recipient_key, message_id, event_id,
      (extract(epoch from occurred_at) * 1000)::float8 as at, ${traffic} as traffic, ${bounceClass} as bounce_class,
      ${money} from ${type} where tenant_id = $1`;
  });
  const columns = "type, campaign_id, recipient_key, message_id, event_id, at, traffic, bounce_class, amount, currency";
  return rig.events.ask<LogRow & Record<string, unknown>>(
    `select * from (${branches.join(" union all ")}) as event (${columns})`,
    [tenant.id],
  );
}

const ROLLUPS = [
  { table: "campaign_totals", revenue: "campaign_total_revenue", place: "campaign_id || ' | total'" },
  {
    table: "campaign_quarter_hours",
    revenue: "campaign_quarter_hour_revenue",
    place: placeOf("campaign_id", "quarter"),
  },
  { table: "campaign_days", revenue: "campaign_day_revenue", place: placeOf("campaign_id", "day") },
  { table: "tenant_quarter_hours", revenue: "tenant_quarter_hour_revenue", place: placeOf("'*'", "quarter") },
  { table: "tenant_days", revenue: "tenant_day_revenue", place: placeOf("'*'", "day") },
];

function placeOf(owner: string, bucket: "quarter" | "day"): string {
  const time =
    bucket === "day" ? "day::text" : `to_char(bucket_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"')`;
  return `${owner} || ' | ' || basis || ' | ' || ${time}`;
}

const NOT_MEASURES = new Set(["tenant_id", "campaign_id", "basis", "bucket_start", "time_zone", "day", "place"]);

async function readRollups(rig: Rig, tenant: LoadedTenant): Promise<Tallies> {
  const found: Tallies = new Map();
  for (const { table, revenue, place } of ROLLUPS) {
    const counts = await rig.metrics.ask<Record<string, string> & { place: string }>(
      `select *, ${place} as place from ${table} where tenant_id = $1`,
      [tenant.id],
    );
    for (const row of counts) {
      for (const [name, value] of Object.entries(row)) {
        if (!NOT_MEASURES.has(name)) add(found, row.place, name, BigInt(value));
      }
    }
    const sums = await rig.metrics.ask<{ place: string; currency: string; amount: string }>(
      `select ${place} as place, currency, amount::text from ${revenue} where tenant_id = $1`,
      [tenant.id],
    );
    for (const row of sums) add(found, row.place, `revenue ${row.currency}`, millionths(row.amount));
  }
  return found;
}

async function differencesOfVerify(rig: Rig, tenant: LoadedTenant): Promise<string[]> {
  const pools = rig.openPools();
  try {
    const differences: string[] = [];
    for await (const difference of verifyRollups(pools, { tenantId: tenant.id })) {
      differences.push(`verify: ${JSON.stringify(difference)}`);
    }
    return differences;
  } finally {
    await pools.stop();
  }
}

/** Every acknowledged call was applied whole, and all receipts together recorded what the log holds. */
async function faultsOfReceipts(rig: Rig, tenant: LoadedTenant, ledger: Ledger, recorded: number): Promise<string[]> {
  const rows = await rig.events.ask<{ id: string; status: string; recorded: number; duplicates: number }>(
    `select id, status, recorded_count::int as recorded, duplicate_count::int as duplicates
     from receipts where tenant_id = $1`,
    [tenant.id],
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const faults = [...ledger.receipts].flatMap(([globalId, accepted]) => {
    const row = byId.get(uuidOfGlobalId("IngestReceipt", globalId) ?? "");
    if (row === undefined) return [`receipt ${globalId} is gone`];
    const isRight = row.status === "APPLIED" && row.recorded + row.duplicates === accepted;
    return isRight ? [] : [`receipt ${globalId} of ${accepted} events says ${JSON.stringify(row)}`];
  });
  const sum = rows.reduce((total, row) => total + row.recorded, 0);
  return sum === recorded ? faults : [...faults, `receipts recorded ${sum} events, the log holds ${recorded}`];
}

/** The ledger of ids holds what the log holds, and nothing went to the dead letters. */
async function faultsOfLedgerTables(rig: Rig, tenant: LoadedTenant, recorded: number): Promise<string[]> {
  const [row] = await rig.events.ask<{ ids: number; dead: number }>(
    `select (select count(*) from event_ids where tenant_id = $1)::int as ids,
       (select count(*) from dead_letters where tenant_id = $1)::int as dead`,
    [tenant.id],
  );
  return [
    ...(row?.ids === recorded ? [] : [`event_ids holds ${row?.ids} ids, the log ${recorded} events`]),
    ...(row?.dead === 0 ? [] : [`${row?.dead} events went to the dead letters`]),
  ];
}

const READ = `{ kpis(range: { from: "2026-01-01T00:00:00Z", to: "2028-01-01T00:00:00Z" }) {
  metrics { sent { total } opened { total } clicked { total } } freshness { pendingEvents } } }`;

/** Every server says the same as the log, at most a second later. */
async function faultsOfAnswers(rig: Rig, tenant: LoadedTenant, rows: readonly LogRow[]): Promise<string[]> {
  const totalOf = (type: string) => rows.filter((row) => row.type === type).length;
  const expected = JSON.stringify([totalOf("SENT"), totalOf("OPENED"), totalOf("CLICKED"), 0]);
  const faults = rig.servers.map(async (server) => {
    let said = "";
    try {
      await waitFor(async () => (said = await answerOf(server.url, tenant.key)) === expected, {
        what: "the answer to be right",
        deadlineMs: 10_000,
      });
      return [];
    } catch {
      return [`${server.name} answers ${said}, the log says ${expected}`];
    }
  });
  return (await Promise.all(faults)).flat();
}

async function answerOf(url: string, key: string): Promise<string> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query: READ }),
    signal: AbortSignal.timeout(5_000),
  });
  const text = await response.text();
  const { data } = JSON.parse(text) as {
    data?: { kpis?: { metrics: Record<string, { total: number }>; freshness: { pendingEvents: number } } };
  };
  const kpis = data?.kpis;
  if (kpis === undefined) return text;
  const { sent, opened, clicked } = kpis.metrics;
  return JSON.stringify([sent?.total, opened?.total, clicked?.total, kpis.freshness.pendingEvents]);
}
