#!/usr/bin/env -S node --max-semi-space-size=16 --heap-growing-percent=100 --no-allocation-site-pretenuring
import { enableCompileCache, setSourceMapsSupport } from "node:module";
import path from "node:path";
import { Command } from "commander";
import { addDataCommands } from "./commands/data-commands.js";
import { addDeadLetterCommands } from "./commands/dead-letter-commands.js";
import { addDocumentCommands } from "./commands/document-commands.js";
import { addKeyCommands } from "./commands/key-commands.js";
import { addRecipientCommands } from "./commands/recipient-commands.js";
import { addServerCommands } from "./commands/server-commands.js";
import { addTenantCommands } from "./commands/tenant-commands.js";
import { ConfigError } from "./config.js";
import { messageOf, PublicError } from "./errors.js";

// Stack traces name our sources. The option --enable-source-maps would read the maps of all packages too, and keep them in memory.
setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });

// Compiling what was compiled before is a fifth of a start. Where the folder cannot be written, nothing is kept.
enableCompileCache(path.join(import.meta.dirname, ".compiled"));

const program = new Command("mailtally")
  .description("A multi-tenant GraphQL analytics API for email campaigns.")
  .showHelpAfterError();
addServerCommands(program);
addTenantCommands(program);
addKeyCommands(program);
addDataCommands(program);
addDeadLetterCommands(program);
addDocumentCommands(program);
addRecipientCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  // What the operator can mend is told in a line; what they cannot is a bug and shows where it is.
  const isOperators = error instanceof ConfigError || error instanceof PublicError;
  const text = isOperators || !(error instanceof Error) ? messageOf(error) : (error.stack ?? error.message);
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : "";
  const reason = cause === "" || text.includes(cause) ? "" : `\n  because: ${cause}`;
  process.stderr.write(`${text}${reason}\n`);
  process.exitCode = 1;
}
