import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { inject } from "vitest";
import { freePort } from "../../src/database/embedded-port.js";
import { createGuardedFolder } from "./guarded-folder.js";
import { redisServer } from "./test-services.js";
import { waitFor } from "./wait-for.js";

export interface StartedRedis {
  readonly url: string;
  /** Lets it end in peace; may be called after `kill()` as well. */
  stop(): Promise<void>;
  /** kill -9, for tests of what happens without Redis. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and are accepted, and nothing answers. */
  freeze(): void;
  /** SIGCONT: answers whatever it was asked meanwhile. */
  thaw(): void;
}

/** The Redis that all test files share: use keys that no other test uses, and never flush it. */
export function testRedisUrl(): string {
  return inject("redisUrl");
}

/** A Redis of the test's own, which keeps nothing on disk. */
export async function startRedis(port?: number): Promise<StartedRedis> {
  const chosen = port ?? (await freePort());
  const folder = await createGuardedFolder("redis.pid");
  const settings = { port: String(chosen), bind: "127.0.0.1", save: "", appendonly: "no", dir: folder.path };
  const args = Object.entries({ ...settings, pidfile: join(folder.path, "redis.pid") });
  const child = spawn(
    redisServer(),
    args.flatMap(([name, value]) => [`--${name}`, value]),
    { stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const end = async (signal: NodeJS.Signals) => {
    await endProcess(child, signal);
    // Redis leaves it when it is killed, and the guard must not end whoever gets that id next.
    await rm(join(folder.path, "redis.pid"), { force: true });
    await folder.remove();
  };
  try {
    await waitFor(() => answersPing(chosen, child), { what: `redis-server on port ${chosen}` });
  } catch (cause) {
    await end("SIGKILL");
    throw new Error(`redis-server did not start:\n${output}`, { cause });
  }
  return {
    url: `redis://127.0.0.1:${chosen}`,
    stop: () => {
      child.kill("SIGCONT");
      return end("SIGTERM");
    },
    kill: () => end("SIGKILL"),
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
  };
}

async function answersPing(port: number, child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: "127.0.0.1" }, () => socket.write("PING\r\n"));
    socket.once("error", reject);
    socket.once("data", (reply) => {
      socket.destroy();
      resolve(reply.toString().startsWith("+PONG"));
    });
  });
}

function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}
