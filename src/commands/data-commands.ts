import { type Command, Option } from "commander";
import type { ImportOptions, VerifyOptions } from "./data-actions.js";

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addDataCommands(program: Command): void {
  program
    .command("import")
    .description("Record the events of a CSV or NDJSON file of any size (see docs/import.md). Safe to run again.")
    .argument("<file>", "the file, packed with gzip or not; - for standard input")
    .requiredOption("--tenant <slug>", "whose events they are")
    .addOption(new Option("--format <format>", "by the file's extension where left out").choices(["csv", "ndjson"]))
    .action(async (file: string, options: ImportOptions) => {
      const { importOfTenant } = await import("./data-actions.js");
      await importOfTenant(file, options);
    });

  program
    .command("verify")
    .description("Recount the rollups from the event log and print what differs; exit status 1 where anything does.")
    .option("--tenant <slug>", "this tenant alone; all where left out")
    .option("--campaign <id>", "this campaign alone: its id or external id")
    .option("--from <time>", "only what lies from here on (ISO 8601 with an offset)")
    .option("--to <time>", "only what lies before")
    .action(async (options: VerifyOptions) => {
      const { verifyAll } = await import("./data-actions.js");
      await verifyAll(options);
    });
}
