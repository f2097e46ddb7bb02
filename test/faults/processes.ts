/** `serve` and `work` as real processes of dist/, each with a network of its own, which the harness kills and starts again. */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { waitFor } from "../support/wait-for.js";
import { Proxy } from "./proxy.js";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const START_MS = 60_000;

/**
 * What every process is started with. Marks of a full inbox belong here, low enough that a round's load reaches them:
 * clients count an answer of 503 as not acknowledged and come again.
 */
export const SETTINGS: Readonly<Record<string, string>> = {
  MAILTALLY_SECRET: "a secret of the fault harness, long enough for it",
  LOG_LEVEL: "info",
  // Small batches make many transactions to strike at.
  WORKER_BATCH_EVENTS: "150",
  WORKER_POLL_MS: "15",
  DATABASE_WAIT_TIMEOUT_MS: "1000",
  DATABASE_POOL_SIZE: "8",
  // Low enough to be reached while nobody works for a second.
  MAX_WAITING_EVENTS_PER_TENANT: "300",
};

export interface Targets {
  readonly events: { readonly url: string; readonly port: number };
  readonly metrics: { readonly url: string; readonly port: number };
  readonly redis: { readonly url: string; readonly port: number };
}

export interface Links {
  readonly events: Proxy;
  readonly metrics: Proxy;
  readonly redis: Proxy;
}

export class ProductProcess {
  readonly name: string;
  readonly command: "serve" | "work";
  readonly links: Links;
  readonly #targets: Targets;
  readonly #port: number;
  readonly #logFile: string;
  #child: ChildProcess | null = null;
  #isReady = false;
  /** Whether it is meant to run; the supervisor starts it again until it does, as an orchestrator would. */
  isWanted = true;

  private constructor(
    name: string,
    command: "serve" | "work",
    targets: Targets,
    links: Links,
    port: number,
    logFile: string,
  ) {
    this.name = name;
    this.command = command;
    this.#targets = targets;
    this.links = links;
    this.#port = port;
    this.#logFile = logFile;
  }

  /** Its network; the process itself is started by start(). */
  static async create(
    name: string,
    command: "serve" | "work",
    options: { readonly targets: Targets; readonly port: number; readonly logFile: string },
  ): Promise<ProductProcess> {
    const { targets } = options;
    const links = {
      events: await Proxy.start(() => targets.events.port),
      metrics: await Proxy.start(() => targets.metrics.port),
      redis: await Proxy.start(() => targets.redis.port),
    };
    return new ProductProcess(name, command, targets, links, options.port, options.logFile);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get isUp(): boolean {
    return this.#child !== null && this.#isReady;
  }

  /** Starts it where it does not run, again and again: both databases have to be there. */
  async start(): Promise<void> {
    this.isWanted = true;
    await waitFor(
      async () => {
        if (this.#child === null) this.#spawn();
        return this.#isReady;
      },
      { what: `${this.name} to be ready`, deadlineMs: START_MS },
    );
  }

  /** kill -9, also of a frozen one. Resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** In peace: what it has in hand it finishes. */
  async stop(): Promise<void> {
    this.isWanted = false;
    await this.#end("SIGTERM");
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** For good, with its network. */
  async remove(): Promise<void> {
    this.isWanted = false;
    await this.kill();
    for (const link of Object.values(this.links)) await link.stop();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    child.kill(signal);
    await waitFor(() => this.#child !== child, { what: `${this.name} to end`, deadlineMs: START_MS });
  }

  #spawn(): void {
    const { events, metrics, redis } = this.#targets;
    const child = spawn(process.execPath, [CLI, this.command], {
      env: {
        ...SETTINGS,
        PATH: process.env["PATH"],
        PORT: String(this.#port),
        EVENTS_DATABASE_URL: this.links.events.through(events.url),
        METRICS_DATABASE_URL: this.links.metrics.through(metrics.url),
        REDIS_URL: this.links.redis.through(redis.url),
      },
      // Out of the terminal's group: Ctrl-C is the harness's to handle.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#isReady = false;
    const guard = guardOf(child);
    this.#log(`--- ${this.name} started, pid ${child.pid}\n`);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        const text = chunk.toString();
        this.#log(text);
        if (text.includes(`"msg":"${this.command === "serve" ? "serving" : "working"}"`)) this.#isReady = true;
      });
    }
    child.once("exit", (code, signal) => {
      this.#log(`--- ${this.name} ended, ${signal ?? `code ${code}`}\n`);
      guard.kill("SIGKILL");
      this.#isReady = false;
      if (this.#child === child) this.#child = null;
    });
  }

  #log(text: string): void {
    appendFileSync(this.#logFile, text);
  }
}

/** Kills the process when the harness ends, however it ends: only the harness holds the guard's input open. */
function guardOf(child: ChildProcess): ChildProcess {
  return spawn("sh", ["-c", 'cat >/dev/null; kill -9 "$1"', "guard", String(child.pid)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
}
