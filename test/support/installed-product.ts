/** The built product as an operator runs it: processes of the command line around one DATA_DIR, in dist/ as it lies there. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { waitFor } from "./wait-for.js";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const MEMORY_POLL_MS = 50;

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  /** The most memory that the process held at any time; null where the system does not tell (it is read from /proc). */
  readonly peakRssBytes: number | null;
}

export class InstalledProduct {
  readonly #env: NodeJS.ProcessEnv;
  readonly #running: ChildProcess[] = [];
  #url = "";

  constructor(dataDir: string) {
    this.#env = { ...process.env, DATA_DIR: dataDir, PORT: "0" };
  }

  /** A worker and a server. Databases are those of the environment, else embedded ones under the data folder. */
  async start(): Promise<void> {
    await this.runOrFail("migrate");
    await this.#startUntil("work", (entry) => entry["msg"] === "working");
    const { url } = await this.#startUntil("serve", (entry) => entry["msg"] === "serving");
    this.#url = String(url);
  }

  /** Runs a command to its end. */
  async run(...args: string[]): Promise<CommandResult> {
    const began = performance.now();
    const child = this.#spawn(args, "warn");
    const stdout = textOf(child.stdout);
    const stderr = textOf(child.stderr);
    let peakRssBytes: number | null = null;
    const poll = setInterval(() => {
      void readPeakRss(child.pid).then((bytes) => (peakRssBytes = bytes ?? peakRssBytes));
    }, MEMORY_POLL_MS);
    const [exitCode] = (await once(child, "close")) as [number | null];
    clearInterval(poll);
    const seconds = (performance.now() - began) / 1000;
    return { exitCode, stdout: await stdout, stderr: await stderr, seconds, peakRssBytes };
  }

  /** The same; throws with what the command said where it fails. */
  async runOrFail(...args: string[]): Promise<CommandResult> {
    const result = await this.run(...args);
    if (result.exitCode === 0) return result;
    throw new Error(`${args.join(" ")} ended with ${result.exitCode}:\n${result.stdout}${result.stderr}`);
  }

  /** The data of a GraphQL answer; throws where it has errors. */
  async graphql(key: string, query: string, variables: Record<string, unknown> = {}): Promise<unknown> {
    const response = await fetch(`${this.#url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify({ query, variables }),
    });
    const answer = (await response.json()) as { data?: unknown; errors?: unknown };
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data;
  }

  /** Resolves when everything that the key's tenant had accepted is in the numbers. */
  async settled(key: string, deadlineMs: number): Promise<void> {
    const query = `{ kpis(range: { from: "2000-01-01T00:00:00Z", to: "2000-01-02T00:00:00Z" }) { freshness { pendingEvents } } }`;
    await waitFor(
      async () => {
        const data = (await this.graphql(key, query)) as { kpis: { freshness: { pendingEvents: number } } };
        return data.kpis.freshness.pendingEvents === 0;
      },
      { what: "all events to be rolled up", deadlineMs },
    );
  }

  async stop(): Promise<void> {
    for (const child of this.#running.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  }

  /** Starts a command that stays, and resolves with the first log entry that says so. */
  async #startUntil(
    command: string,
    isReady: (entry: Record<string, unknown>) => boolean,
  ): Promise<Record<string, unknown>> {
    const child = this.#spawn([command], "info");
    this.#running.push(child);
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    const said: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface(stream).on("line", (line) => {
        const entry = entryOf(line);
        if (entry !== null && isReady(entry)) resolve(entry);
        // Only what it said before it was ready is ever told.
        else if (said.length < 100) said.push(line);
      });
    }
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}:\n${said.join("\n")}`)));
    return promise;
  }

  #spawn(args: readonly string[], logLevel: string): ChildProcess {
    const argv = [CLI, ...args];
    return spawn(process.execPath, argv, {
      env: { ...this.#env, LOG_LEVEL: logLevel },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = "";
  if (stream !== null) for await (const chunk of stream) text += String(chunk);
  return text;
}

async function readPeakRss(pid: number | undefined): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

function entryOf(line: string): Record<string, unknown> | null {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === "object" && entry !== null ? { ...entry } : null;
  } catch {
    return null;
  }
}
