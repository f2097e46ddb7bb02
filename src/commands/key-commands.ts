import { type Command, InvalidArgumentError } from "commander";
import { SCOPES } from "../access/scope.js";
import type { CreateOptions, RotateOptions } from "./key-actions.js";

function seconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It is a whole number of seconds.");
  return Number(text);
}

/** The actions are loaded when they run: with everything they need, help would take a second. */
export function addKeyCommands(program: Command): void {
  const keys = program.command("keys").description("API keys.");
  keys
    .command("create")
    .description("Make an API key; prints its secret alone, which is shown this once.")
    .requiredOption("--tenant <slug>", "whose key it is")
    .requiredOption("--scopes <scopes>", `what it may do: some of ${SCOPES.join(",")}, or ALL`)
    .option("--name <name>", "what it is for", "Command line")
    .option("--expires-at <time>", "from when on it is refused (ISO 8601 with an offset)")
    .option("--tags <tags>", "it sees campaigns with any of these tags alone, and only reads: tags with commas between")
    .action(async (options: CreateOptions) => {
      const { createKeyOfTenant } = await import("./key-actions.js");
      await createKeyOfTenant(options);
    });
  keys
    .command("list")
    .description("Show a tenant's keys, newest first, without their secrets.")
    .requiredOption("--tenant <slug>", "whose keys")
    .option("--json", "as one JSON array")
    .action(async (options: { tenant: string; json?: true }) => {
      const { listKeysOfTenant } = await import("./key-actions.js");
      await listKeysOfTenant(options);
    });
  keys
    .command("rotate")
    .description("Give a key another secret; prints it alone, and it is shown this once.")
    .argument("<key>", "its id, or the 8 characters after mt_ of its secret, the old one too while that works")
    .requiredOption("--tenant <slug>", "whose key it is")
    .option("--overlap-seconds <number>", "how long the old secret goes on working beside the new one", seconds, 0)
    .action(async (key: string, options: RotateOptions) => {
      const { rotateKeyOfTenant } = await import("./key-actions.js");
      await rotateKeyOfTenant(key, options);
    });
  keys
    .command("revoke")
    .description("End a key for good, within a second on every server; prints its id.")
    .argument("<key>", "its id, or the 8 characters after mt_ of its secret, the old one too while that works")
    .requiredOption("--tenant <slug>", "whose key it is")
    .action(async (key: string, options: { tenant: string }) => {
      const { revokeKeyOfTenant } = await import("./key-actions.js");
      await revokeKeyOfTenant(key, options);
    });
}
