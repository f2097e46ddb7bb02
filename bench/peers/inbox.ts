/**
 * A bare Fastify route that parses a list of events and makes it durable in an inbox of the same shape, grouped like the
 * program's: while one insert is in flight the next calls gather. Nobody is asked who they are and nothing is judged.
 */
import { randomUUID } from "node:crypto";
import fastify from "fastify";
import { Pool } from "pg";

interface Call {
  readonly receiptId: string;
  readonly count: number;
  readonly payload: string;
  readonly settle: (error?: unknown) => void;
}

const TENANT = "018f0000-0000-7000-8000-000000000001";
const MAX_CALLS_PER_INSERT = 500;
const INSERT = {
  name: "append",
  text: `insert into inbox (tenant_id, lane, receipt_id, format, event_count, received_at, payload)
    select $1, 0, receipt_id, 1, event_count, now(), payload
    from unnest($2::uuid[], $3::integer[], $4::json[]) as entry (receipt_id, event_count, payload)`,
};

const pool = new Pool({ connectionString: process.env["DATABASE_URL"] ?? "", max: 2 });
await pool.query(`create table inbox (
    id bigint generated always as identity,
    tenant_id uuid not null,
    lane smallint not null,
    receipt_id uuid not null,
    format smallint not null,
    event_count integer not null,
    payload json not null,
    received_at timestamptz not null,
    constraint inbox_pkey primary key (lane, tenant_id, id)
  )`);
await pool.query("create index inbox_receipt_idx on inbox (tenant_id, receipt_id)");

let gathered: Call[] = [];
let isInserting = false;

async function insertAll(): Promise<void> {
  isInserting = true;
  while (gathered.length > 0) {
    const calls = gathered.splice(0, MAX_CALLS_PER_INSERT);
    const values = [
      TENANT,
      calls.map((call) => call.receiptId),
      calls.map((call) => call.count),
      calls.map((call) => call.payload),
    ];
    try {
      await pool.query({ ...INSERT, values });
      for (const call of calls) call.settle();
    } catch (error) {
      for (const call of calls) call.settle(error);
    }
  }
  isInserting = false;
}

const app = fastify({ bodyLimit: 5_000_000 });
app.post<{ Body: { events: readonly unknown[] } }>("/events", (request, reply) => {
  const { events } = request.body;
  const receiptId = randomUUID();
  const settle = (error?: unknown): void => {
    void reply.send(error ?? { receiptId, acceptedCount: events.length, refused: [] });
  };
  gathered.push({ receiptId, count: events.length, payload: JSON.stringify(events), settle });
  if (!isInserting) void insertAll();
});
await app.listen({ port: 0, host: "127.0.0.1" });
const address = app.server.address();
process.stdout.write(`listening on ${typeof address === "object" ? address?.port : ""}\n`);
process.once("SIGTERM", () => void app.close().then(() => pool.end()));
