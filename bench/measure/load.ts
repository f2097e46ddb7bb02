/** Load over HTTP from a process of its own: autocannon, on loopback, for a bounded time or number of requests. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cpuSeconds } from "./cpu-time.js";

const PROGRAM = fileURLToPath(new URL("./load-program.ts", import.meta.url));
const MAX_OUTPUT_BYTES = 50_000_000;

type Headers = Readonly<Record<string, string>>;

/** What the generator is told. */
export interface LoadOrder {
  readonly url: string;
  readonly connections: number;
  /** Each connection takes the next ones and keeps them; there may be more or fewer than connections. */
  readonly headers: readonly Headers[];
  /** `[<id>]` in it is something else in each request. */
  readonly body: string;
  /** How long, or how many requests. */
  readonly seconds?: number;
  readonly requests?: number;
}

export interface LoadOptions extends Omit<LoadOrder, "headers"> {
  /** The same on all connections, or a list from which each connection takes the next. */
  readonly headers: Headers | readonly Headers[];
  /** The processes whose processor time is counted, none the child of another; autocannon's is not. */
  readonly pids: readonly number[];
}

export interface LoadFigures {
  readonly requests: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly requestsPerCpuSecond: number;
  readonly cpuMsPerRequest: number;
  /** The same for each of the processes given, with its children, in their order. */
  readonly cpuMsPerRequestOf: readonly number[];
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Only what autocannon's JSON is read for. */
export interface AutocannonResult {
  readonly "2xx": number;
  readonly non2xx: number;
  readonly errors: number;
  readonly timeouts: number;
  /** From the first request to the last answer; autocannon's own duration ends with a tick of its clock. */
  readonly elapsedSeconds: number;
  readonly latency: { readonly p50: number; readonly p99: number };
}

/** Throws where a single request failed: what is fast because it refuses is not fast. */
export async function load(options: LoadOptions): Promise<LoadFigures> {
  const { pids, headers, ...rest } = options;
  const { url } = options;
  if (!/^http:\/\/127\.0\.0\.1:\d+\//.test(url)) throw new Error("Load goes to loopback alone");
  const own: readonly Headers[] = isList(headers) ? headers : [headers];
  const order: LoadOrder = { ...rest, headers: own.map((each) => ({ "content-type": "application/json", ...each })) };
  const env = { ...process.env, LOAD_ORDER: JSON.stringify(order) };
  const before = pids.map((pid) => cpuSeconds([pid]));
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM], { env, maxBuffer: MAX_OUTPUT_BYTES });
  const spent = pids.map((pid, at) => cpuSeconds([pid]) - (before[at] ?? 0));
  const cpu = spent.reduce((sum, seconds) => sum + seconds, 0);
  const result = JSON.parse(stdout) as AutocannonResult;
  const done = result["2xx"];
  if (result.non2xx + result.errors + result.timeouts > 0 || done === 0) {
    throw new Error(`Of the load on ${url} ${done} were answered, ${result.non2xx} refused, ${result.errors} failed`);
  }
  return {
    requests: done,
    seconds: result.elapsedSeconds,
    requestsPerSecond: done / result.elapsedSeconds,
    requestsPerCpuSecond: done / cpu,
    cpuMsPerRequest: (cpu * 1000) / done,
    cpuMsPerRequestOf: spent.map((seconds) => (seconds * 1000) / done),
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}

/**
 * The same load again and again: the first time for so many seconds, after that as many requests as that was. A load that
 * ends with the clock leaves a request open on each connection, which cost and is not counted: the slower, the more.
 */
export function repeatableLoad(options: Omit<LoadOptions, "requests"> & { readonly seconds: number }) {
  const { seconds, ...rest } = options;
  let requests: number | null = null;
  return async (): Promise<LoadFigures> => {
    const figures = await load(requests === null ? options : { ...rest, requests });
    requests ??= Math.max(options.connections, Math.round(figures.requestsPerSecond * seconds));
    return figures;
  };
}

function isList(headers: Headers | readonly Headers[]): headers is readonly Headers[] {
  return Array.isArray(headers);
}
