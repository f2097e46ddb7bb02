/**
 * The long mix: `npm run faults -- --rounds 200 [--seed S] [--only "kill worker,Redis gone"]`. A round's line names the seed
 * that replays it alone: `--rounds 1 --seed S`. Ends with a table, and with status 1 where a law did not hold.
 */
import { parseArgs } from "node:util";
import { FAULT_NAMES, type FaultName } from "./faults.js";
import { Rig } from "./rig.js";
import { faultsOf, planRound, type RoundReport, runRound } from "./round.js";
import { lineOf, tableOf } from "./table.js";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "24" },
    seed: { type: "string", default: String(Math.floor(Date.now() / 1000) % 1_000_000) },
    only: { type: "string", default: "" },
    postgres: { type: "string" },
  },
});

const only = values.only
  .split(",")
  .map((name) => name.trim())
  .filter((name) => name !== "")
  .map(faultNamed);
const first = Number(values.seed);
const rounds = Number(values.rounds);
const interruption = { isWanted: false };
// The rig's guards end what runs, whichever way this process ends; a second signal does not wait for the round.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (interruption.isWanted) process.exit(130);
    interruption.isWanted = true;
    say("Ending after this round; once more to end at once.");
  });
}

const reports: RoundReport[] = [];
const rig = await Rig.start(values.postgres);
say(`Seeds from ${first}; logs in ${rig.logFolder}`);
try {
  for (let n = 0; n < rounds && !interruption.isWanted; n += 1) {
    const report = await runRound(rig, planRound(first + n, only));
    reports.push(report);
    say(lineOf(report));
    const faults = faultsOf(report);
    for (const fault of faults.slice(0, 20)) say(`  ${fault}`);
    if (faults.length > 0) say(`  logs: ${rig.keepLogs(report.seed)}`);
    // What could not settle would be counted against every round after it.
    if (report.error !== null) break;
  }
} finally {
  await rig.stop();
}
say(`\n${tableOf(reports)}`);
process.exitCode = reports.every((report) => faultsOf(report).length === 0) ? 0 : 1;

function faultNamed(name: string): FaultName {
  const found = FAULT_NAMES.find((known) => known === name);
  if (found === undefined) throw new Error(`There is no fault "${name}"; there are: ${FAULT_NAMES.join(", ")}.`);
  return found;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
