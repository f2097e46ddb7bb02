import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { waitFor } from "../support/wait-for.js";

/** The single value of the first row, as text. */
export async function ask(url: string, sql: string): Promise<string> {
  const client = new Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const answer = await client.query<string[]>({ text: sql, rowMode: "array" });
    return String(answer.rows[0]?.[0]);
  } finally {
    await client.end();
  }
}

export interface StartedProgram {
  readonly program: ChildProcess;
  /** Its exit code, or null where a signal ended it. */
  readonly ended: Promise<number | null>;
  output(): string;
}

export interface RunningProgram extends StartedProgram {
  readonly url: string;
}

/** Starts a program that is to own an embedded server; `keep` gets it, to end it whatever comes. */
export function launchServerProgram(args: readonly string[], keep: (program: ChildProcess) => void): StartedProgram {
  const hook = new URL("../support/resolve-typescript.ts", import.meta.url).href;
  const file = fileURLToPath(new URL("embedded-server-program.ts", import.meta.url));
  // A group of its own, as a terminal gives it one.
  const program = spawn(process.execPath, ["--import", hook, file, ...args], { detached: true });
  keep(program);
  let output = "";
  for (const stream of [program.stdout, program.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((done) => program.once("exit", done));
  return { program, ended, output: () => output };
}

/** The same, and waits for its URL. */
export async function startServerProgram(
  args: readonly string[],
  keep: (program: ChildProcess) => void,
): Promise<RunningProgram> {
  const started = launchServerProgram(args, keep);
  const url = await waitFor(
    () => {
      if (started.program.exitCode !== null) throw new Error(started.output());
      return /ready (\S+)/.exec(started.output())?.[1];
    },
    // A new cluster costs a busy machine that long.
    { what: "the program's server", deadlineMs: 40_000 },
  );
  return { ...started, url };
}

/** The directory of the cluster that the data folder points to. */
export async function clusterOf(folderOfData: string): Promise<string> {
  const record = JSON.parse(await readFile(join(folderOfData, "postgresql.json"), "utf8")) as { cluster: string };
  return resolve(folderOfData, record.cluster);
}

/** Takes a port of 127.0.0.1. */
export function listenOn(port: number): Promise<Server> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen({ port, host: "127.0.0.1" }, () => done(server));
  });
}
