import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Answer } from "../support/product.js";
import { waitFor } from "../support/wait-for.js";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const START_MS = 60_000;
const EXIT_MS = 60_000;

/** What a process ended with. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Types on its terminal, where it has one. */
  type(text: string): void;
  /** To the whole process group, as a terminal sends Ctrl-C. */
  signalGroup(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended; fails where it does not in a minute. */
  ended(): Promise<Ended>;
}

const running = new Set<CliProcess>();

/**
 * The compiled program as a process of its own, leader of a process group. The environment is this one and no more. `cli` is
 * that of another version.
 */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>>, cli = CLI): CliProcess {
  if (!existsSync(cli)) throw new Error("These tests run dist/cli.js: npm run build");
  return startProcess(process.execPath, [cli, ...args], env);
}

/** `npm start` on a pseudo-terminal, by util-linux's script; its output is what a terminal would get. */
export function startOnTerminal(env: Readonly<Record<string, string>>): CliProcess {
  return startProcess("script", ["-qec", `exec "${process.execPath}" "${CLI}" start`, "/dev/null"], {
    TERM: "xterm",
    ...env,
  });
}

function startProcess(file: string, args: readonly string[], env: Readonly<Record<string, string>>): CliProcess {
  const child = spawn(file, args, {
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  let end: Ended | undefined;
  child.once("error", (error) => (stderr += error.message));
  child.once("close", (code) => {
    running.delete(started);
    end = { code, stdout, stderr };
  });
  const started: CliProcess = {
    child,
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    type: (text) => void child.stdin.write(text),
    signalGroup: (signal) => void process.kill(-(child.pid ?? 0), signal),
    async ended() {
      try {
        return await waitFor(() => end, { what: "the process to end", deadlineMs: EXIT_MS });
      } catch (cause) {
        throw new Error(`It did not end by itself. It said:\n${stdout}${stderr}`, { cause });
      }
    },
  };
  running.add(started);
  return started;
}

/** For afterEach: ends what a failed test left running. */
export async function killStarted(): Promise<void> {
  for (const program of running) program.child.kill("SIGKILL");
  await waitFor(() => running.size === 0, { what: "the processes to end" });
}

/** Runs a command to its end. */
export function runCli(args: readonly string[], env: Readonly<Record<string, string>>, cli = CLI): Promise<Ended> {
  return startCli(args, env, cli).ended();
}

/** The first match's first group in what the process prints on stdout or stderr. */
export function printed(program: CliProcess, pattern: RegExp): Promise<string> {
  return waitFor(
    () => {
      const match = pattern.exec(program.stdout() + program.stderr());
      if (match === null && program.child.exitCode !== null) throw new Error(program.stderr());
      return match?.[1] ?? match?.[0];
    },
    { what: `${pattern} to be printed`, deadlineMs: START_MS },
  );
}

/** What the banner of `npm start` tells. */
export interface Banner {
  readonly url: string;
  readonly key: string;
  readonly firstQuery: string;
}

export async function bannerOf(program: CliProcess): Promise<Banner> {
  await printed(program, /Ctrl-C/);
  const text = program.stdout();
  return {
    url: /GraphQL\s+(\S+)\/graphql\s/.exec(text)?.[1] ?? "",
    key: /API key\s+(\S+)/.exec(text)?.[1] ?? "",
    firstQuery: /A first query:([^]*?)Ctrl-C/.exec(text)?.[1] ?? "",
  };
}

export async function ask<Data>(url: string, key: string, query: string, variables = {}): Promise<Answer<Data>> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  });
  return { status: response.status, ...((await response.json()) as Omit<Answer<Data>, "status">) };
}

export const RECORD = `mutation ($input: RecordEventsInput!) {
  recordEvents(input: $input) { acceptedCount refused { code message } }
}`;

/** Where the embedded server's process id stands, below a folder of tests. */
export const PID_FILE = path.join("data", "postgresql", "postmaster.pid");
