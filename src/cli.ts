#!/usr/bin/env -S node --max-semi-space-size=16 --heap-growing-percent=100 --no-allocation-site-pretenuring
import { readFileSync } from "node:fs";
import { enableCompileCache, setSourceMapsSupport } from "node:module";
import path from "node:path";
import { Command } from "commander";
import { exitOnBrokenOutput } from "./commands/broken-output.js";
import { addDataCommands } from "./commands/data-commands.js";
import { addDeadLetterCommands } from "./commands/dead-letter-commands.js";
import { addDocumentCommands } from "./commands/document-commands.js";
import { addKeyCommands } from "./commands/key-commands.js";
import { addRecipientCommands } from "./commands/recipient-commands.js";
import { addServerCommands } from "./commands/server-commands.js";
import { tellError } from "./commands/tell-error.js";
import { addTenantCommands } from "./commands/tenant-commands.js";

// Stack traces name our sources. The option --enable-source-maps would read the maps of all packages too, and keep them in memory.
setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });

// Compiling what was compiled before is a fifth of a start. Where the folder cannot be written, nothing is kept.
enableCompileCache(path.join(import.meta.dirname, ".compiled"));

exitOnBrokenOutput();

const { version } = JSON.parse(readFileSync(path.join(import.meta.dirname, "../package.json"), "utf8")) as {
  version: string;
};
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

try {
  await program.parseAsync();
} catch (error) {
  tellError(error);
  process.exitCode = 1;
}
