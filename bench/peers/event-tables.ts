/**
 * Puts events into the event log's own tables and nothing else, for so many seconds over two connections: of each batch
 * the new ids into the ledger, the events of these into the table of their type, all by
 * `unnest … on conflict do nothing returning`. Prints how many there were, how long it took and its own processor time.
 */
import { createHash, randomUUID } from "node:crypto";
import { Client } from "pg";

const BATCH_EVENTS = 5_000;
const CONNECTIONS = 2;
const CAMPAIGNS = Array.from({ length: 20 }, () => randomUUID());
const TENANT = randomUUID();
/** Of ten events: the mixture of the other load. */
const MIXTURE = [
  "sent",
  "sent",
  "sent",
  "sent",
  "delivered",
  "delivered",
  "delivered",
  "delivered",
  "opened",
  "clicked",
];
/** Columns beside the common ones, with one value each. */
const DETAILS: Readonly<Record<string, readonly (readonly [column: string, type: string, value: string])[]>> = {
  sent: [],
  delivered: [["mailbox_provider", "text", "gmail"]],
  opened: [
    ["traffic", "traffic_verdict", "UNKNOWN"],
    ["client", "text", "Apple Mail"],
    ["device", "text", "mobile"],
    ["country", "text", "DE"],
  ],
  clicked: [
    ["url", "text", "https://example.org/campaigns/3/links/5"],
    ["traffic", "traffic_verdict", "UNKNOWN"],
    ["client", "text", "Apple Mail"],
    ["device", "text", "mobile"],
    ["country", "text", "DE"],
  ],
};

const REMEMBER = {
  name: "remember",
  text: `insert into event_ids (tenant_id, id, occurred_at)
    select $1, id, $3 from unnest($2::uuid[]) as event (id) order by id
    on conflict do nothing returning id`,
};

const COMMON = ["event_id text", "campaign_id uuid", "recipient_key uuid", "message_id text"];

function appendTo(table: string): { name: string; text: string } {
  const columns = ["id uuid", ...COMMON, ...(DETAILS[table] ?? []).map(([column, type]) => `${column} ${type}`)];
  const names = columns.map((column) => column.split(" ")[0]).join(", ");
  const lists = columns.map((column, at) => `$${at + 4}::${column.split(" ")[1]}[]`).join(", ");
  return {
    name: table,
    text: `insert into ${table} (tenant_id, occurred_at, received_at, receipt_id, ${names})
      select $1, $2, $2, $3, ${names} from unnest(${lists}) as event (${names})
      on conflict do nothing returning id`,
  };
}
const appends = new Map(Object.keys(DETAILS).map((table) => [table, appendTo(table)]));

function uuidOf(text: string): string {
  const hex = createHash("md5").update(text).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

let made = 0;

async function insertBatch(client: Client): Promise<void> {
  const first = made;
  made += BATCH_EVENTS;
  const now = new Date().toISOString();
  const receipt = randomUUID();
  const ids = Array.from({ length: BATCH_EVENTS }, (_, at) => uuidOf(`${TENANT}-${first + at}`));
  await client.query("begin; set local role mailtally_worker; set local timezone = 'UTC'");
  const { rows } = await client.query<{ id: string }>({ ...REMEMBER, values: [TENANT, ids, now] });
  const fresh = new Set(rows.map((row) => row.id));
  const columnsOf = new Map<string, string[][]>();
  for (const [at, id] of ids.entries()) {
    if (!fresh.has(id)) continue;
    const place = first + at;
    const table = MIXTURE[place % MIXTURE.length] ?? "sent";
    const details = DETAILS[table] ?? [];
    let columns = columnsOf.get(table);
    if (columns === undefined) columnsOf.set(table, (columns = Array.from({ length: 5 + details.length }, () => [])));
    const message = Math.floor(place / 2.5);
    const row = [
      id,
      `stream-${place}`,
      CAMPAIGNS[message % 20] ?? "",
      uuidOf(`reader-${Math.floor(message / 20)}`),
      `message-${message}`,
    ];
    for (const [column, value] of [...row, ...details.map((detail) => detail[2])].entries())
      columns[column]?.push(value);
  }
  for (const [table, statement] of appends) {
    const columns = columnsOf.get(table);
    if (columns !== undefined) await client.query({ ...statement, values: [TENANT, now, receipt, ...columns] });
  }
  await client.query("commit");
}

const admin = new Client({ connectionString: process.env["DATABASE_URL"] ?? "" });
await admin.connect();
await admin.query("set role mailtally_worker");
await admin.query("select ensure_event_partitions(now())");
await admin.end();

const limitMs = Number(process.env["SECONDS"]) * 1000;
const started = performance.now();
await Promise.all(
  Array.from({ length: CONNECTIONS }, async () => {
    const client = new Client({ connectionString: process.env["DATABASE_URL"] ?? "" });
    await client.connect();
    while (performance.now() < started + limitMs) await insertBatch(client);
    await client.end();
  }),
);
const { user, system } = process.cpuUsage();
const seconds = (performance.now() - started) / 1000;
process.stdout.write(`${JSON.stringify({ events: made, seconds, cpuSeconds: (user + system) / 1e6 })}\n`);
