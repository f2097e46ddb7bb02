/** How long single things take, one after another: no load beside them but what the machine has anyway. */
import { Agent, request } from "node:http";
import { median } from "./alternate.js";

export interface Call {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** The median of so many times that the work takes, in milliseconds. */
export async function millisecondsOf(work: () => Promise<unknown>, times: number): Promise<number> {
  const figures: number[] = [];
  for (let time = 0; time < times; time++) {
    const started = performance.now();
    await work();
    figures.push(performance.now() - started);
  }
  return median(figures);
}

/** One request on a connection that is kept; resolves with the last byte of the answer. Throws unless it is a 200. */
export async function post(call: Call): Promise<void> {
  const { status, text } = await answerTo(call);
  if (status !== 200) throw new Error(`${call.url} answered ${status}: ${text.slice(0, 2_000)}`);
}

/** One request on a connection that is kept, and its answer, whatever it is. */
export function answerTo({ url, headers, body }: Call): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method: "POST", agent, headers: { "content-type": "application/json", ...headers } },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => (text += chunk));
        answer.on("error", reject);
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}
