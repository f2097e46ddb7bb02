/** A short mix of `npm run faults`, and proof that its checker can fail. */
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { SeededRandom } from "../../src/demo/seeded-random.js";
import { POSTGRES_15 } from "../support/test-services.js";
import { check } from "./checker.js";
import type { FaultName } from "./faults.js";
import { Load } from "./load.js";
import { pause } from "./pause.js";
import { Rig } from "./rig.js";
import { faultsOf, runRound } from "./round.js";

const LIMIT_MS = 120_000;

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(inject("postgresVersion") === 15 ? POSTGRES_15 : undefined);
}, LIMIT_MS);
afterAll(() => rig.stop(), LIMIT_MS);

const MIXES: readonly (readonly FaultName[])[] = [
  ["between the commits"],
  ["kill worker", "kill events PostgreSQL"],
  ["frozen worker", "lost answer to a commit"],
  ["kill server", "metrics database gone", "Redis gone"],
];

test.each(MIXES.map((faults) => ({ faults, name: faults.join(" + ") })))(
  "nothing acknowledged is lost and nothing counts twice: $name",
  async ({ faults }) => {
    const report = await runRound(rig, { seed: Date.now() % 1_000_000, faults });
    expect(faultsOf(report), `seed ${report.seed}`).toEqual([]);
    expect(report.verdicts.every(({ acknowledged }) => acknowledged > 0)).toBe(true);
    // Those that need to catch a moment may be too late where another fault stands in the way; one alone is not.
    expect(report.hits.length).toBeGreaterThan(0);
  },
  LIMIT_MS,
);

test(
  "the checker sees an event that is gone, one that is there twice, and a number that is wrong",
  async () => {
    await rig.useWorkers(2);
    const tenant = await rig.createTenant(`checked-${Date.now().toString(36)}`, "Asia/Kathmandu");
    const load = new Load(
      tenant,
      rig.servers.map((server) => server.url),
      new SeededRandom(1),
      "checked",
    );
    await pause(300);
    const ledger = await load.finish();
    await rig.settled();
    const untouched = await check(rig, tenant, ledger);
    expect(untouched).toMatchObject({ lost: [], twice: [], unexpected: [], differences: [] });

    // Of no type that the answers are asked for, which would be waited for in vain.
    const [gone, twice] = ["delivered", "deferred"] as const;
    const one = (table: string) => `(select id from ${table} where tenant_id = $1 limit 1)`;
    await rig.events.ask(`insert into ${twice} select * from ${twice} where tenant_id = $1 and id = ${one(twice)}`, [
      tenant.id,
    ]);
    await rig.events.ask(`delete from ${gone} where tenant_id = $1 and id = ${one(gone)}`, [tenant.id]);
    await rig.metrics.ask("update campaign_totals set unique_opened = unique_opened + 1 where tenant_id = $1", [
      tenant.id,
    ]);
    const verdict = await check(rig, tenant, ledger);
    expect(verdict.lost).toHaveLength(1);
    expect(verdict.twice).toHaveLength(1);
    const wrong = verdict.differences.filter((difference) => difference.includes("unique_opened"));
    expect(wrong.some((difference) => difference.startsWith("verify"))).toBe(true);
    expect(wrong.some((difference) => !difference.startsWith("verify"))).toBe(true);
  },
  LIMIT_MS,
);
