/**
 * npm run bench [-- <name>…] [--full] [--json] [--postgres=<folder>]
 *
 * Without names: all of them, in quick sizes. Ends with status 1 where a benchmark failed; a target that is not met is told
 * in the table and fails nothing.
 */
import { parseArgs } from "node:util";
import type { Benchmark } from "./benchmark.js";
import { cached } from "./cached.js";
import { freshness } from "./freshness.js";
import { growth } from "./growth.js";
import { importing } from "./import.js";
import { ingest } from "./ingest.js";
import { legacy } from "./legacy.js";
import { pages } from "./pages.js";
import { reads } from "./reads.js";
import { jsonLineOf, tableOf, writeResults } from "./report.js";
import { Scene } from "./scene/scene.js";
import { startup } from "./startup.js";

const BENCHMARKS: readonly Benchmark[] = [reads, cached, ingest, freshness, importing, legacy, growth, pages, startup];

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    postgres: { type: "string" },
  },
});

const unknown = positionals.filter((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name));
if (unknown.length > 0) {
  const list = BENCHMARKS.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join("\n");
  say(`There is no benchmark ${unknown.join(", ")}. There are:\n${list}`);
  process.exitCode = 2;
} else {
  const wanted = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  for (const benchmark of wanted) await runOne(benchmark);
}

async function runOne(benchmark: Benchmark): Promise<void> {
  const started = performance.now();
  say(`== ${benchmark.name}: ${benchmark.about}`);
  const scene = await Scene.open({ full: values.full, postgres: values.postgres, say });
  const leave = (signal: NodeJS.Signals): void => {
    say(`== ${benchmark.name} ends on ${signal}`);
    void scene.close().finally(() => process.exit(signal === "SIGINT" ? 130 : 143));
  };
  for (const signal of SIGNALS) process.once(signal, leave);
  try {
    const rows = await benchmark.run(scene);
    const conditions = {
      full: values.full,
      postgres: await scene.postgresVersion(),
      isPackaged: values.postgres === undefined,
    };
    writeResults(benchmark.name, rows, conditions);
    process.stdout.write(values.json ? rows.map((row) => `${jsonLineOf(row)}\n`).join("") : `${tableOf(rows)}\n`);
  } catch (error) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    await scene.close();
  }
  say(`== ${benchmark.name} took ${Math.round((performance.now() - started) / 1000)} s`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
