import type { RoundReport } from "./round.js";
import { faultsOf } from "./round.js";

const COLUMNS = [
  "fault",
  "rounds",
  "hit",
  "acknowledged",
  "redelivered",
  "unanswered calls",
  "counted unacknowledged",
  "lost",
  "twice",
  "differences",
  "heal s (p50/max)",
] as const;

/** A row for each fault alone, one for all mixes, and the sum, in Markdown. */
export function tableOf(reports: readonly RoundReport[]): string {
  const groups = Map.groupBy(reports, ({ faults }) =>
    faults.length === 1 ? String(faults[0]) : "mixes of two or three",
  );
  const rows = [...groups].map(([name, group]) => rowOf(name, group));
  const all = [COLUMNS, COLUMNS.map(() => "---"), ...rows, rowOf("all", reports)];
  return all.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function rowOf(name: string, reports: readonly RoundReport[]): string[] {
  const verdicts = reports.flatMap((report) => report.verdicts);
  const sum = (values: readonly number[]): string => String(values.reduce((total, value) => total + value, 0));
  const heals = reports.map((report) => report.secondsToHeal).toSorted((a, b) => a - b);
  const median = heals[Math.floor((heals.length - 1) / 2)] ?? 0;
  return [
    name,
    String(reports.length),
    `${sum(reports.map(({ hits }) => hits.length))}/${sum(reports.map(({ faults }) => faults.length))}`,
    sum(verdicts.map((verdict) => verdict.acknowledged)),
    sum(reports.map((report) => report.redelivered)),
    sum(reports.map((report) => report.unansweredCalls)),
    sum(verdicts.map((verdict) => verdict.unacknowledged)),
    sum(verdicts.map((verdict) => verdict.lost.length)),
    sum(verdicts.map((verdict) => verdict.twice.length)),
    sum(verdicts.map((verdict) => verdict.differences.length + verdict.unexpected.length)),
    `${median.toFixed(1)}/${(heals.at(-1) ?? 0).toFixed(1)}`,
  ];
}

/** One line while it runs, with what replays it. */
export function lineOf(report: RoundReport): string {
  const verdict = faultsOf(report).length === 0 ? "ok" : "FAILED";
  const events = report.verdicts.reduce((total, { acknowledged }) => total + acknowledged, 0);
  const missed = report.faults.filter((name) => !report.hits.includes(name));
  return [
    `seed ${report.seed}: ${verdict}`,
    `${report.faults.join(" + ")}${missed.length > 0 ? ` (missed: ${missed.join(", ")})` : ""}`,
    `${report.workers} workers, ${events} events, ${report.seconds.toFixed(1)} s (healed in ${report.secondsToHeal.toFixed(1)})`,
  ].join(", ");
}
