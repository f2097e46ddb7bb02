import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/database/embedded-port.js";
import { waitFor } from "./wait-for.js";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

interface BuiltServer {
  readonly url: string;
  /** All that it has written so far. */
  output(): string;
  stop(): Promise<void>;
}

/**
 * The product as it is built and started, `serve` in a process of its own. For what only the build has, the page's assets, and for what
 * Node is started with (`flags`).
 */
export async function startBuiltServer(
  env: Readonly<Record<string, string>>,
  { flags = [] }: { readonly flags?: readonly string[] } = {},
): Promise<BuiltServer> {
  if (!existsSync(CLI)) throw new Error("dist/cli.js is missing: run `npm run build` first.");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [...flags, CLI, "serve"], {
    env: { PATH: process.env["PATH"], PORT: String(port), LOG_LEVEL: "error", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  try {
    await waitFor(async () => child.exitCode !== null || (await fetch(`${url}/readyz`)).ok, {
      what: "the server to be ready",
      deadlineMs: 30_000,
    });
    if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}`);
  } catch (cause) {
    await stop();
    throw new Error(`The built server did not start:\n${output}`, { cause });
  }
  return { url, output: () => output, stop };
}
