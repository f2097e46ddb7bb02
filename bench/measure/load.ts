/** Load over HTTP from a process of its own: autocannon, on loopback, for a bounded time or number of requests. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cpuSeconds } from "./cpu-time.js";

const AUTOCANNON = fileURLToPath(new URL("../node_modules/autocannon/autocannon.js", import.meta.url));
const MAX_OUTPUT_BYTES = 50_000_000;

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** How long, or how many requests. */
  readonly seconds?: number;
  readonly requests?: number;
  /** The processes whose processor time is counted; autocannon's is not. */
  readonly pids: readonly number[];
}

export interface LoadFigures {
  readonly requests: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly requestsPerCpuSecond: number;
  readonly cpuMsPerRequest: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Only what autocannon's JSON is read for. */
interface AutocannonResult {
  readonly "2xx": number;
  readonly non2xx: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly duration: number;
  readonly latency: { readonly p50: number; readonly p99: number };
}

/** Throws where a single request failed: what is fast because it refuses is not fast. */
export async function load(options: LoadOptions): Promise<LoadFigures> {
  const { url, connections, headers, body, seconds, requests, pids } = options;
  if (!/^http:\/\/127\.0\.0\.1:\d+\//.test(url)) throw new Error("Load goes to loopback alone");
  const amount = requests === undefined ? ["--duration", String(seconds ?? 10)] : ["--amount", String(requests)];
  const head = Object.entries(headers).flatMap(([name, value]) => ["--headers", `${name}=${value}`]);
  const what = ["--json", "--connections", String(connections), "--method", "POST", "--body", body, url];
  const args = [AUTOCANNON, ...amount, ...head, ...what];
  const before = cpuSeconds(pids);
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: MAX_OUTPUT_BYTES });
  const cpu = cpuSeconds(pids) - before;
  const result = JSON.parse(stdout) as AutocannonResult;
  const done = result["2xx"];
  if (result.non2xx + result.errors + result.timeouts > 0 || done === 0) {
    throw new Error(`Of the load on ${url} ${done} were answered, ${result.non2xx} refused, ${result.errors} failed`);
  }
  return {
    requests: done,
    seconds: result.duration,
    requestsPerSecond: done / result.duration,
    requestsPerCpuSecond: done / cpu,
    cpuMsPerRequest: (cpu * 1000) / done,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}
