/**
 * Autocannon in a process of its own: node bench/measure/load-program.ts, with a LoadOrder in LOAD_ORDER. Prints its result as JSON.
 * Its command line cannot give each connection headers of its own.
 */
import { createRequire } from "node:module";
import type { AutocannonResult, LoadOrder } from "./load.js";

interface AutocannonClient {
  setHeaders(headers: Readonly<Record<string, string>>): void;
}

type Autocannon = (options: {
  readonly url: string;
  readonly connections: number;
  readonly method: "POST";
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly duration?: number;
  readonly amount?: number;
  readonly sampleInt: number;
  readonly idReplacement: boolean;
  readonly setupClient: (client: AutocannonClient) => void;
}) => Promise<Omit<AutocannonResult, "elapsedSeconds">> & {
  on(event: "response", listener: () => void): void;
};

// It has no types, and is installed for the benchmarks alone.
const autocannon = createRequire(import.meta.url)("autocannon") as Autocannon;

const { url, connections, headers, body, seconds, requests } = JSON.parse(
  process.env["LOAD_ORDER"] ?? "{}",
) as LoadOrder;
let clients = 0;
const running = autocannon({
  url,
  connections,
  method: "POST",
  body,
  headers: headers[0] ?? {},
  ...(requests === undefined ? { duration: seconds ?? 10 } : { amount: requests }),
  // It notices only so often that it is done.
  sampleInt: 100,
  idReplacement: body.includes("[<id>]"),
  setupClient: (client) => {
    const own = headers[clients++ % headers.length];
    if (own !== undefined) client.setHeaders(own);
  },
});
const begun = performance.now();
let lastAnswer = begun;
running.on("response", () => (lastAnswer = performance.now()));
const result: AutocannonResult = { ...(await running), elapsedSeconds: (lastAnswer - begun) / 1000 };
process.stdout.write(JSON.stringify(result));
