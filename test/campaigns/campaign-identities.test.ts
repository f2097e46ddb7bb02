import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { CampaignIdentities } from "../../src/campaigns/campaign-identities.js";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { type CampaignId, type TenantId, uuidv7 } from "../../src/ids.js";
import { systemClock } from "../../src/runtime.js";
import { beginAsWorker, writeAsWorker } from "../../src/tenancy/transactions.js";
import { createTestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";

/** Of a server with few connections, and the names of the statements that it ran. */
async function startIdentities() {
  const databases = await createTestDatabases();
  const statements: string[] = [];
  const shared = { database: "events", url: databases.eventsUrl, preparedStatements: true } as const;
  const options = { ...shared, waitTimeoutMs: 2_000, log: pino({ level: "silent" }) };
  const onStatement = (name: string) => void statements.push(name);
  const pool = new Pool({ ...options, maxConnections: 3, onStatement });
  const other = new Pool({ ...options, maxConnections: 2 });
  onTestFinished(async () => {
    await Promise.all([pool.stop(), other.stop()]);
    await databases.drop();
  });
  return { identities: new CampaignIdentities(pool, systemClock), statements, other };
}

const newTenant = () => uuidv7() as TenantId;
const named = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `new ${from + index}`);

const readMessages = defineStatement<"events", [TenantId], { id: CampaignId; name: string }>(
  "events",
  "test.read_messages",
  `select payload -> 'campaign' ->> 'id' as id, payload -> 'campaign' -> 'details' ->> 'name' as name
   from outbox where tenant_id = $1`,
);

test("however many new names a call brings, they are made in one go, and the metrics are told of each", async () => {
  const { identities, statements, other } = await startIdentities();
  const tenantId = newTenant();
  const names = named(1_000);
  const [first, again] = [await identities.resolve(tenantId, names), await identities.resolve(tenantId, names)];
  expect([...first.keys()].toSorted()).toEqual(names.toSorted());
  expect(new Set(first.values()).size).toBe(1_000);
  expect(again).toEqual(first);
  expect(statements).toEqual(["campaigns.find_by_external_ids", "campaigns.mint", "outbox.append"]);
  const messages = await writeAsWorker(other, (session) => session.run(readMessages(tenantId)));
  expect(new Map(messages.map(({ id, name }) => [name, id]))).toEqual(first);
});

const hold = defineStatement<"events", [TenantId, CampaignId, string], never>(
  "events",
  "test.hold",
  `insert into campaign_identities (tenant_id, campaign_id, external_id, created_at)
   values ($1, $2, $3, '2026-11-20 12:00:00+00')`,
);
const countWaiting = defineStatement<"events", [], { waiting: number }>(
  "events",
  "test.count_waiting",
  `select count(*) as waiting from pg_locks
   where not granted and pid in (select pid from pg_stat_activity where datname = current_database())`,
);

test("new names of one tenant that have to wait hold up no other tenant, and those who bring the same get the same", async () => {
  const { identities, statements, other } = await startIdentities();
  const [tenantId, neighbour] = [newTenant(), newTenant()];
  const held = uuidv7() as CampaignId;
  // Another server is making one of the names.
  const holding = await beginAsWorker(other);
  await holding.run(hold(tenantId, held, "new 3"));
  const calls = Promise.all(Array.from({ length: 20 }, (_, call) => identities.resolve(tenantId, named(10, call % 2))));
  await waitFor(async () => (await writeAsWorker(other, (session) => session.run(countWaiting())))[0]?.waiting === 1, {
    what: "a call to wait for the name",
  });

  expect((await identities.resolve(neighbour, ["new 3"])).get("new 3")).not.toBe(held);
  await holding.commit();
  const answers = await calls;
  const merged = new Map(answers.flatMap((answer) => [...answer]));
  expect(merged.get("new 3")).toBe(held);
  for (const answer of answers) for (const [name, id] of answer) expect(merged.get(name)).toBe(id);
  // The neighbour's, the first one's, and that of the first who brought a name more.
  expect(statements.filter((name) => name === "campaigns.mint")).toHaveLength(3);
});

const removeTable = (from: string, to: string) =>
  defineStatement<"events", [], never>("events", `test.rename_${from}`, `alter table ${from} rename to ${to}`)();

test("where names cannot be made, those who wait behind are told so at once, and the next are made again", async () => {
  const { identities, statements, other } = await startIdentities();
  const tenantId = newTenant();
  const asOwner = (from: string, to: string) =>
    other.transaction("begin; set local role mailtally_owner" as never, (session) =>
      session.run(removeTable(from, to)),
    );
  await asOwner("outbox", "elsewhere");
  const calls = await Promise.allSettled(named(20).map((name) => identities.resolve(tenantId, [name])));
  expect(new Set(calls.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  expect(statements.filter((name) => name === "campaigns.mint").length).toBeLessThan(20);
  await asOwner("elsewhere", "outbox");
  expect((await identities.resolve(tenantId, named(20))).size).toBe(20);
});
