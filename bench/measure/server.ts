/** Servers under measurement: a process of Node's that says where it listens. */
import type { BenchProcess } from "../scene/processes.js";
import type { DatabasePair, Scene } from "../scene/scene.js";

export interface MeasuredServer {
  /** Of GraphQL, on 127.0.0.1. */
  readonly url: string;
  readonly process: BenchProcess;
}

/** As all that are compared run. */
const PRODUCTION = { NODE_ENV: "production", GRAPHILE_ENV: "production" } as const;

/** A key is one caller of many: measured alone, it asks for more than any budget holds. Prices are worked out all the same. */
const UNTHROTTLED = { COST_BUDGET: "0", MAX_QUERY_COST: "0" } as const;

/** Starts the program's `serve` as it is by default, but for the given settings, and without budgets. */
export function startServe(
  scene: Scene,
  databases: DatabasePair,
  env: Readonly<Record<string, string>> = {},
): Promise<MeasuredServer> {
  const started = scene.program(databases, ["serve"], {
    ...PRODUCTION,
    ...UNTHROTTLED,
    PORT: "0",
    LOG_LEVEL: "info",
    ...env,
  });
  return whenListening(started, /"url":"http:\/\/127\.0\.0\.1:(\d+)"/);
}

async function whenListening(started: BenchProcess, pattern: RegExp): Promise<MeasuredServer> {
  const [, port] = await started.line(pattern);
  return { url: `http://127.0.0.1:${port}/graphql`, process: started };
}

/** Starts one of bench/peers, in Node alone: its types are stripped. */
export function startPeer(scene: Scene, name: string, env: Readonly<Record<string, string>>): Promise<MeasuredServer> {
  const file = new URL(`../peers/${name}.ts`, import.meta.url).pathname;
  return whenListening(scene.start([file], { ...PRODUCTION, ...env }), /^listening on (\d+)$/);
}

/** One request; throws unless it is answered with data and without errors. */
export async function ask<Answer>(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<{ readonly answer: Answer; readonly bytes: number }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const text = await response.text();
  const answer = JSON.parse(text) as Answer & { readonly errors?: unknown };
  if (!response.ok || answer.errors !== undefined) {
    throw new Error(`${url} answered ${response.status}: ${text.slice(0, 2_000)}`);
  }
  return { answer, bytes: Buffer.byteLength(text) };
}
