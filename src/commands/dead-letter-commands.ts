import { type Command, InvalidArgumentError } from "commander";
import type { ChooseOptions, ListOptions } from "./dead-letter-actions.js";

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 10_000) throw new InvalidArgumentError("It is 1 to 10000.");
  return number;
}

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addDeadLetterCommands(program: Command): void {
  const letters = program
    .command("dead-letters")
    .description("Accepted events that could not be recorded (see docs/operations.md).");
  letters
    .command("list")
    .description("Show them, newest first.")
    .option("--tenant <slug>", "this tenant's alone; all where left out")
    .option("--receipt <id>", "those of one call alone: its receipt")
    .option("--limit <number>", "so many at most", wholeNumber, 50)
    .option("--json", "as one JSON array, with all that is known of each but its event")
    .action(async (options: ListOptions) => {
      const { listLetters } = await import("./dead-letter-actions.js");
      await listLetters(options);
    });
  letters
    .command("show")
    .description("Show one with its error and its event, the recipient's address included.")
    .argument("<id>", "its id")
    .option("--json", "as a JSON object")
    .action(async (id: string, options: { json?: true }) => {
      const { showLetter } = await import("./dead-letter-actions.js");
      await showLetter(id, options);
    });
  letters
    .command("replay")
    .description(
      "Put events back into the inbox, under their old receipts. Each counts once, however often it is replayed.",
    )
    .argument("[ids...]", "which")
    .option("--all", "all there are when the command begins")
    .option("--tenant <slug>", "with --all: this tenant's alone")
    .option("--json", "as a JSON object")
    .action(async (ids: string[], options: ChooseOptions) => {
      const { replayLetters } = await import("./dead-letter-actions.js");
      await replayLetters(ids, options);
    });
  letters
    .command("discard")
    .description("Give events up for good: they are deleted, and their receipts stay DEAD and say so.")
    .argument("[ids...]", "which")
    .option("--all", "all there are when the command begins; needs --yes")
    .option("--tenant <slug>", "with --all: this tenant's alone")
    .option("--yes", "with --all: do it; without it nothing is changed")
    .option("--json", "as a JSON object")
    .action(async (ids: string[], options: ChooseOptions) => {
      const { discardLetters } = await import("./dead-letter-actions.js");
      await discardLetters(ids, options);
    });
}
