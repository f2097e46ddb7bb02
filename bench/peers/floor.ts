/**
 * The floor of `reads`: the program's statements through pg alone, and the same answer put together by hand. No GraphQL, no
 * framework, no check of a key: the tenant is believed as the header names it.
 *
 * FLOOR_PLANS is a file with a plan (see floor-plan.ts) for each tenant. FLOOR_SHAPE=rows answers the rows as they come,
 * untouched: less than anybody could do with them, and a third of the bytes.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { Pool, type PoolClient, TypeOverrides, types } from "pg";
import type { FloorPlan, FloorStatement } from "../floor-plan.ts";

const plans = JSON.parse(readFileSync(process.env["FLOOR_PLANS"] ?? "", "utf8")) as Record<string, FloorPlan>;
const answersRows = process.env["FLOOR_SHAPE"] === "rows";

// A time stays the text that it comes as: "2026-11-20 12:00:00+00" under the transaction's UTC.
const parsers = new TypeOverrides();
parsers.setTypeParser(types.builtins.TIMESTAMPTZ, (text: string) => text);
const pool = new Pool({
  connectionString: process.env["METRICS_DATABASE_URL"],
  max: Number(process.env["POOL_SIZE"]),
  idleTimeoutMillis: 0,
  types: parsers,
});

interface CampaignRow {
  readonly id: string;
  readonly name: string;
  readonly sentAt: string | null;
}
interface TotalRow {
  readonly campaign_id: string;
  readonly measures: string;
}
interface CellsRow {
  readonly campaign_id: string;
  readonly source: string;
  readonly cells: string;
}

async function run<Row extends object>(
  client: PoolClient,
  { name, text, values, idsAt }: FloorStatement,
  ids: readonly string[] = [],
): Promise<Row[]> {
  const bound = idsAt === null ? [...values] : values.with(idsAt, ids);
  return (await client.query<Row>({ name, text, values: bound })).rows;
}

async function answer(plan: FloorPlan): Promise<string> {
  const client = await pool.connect();
  let isBroken = true;
  try {
    await client.query(plan.preamble);
    // One row more than the page, by which the program tells whether there is a next one.
    const found = (await run<CampaignRow>(client, plan.campaigns)).slice(0, 20);
    const ids = found.map(({ id }) => id);
    const totals = await run<TotalRow>(client, plan.totals, ids);
    const cells = await run<CellsRow>(client, plan.buckets, ids);
    await client.query("commit");
    isBroken = false;
    return JSON.stringify(answersRows ? { found, totals, cells } : shaped(plan, found, totals, cells));
  } finally {
    client.release(isBroken);
  }
}

function shaped(
  plan: FloorPlan,
  found: readonly CampaignRow[],
  totals: readonly TotalRow[],
  cells: readonly CellsRow[],
) {
  const at = (measure: string) => plan.totalMeasures.indexOf(measure);
  const [sent, delivered] = [at("unique_sent"), at("unique_delivered")];
  const [opened, uniqueOpened] = [at("opened"), at("unique_opened")];
  const [clicked, uniqueClicked] = [at("clicked"), at("unique_clicked")];
  // The slot stands before the measures.
  const inDay = (measure: string) => plan.bucketMeasures.indexOf(measure) + 1;
  const [dayDelivered, dayOpened, dayClicked] = [
    inDay("unique_delivered"),
    inDay("unique_opened"),
    inDay("unique_clicked"),
  ];
  const totalsOf = new Map(totals.map((row) => [row.campaign_id, row.measures.split(",")]));
  const daysOf = new Map<string, string[][]>();
  for (const row of cells) {
    if (row.source !== "days") continue;
    const days: string[][] = [];
    for (const cell of row.cells.split(";")) {
      const values = cell.split(",");
      const point = plan.pointOfSlot[Number(values[0]) - 1];
      if (point !== null && point !== undefined) days[point] = values;
    }
    daysOf.set(row.campaign_id, days);
  }
  const nodes = found.map(({ id, name, sentAt }) => {
    const total = totalsOf.get(id);
    const count = (position: number) => Number(total?.[position] ?? 0);
    const reached = count(delivered);
    const rate = (part: number) => ({ value: reached > 0 ? part / reached : null });
    const days = daysOf.get(id);
    return {
      id: Buffer.from(`Campaign:${id}`).toString("base64url"),
      name,
      sentAt: sentAt === null ? null : isoOf(sentAt),
      metrics: {
        sent: { unique: count(sent) },
        delivered: { unique: reached },
        opened: { total: count(opened), unique: count(uniqueOpened) },
        clicked: { total: count(clicked), unique: count(uniqueClicked) },
        openRate: rate(count(uniqueOpened)),
        clickRate: rate(count(uniqueClicked)),
      },
      series: plan.starts.map((start, point) => {
        const day = days?.[point];
        const of = (position: number) => ({ unique: Number(day?.[position] ?? 0) });
        return { start, metrics: { delivered: of(dayDelivered), opened: of(dayOpened), clicked: of(dayClicked) } };
      }),
    };
  });
  return { data: { campaigns: { nodes } } };
}

/** "2026-11-20 12:00:00.5+00" as "2026-11-20T12:00:00.500Z". */
function isoOf(text: string): string {
  const [seconds = "", fraction = ""] = text.slice(0, -3).split(".");
  return `${seconds.replace(" ", "T")}.${fraction.padEnd(3, "0")}Z`;
}

const server = createServer((request, response) => {
  void (async () => {
    await readText(request);
    const plan = plans[String(request.headers["x-tenant-id"])];
    if (plan === undefined) {
      response.writeHead(404).end();
      return;
    }
    const body = await answer(plan);
    response
      .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
      .end(body);
  })().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    response.writeHead(500).end();
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
process.once("SIGTERM", () => process.exit(0));
