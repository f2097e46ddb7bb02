import { Client } from "pg";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { Pool } from "../../src/database/pool.js";
import { defineStatement } from "../../src/database/statement.js";
import { type TenantId, uuidv7 } from "../../src/ids.js";
import { Projector } from "../../src/rollups/projector.js";
import { systemClock } from "../../src/runtime.js";
import { writeAsWorker } from "../../src/tenancy/transactions.js";
import { createTestDatabases } from "../support/test-databases.js";
import { waitFor } from "../support/wait-for.js";
import { ZONE } from "./damage.js";
import { insertTenant } from "../support/insert-tenant.js";

const append = defineStatement<"events", [string, TenantId], never>(
  "events",
  "test.append",
  `insert into outbox (id, tenant_id, lane, format, event_count, received_at, payload)
   values ($1, $2, 0, 1, 1, '2026-11-20 12:00:00+00', '{}')`,
);
const apply = defineStatement<"metrics", [TenantId, string], { role: string }>(
  "metrics",
  "test.apply",
  `insert into applied_messages (tenant_id, id, applied_at) values ($1, $2, '2026-11-20 12:00:00+00')
   returning current_user::text as role`,
);
const findApplied = defineStatement<"metrics", [TenantId], { id: string }>(
  "metrics",
  "test.find_applied",
  "select id from applied_messages where tenant_id = $1 order by id",
);
const GATE = 42;

/** Whoever removes messages waits at the gate, and fails past it. */
const REFUSE_REMOVALS = `create function refuse() returns trigger language plpgsql as
  $$ begin perform pg_advisory_xact_lock(${GATE}); raise 'refused'; end $$;
  create trigger refuse before delete on outbox for each statement execute function refuse()`;

const COUNT_AT_GATE =
  "select count(*)::int as count from pg_locks where locktype = 'advisory' and objid = $1 and not granted";

test("an event log that fails after the metrics are committed takes nothing of anybody's transaction in the metrics", async () => {
  const databases = await createTestDatabases();
  const failures: string[] = [];
  const log = pino({ level: "error" }, { write: (line) => void failures.push(line) });
  // One connection for the metrics: whoever waits for it gets the one that the projector gives back.
  const shared = { waitTimeoutMs: 10_000, preparedStatements: true, log };
  const events = new Pool({ database: "events", url: databases.eventsUrl, maxConnections: 2, ...shared });
  const metrics = new Pool({ database: "metrics", url: databases.metricsUrl, maxConnections: 1, ...shared });
  const admin = new Client({ connectionString: databases.eventsUrl });
  await admin.connect();
  onTestFinished(async () => {
    await Promise.all([events.stop(), metrics.stop(), admin.end()]);
    await databases.drop();
  });
  const tenantId = uuidv7() as TenantId;
  const [message, first, second] = [uuidv7(), uuidv7(), uuidv7()];
  await writeAsWorker(metrics, (session) => session.run(insertTenant(tenantId, "projected", ZONE)));
  await admin.query(REFUSE_REMOVALS);
  await admin.query("select pg_advisory_lock($1)", [GATE]);
  await writeAsWorker(events, (session) => session.run(append(message, tenantId)));

  const projector = new Projector({ events, metrics, pollMs: 5, now: systemClock, log });
  await waitFor(async () => (await admin.query<{ count: number }>(COUNT_AT_GATE, [GATE])).rows[0]?.count === 1, {
    what: "the projector to remove its message",
  });
  const roles = await writeAsWorker(metrics, async (session) => {
    const before = await session.run(apply(tenantId, first));
    await admin.query("select pg_advisory_unlock($1)", [GATE]);
    await waitFor(() => failures.length > 0, { what: "the projector to fail" });
    return [...before, ...(await session.run(apply(tenantId, second)))];
  });

  await projector.stop();
  expect(roles).toEqual([{ role: "mailtally_worker" }, { role: "mailtally_worker" }]);
  const applied = await writeAsWorker(metrics, (session) => session.run(findApplied(tenantId)));
  expect(applied.map(({ id }) => id)).toEqual([message, first, second].toSorted());
});
