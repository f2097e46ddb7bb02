import { Command } from "commander";
import { addDataCommands } from "./data-commands.js";
import { addDeadLetterCommands } from "./dead-letter-commands.js";
import { addDocumentCommands } from "./document-commands.js";
import { addKeyCommands } from "./key-commands.js";
import { addRecipientCommands } from "./recipient-commands.js";
import { addServerCommands } from "./server-commands.js";
import { addTenantCommands } from "./tenant-commands.js";

/** The whole command line, in the order of its help. */
export function createProgram(version: string): Command {
  const program = new Command("mailtally")
    .description("A multi-tenant GraphQL analytics API for email campaigns.")
    .version(version)
    .showHelpAfterError();
  addServerCommands(program);
  addTenantCommands(program);
  addKeyCommands(program);
  addDataCommands(program);
  addDeadLetterCommands(program);
  addDocumentCommands(program);
  addRecipientCommands(program);
  return program;
}
