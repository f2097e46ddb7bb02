/** One round: two tenants of its own, load on both, one fault or several in it, healing, settling, and the check. */
import { SeededRandom } from "../../src/demo/seeded-random.js";
import { check, type Verdict } from "./checker.js";
import { FAULT_NAMES, type FaultName, FAULTS } from "./faults.js";
import { Load } from "./load.js";
import { pause } from "./pause.js";
import type { Rig } from "./rig.js";

const ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"] as const;
const LEAST_LOAD_MS = 1_200;

export interface RoundPlan {
  readonly seed: number;
  readonly faults: readonly FaultName[];
}

export interface RoundReport extends RoundPlan {
  /** Of its faults, those that struck where they should. */
  readonly hits: readonly FaultName[];
  readonly workers: number;
  readonly verdicts: readonly Verdict[];
  readonly redelivered: number;
  readonly unansweredCalls: number;
  readonly refusedCalls: number;
  /** From the end of the load and the faults until nothing waits any more. */
  readonly secondsToHeal: number;
  readonly seconds: number;
  readonly error: Error | null;
}

/** What a seed stands for: even ones are a single fault, all in turn, odd ones a random mix of two or three. */
export function planRound(seed: number, only: readonly FaultName[] = []): RoundPlan {
  if (only.length > 0) return { seed, faults: only };
  const random = new SeededRandom(seed);
  if (seed % 2 === 0) return { seed, faults: [FAULT_NAMES[(seed / 2) % FAULT_NAMES.length] ?? "kill worker"] };
  const faults = new Set<FaultName>();
  const count = random.chance(0.5) ? 2 : 3;
  const [, ...real] = FAULT_NAMES;
  while (faults.size < count) faults.add(real[Math.floor(random.next() * real.length)] ?? "kill worker");
  return { seed, faults: [...faults] };
}

export async function runRound(rig: Rig, plan: RoundPlan): Promise<RoundReport> {
  const began = performance.now();
  const random = new SeededRandom(plan.seed);
  const workers = random.weighted([
    { count: 2, weight: 3 },
    { count: 3, weight: 1 },
    { count: 4, weight: 1 },
  ]).count;
  const hits: FaultName[] = [];
  let [verdicts, error]: [Verdict[], Error | null] = [[], null];
  let [redelivered, unansweredCalls, refusedCalls, secondsToHeal] = [0, 0, 0, 0];
  try {
    await rig.useWorkers(workers);
    const tenants = [];
    for (const n of [1, 2]) {
      tenants.push(await rig.createTenant(`r${plan.seed}-${n}-${Date.now().toString(36)}`, random.pick(ZONES)));
    }
    const urls = rig.servers.map((server) => server.url);
    // Streams of their own: how many draws the load makes depends on the machine's pace, and the faults' must not.
    const loads = tenants.map(
      (tenant, n) => new Load(tenant, urls, new SeededRandom(plan.seed * 7 + n), `${plan.seed}-${n}`),
    );
    try {
      await pause(random.between(100, 400));
      await Promise.all([
        pause(LEAST_LOAD_MS),
        ...plan.faults.map(async (name, n) => {
          const own = new SeededRandom(plan.seed * 31 + n);
          if (plan.faults.length > 1) await pause(own.between(0, 700));
          // Beside another fault the thing to be struck may be down already, which is no fault of the product.
          const outcome = await FAULTS[name]({ rig, random: own }).catch((cause: unknown) => {
            if (plan.faults.length > 1) return "missed" as const;
            throw new Error(`The fault "${name}" could not be brought about`, { cause });
          });
          if (outcome === "hit") hits.push(name);
        }),
      ]);
    } finally {
      await rig.heal();
    }
    const ledgers = await Promise.all(loads.map((load) => load.finish()));
    const calm = performance.now();
    await rig.settled();
    secondsToHeal = (performance.now() - calm) / 1000;
    for (const [n, tenant] of tenants.entries()) {
      const ledger = ledgers[n];
      if (ledger === undefined) continue;
      redelivered += ledger.redelivered;
      unansweredCalls += ledger.unansweredCalls;
      refusedCalls += ledger.refusedCalls;
      verdicts.push(await check(rig, tenant, ledger));
    }
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  const seconds = (performance.now() - began) / 1000;
  const counts = { redelivered, unansweredCalls, refusedCalls, secondsToHeal, seconds };
  return { ...plan, hits, workers, verdicts, ...counts, error };
}

/** What was wrong, as sentences; none where all laws held. */
export function faultsOf(report: RoundReport): string[] {
  return [
    ...(report.error === null ? [] : [describe(report.error)]),
    ...report.verdicts.flatMap(({ lost, twice, unexpected, differences }) => [
      ...lost.map((id) => `lost: ${id}`),
      ...twice.map((id) => `counted twice: ${id}`),
      ...unexpected.map((id) => `in the log, and not as anybody sent it: ${id}`),
      ...differences,
    ]),
  ];
}

function describe(error: Error): string {
  return error.cause instanceof Error ? `${error.message} (${describe(error.cause)})` : error.message;
}
