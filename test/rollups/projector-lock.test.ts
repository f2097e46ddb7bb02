import { expect, test } from "vitest";
import { defineStatement } from "../../src/database/statement.js";
import { type TenantId, uuidv7 } from "../../src/ids.js";
import { holdProjectorLock, lockProjectorsOut } from "../../src/rollups/projector-lock.js";
import { openSnapshotPair } from "../../src/rollups/verify/snapshot-pair.js";
import { beginAsWorker, writeAsWorker } from "../../src/tenancy/transactions.js";
import { waitFor } from "../support/wait-for.js";
import { providePools } from "./rollup-scene.js";

const pools = providePools();

const countWaiting = defineStatement<"metrics", [], { waiting: number }>(
  "metrics",
  "test.count_waiting",
  `select count(*) as waiting from pg_locks
   where locktype = 'advisory' and not granted
     and database = (select oid from pg_database where datname = current_database())`,
);

async function somebodyWaits(): Promise<void> {
  await waitFor(
    async () => (await writeAsWorker(pools.metrics, (session) => session.run(countWaiting())))[0]?.waiting === 1,
    { what: "somebody to wait for the lock" },
  );
}

const apply = defineStatement<"metrics", [TenantId, string], never>(
  "metrics",
  "test.apply_message",
  "insert into applied_messages (tenant_id, id, applied_at) values ($1, $2, '2026-11-20 12:00:00+00')",
);
const countApplied = defineStatement<"metrics", [TenantId], { applied: number }>(
  "metrics",
  "test.count_applied",
  "select count(*) as applied from applied_messages where tenant_id = $1",
);

test("snapshots wait for a projector that is at it, and hold what it then commits", async () => {
  const tenantId = uuidv7() as TenantId;
  const projection = await beginAsWorker(pools.metrics);
  await projection.run(holdProjectorLock());
  const opening = openSnapshotPair(pools);
  await somebodyWaits();
  await projection.run(apply(tenantId, uuidv7()));
  await projection.commit();

  const snapshots = await opening;
  expect(await snapshots.rollups.run(countApplied(tenantId))).toEqual([{ applied: 1 }]);
  await snapshots.end();
});

test("projectors wait while the snapshots are opened and not longer, and never for each other", async () => {
  const [one, other] = [await beginAsWorker(pools.metrics), await beginAsWorker(pools.metrics)];
  let holding: Promise<unknown> = Promise.resolve();
  let holds = false;
  await lockProjectorsOut(pools.metrics, async () => {
    holding = one.run(holdProjectorLock()).then(() => (holds = true));
    await somebodyWaits();
    expect(holds).toBe(false);
  });
  await holding;
  await other.run(holdProjectorLock());
  await Promise.all([one.commit(), other.commit()]);
});
