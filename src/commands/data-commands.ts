import { type Command, Option } from "commander";
import type { ImportOptions } from "./import-actions.js";
import type { RetentionOptions } from "./retention-actions.js";
import type { RollupOptions } from "./rollup-actions.js";

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addDataCommands(program: Command): void {
  program
    .command("import")
    .description("Record the events of a CSV or NDJSON file of any size (see docs/import.md). Safe to run again.")
    .argument("<file>", "the file, packed with gzip or not; - for standard input")
    .requiredOption("--tenant <slug>", "whose events they are")
    .addOption(new Option("--format <format>", "by the file's extension where left out").choices(["csv", "ndjson"]))
    .action(async (file: string, options: ImportOptions) => {
      const { importOfTenant } = await import("./import-actions.js");
      await importOfTenant(file, options);
    });

  const verify = program
    .command("verify")
    .description("Recount the rollups from the event log and print what differs; exit status 1 where anything does.")
    .action(async (options: RollupOptions) => {
      const { verifyAll } = await import("./rollup-actions.js");
      await verifyAll(options);
    });
  const rebuild = program
    .command("rebuild")
    .description("Make the rollups what the event log says, while everything runs. Safe to interrupt and to run again.")
    .action(async (options: RollupOptions) => {
      const { rebuildAll } = await import("./rollup-actions.js");
      await rebuildAll(options);
    });
  program
    .command("retention")
    .description("Drop the events past EVENT_RETENTION_DAYS now, as a worker does by itself. Rollups stay.")
    .option("--dry-run", "only say what would be dropped")
    .action(async (options: RetentionOptions) => {
      const { applyRetention } = await import("./retention-actions.js");
      await applyRetention(options);
    });
  for (const command of [verify, rebuild]) {
    command
      .option("--tenant <slug>", "this tenant alone; all where left out")
      .option("--campaign <id>", "this campaign alone, without the tenant's own rollups: its id or external id")
      .option("--from <time>", "only what lies from here on (ISO 8601 with an offset)")
      .option("--to <time>", "only what lies before");
  }
}
