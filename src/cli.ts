#!/usr/bin/env -S node --max-semi-space-size=16 --heap-growing-percent=100 --no-allocation-site-pretenuring
import { readFileSync } from "node:fs";
import { enableCompileCache, setSourceMapsSupport } from "node:module";
import path from "node:path";
import { exitOnBrokenOutput } from "./commands/broken-output.js";
import { createProgram } from "./commands/create-program.js";
import { tellError } from "./commands/tell-error.js";

// Stack traces name our sources. The option --enable-source-maps would read the maps of all packages too, and keep them in memory.
setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });

// Compiling what was compiled before is a fifth of a start. Where the folder cannot be written, nothing is kept.
enableCompileCache(path.join(import.meta.dirname, ".compiled"));

exitOnBrokenOutput();

const { version } = JSON.parse(readFileSync(path.join(import.meta.dirname, "../package.json"), "utf8")) as {
  version: string;
};

try {
  await createProgram(version).parseAsync();
} catch (error) {
  tellError(error);
  process.exitCode = 1;
}
