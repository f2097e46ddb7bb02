import type { Command } from "commander";
import type { ForgetOptions, RecipientOptions } from "./recipient-actions.js";

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addRecipientCommands(program: Command): void {
  const recipients = program
    .command("recipients")
    .description("People that events are about, one at a time (see docs/privacy.md).");
  recipients
    .command("export")
    .description(
      "Print all that is held of one, as NDJSON: the recipient, campaigns, events, and what is not recorded.",
    )
    .requiredOption("--tenant <slug>", "whose recipient it is")
    .requiredOption("--recipient <address>", "the address, or the key as an export shows it")
    .action(async (options: RecipientOptions) => {
      const { exportOne } = await import("./recipient-actions.js");
      await exportOne(options);
    });
  recipients
    .command("erase")
    .description("Make one unrecognisable for good, while every number stays. Safe to interrupt and to run again.")
    .requiredOption("--tenant <slug>", "whose recipient it is")
    .requiredOption("--recipient <address>", "the address, or the key as an export shows it")
    .action(async (options: RecipientOptions) => {
      const { eraseOne } = await import("./recipient-actions.js");
      await eraseOne(options);
    });
  recipients
    .command("forget-addresses")
    .description("Delete the addresses that are stored, after STORE_ADDRESSES was set to off. Keys and numbers stay.")
    .requiredOption("--tenant <slug>", "whose recipients they are")
    .option("--yes", "do it; without it nothing is changed")
    .action(async (options: ForgetOptions) => {
      const { forgetAll } = await import("./recipient-actions.js");
      await forgetAll(options);
    });
}
