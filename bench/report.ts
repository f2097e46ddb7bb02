/** A benchmark's rows as a table for people, as lines for programs, and as a file that stays. */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import path from "node:path";
import { isMet, type Row, type Target } from "./benchmark.js";

const RESULTS = path.join(import.meta.dirname, "results");

/** The line of `--json`. */
export function jsonLineOf(row: Row): string {
  const { name, value, unit, against, ratio, target } = row;
  return JSON.stringify({
    name,
    value: rounded(value),
    unit,
    against: against === null ? null : `${against.name}: ${rounded(against.value)}`,
    ratio: ratio === null ? null : rounded(ratio),
    target: target === null ? null : targetText(target),
    met: isMet(row),
  });
}

export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${figure(row.value)} ${row.unit}`,
    row.against === null ? "" : `${row.against.name}: ${figure(row.against.value)}`,
    row.ratio === null ? "" : figure(row.ratio),
    row.target === null ? "" : targetText(row.target),
    { true: "met", false: "NOT MET", null: "" }[String(isMet(row)) as "true" | "false" | "null"],
  ]);
  const all = [["measured", "", "against", "ratio", "target", ""], ...cells];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0))) ?? [];
  const lines = all.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines.join("\n");
}

export interface Conditions {
  readonly full: boolean;
  /** Its version. */
  readonly postgres: string;
  readonly isPackaged: boolean;
}

/** Writes results/<name>.md, or a file beside it for other conditions: the table, and what it was measured on. */
export function writeResults(name: string, rows: readonly Row[], { full, postgres, isPackaged }: Conditions): void {
  mkdirSync(RESULTS, { recursive: true });
  const [cpu] = cpus();
  const machine = `${cpus().length} cores (${cpu?.model ?? "unknown"}), ${Math.round(totalmem() / 1e9)} GB, Node ${process.versions.node}`;
  const database = `PostgreSQL ${postgres}${isPackaged ? " as packaged" : ""}`;
  const when = new Date().toISOString().slice(0, 10);
  const size = full ? "full size" : "quick size";
  const variant = `${full ? "-full" : ""}${isPackaged ? "" : `-postgres${Number.parseInt(postgres, 10)}`}`;
  writeFileSync(
    path.join(RESULTS, `${name}${variant}.md`),
    `# ${name}\n\n${when}, ${size}, ${machine}, ${database}\n\n${tableOf(rows)}\n`,
  );
}

function targetText(target: Target): string {
  return "atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function figure(value: number): string {
  return rounded(value).toLocaleString("en-US", { maximumFractionDigits: 3 });
}
