import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface BenchProcess {
  readonly pid: number;
  /** Resolves with the first line on its output that matches; rejects where it ends before. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Waits for its end by itself and gives its stdout; rejects where it failed. */
  finished(): Promise<string>;
  /** SIGTERM, then SIGKILL after ten seconds. May be called again, and after it ended. */
  stop(): Promise<void>;
}

const STOP_MS = 10_000;

/** A program of Node's with this environment and no more, besides what finds programs. */
export function startProcess(args: readonly string[], env: Readonly<Record<string, string>>): BenchProcess {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let stderr = "";
  let ending: number | null | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      if (stream === child.stderr) stderr = `${stderr}${line}\n`.slice(-20_000);
      lines.push(line);
      for (const check of waiting) check();
    });
  }
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  const closed = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      ending = code;
      for (const check of waiting) check();
      resolve(code);
    });
  });
  return {
    pid: child.pid ?? 0,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
          if (found !== undefined) resolve(found);
          else if (ending !== undefined)
            reject(new Error(`It ended with ${ending} before it said ${pattern}\n${stderr}`));
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
    async finished() {
      const code = await closed;
      if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}\n${stderr}`);
      return stdout;
    },
    async stop() {
      if (ending !== undefined) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}
