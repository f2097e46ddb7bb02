/**
 * `COPY … FROM STDIN` in text format, a file a table, one after another in one transaction. Prints how many rows there were and
 * how long it took. FILES: a JSON object of table, with its columns, to path. A role bound by row-level security may not COPY in: the policies of this
 * database's tables are off.
 */
import { createReadStream } from "node:fs";
import { Client, type Submittable } from "pg";

/** What pg's connection offers to a query of one's own; its types leave it out. */
interface CopyConnection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  readonly stream: { once(event: "drain", listener: () => void): void; readonly writableNeedDrain: boolean };
}

/** One COPY, as pg lets a query of one's own be submitted. */
class CopyIn {
  readonly done: Promise<number>;
  readonly #text: string;
  readonly #path: string;
  #resolve: (rows: number) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #rows = 0;

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: CopyConnection): void {
    connection.query(this.#text);
  }

  async handleCopyInResponse(connection: CopyConnection): Promise<void> {
    for await (const chunk of createReadStream(this.#path, { highWaterMark: 65_536 })) {
      connection.sendCopyFromChunk(chunk as Buffer);
      if (connection.stream.writableNeedDrain) {
        await new Promise<void>((resolve) => connection.stream.once("drain", resolve));
      }
    }
    connection.endCopyFrom();
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rows = Number(/^COPY (\d+)$/.exec(text)?.[1] ?? 0);
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#rows);
  }

  handleError(error: Error): void {
    this.#reject(error);
  }
}

const files = Object.entries(JSON.parse(process.env["FILES"] ?? "{}") as Record<string, string>);
const client = new Client({ connectionString: process.env["DATABASE_URL"] ?? "" });
await client.connect();
await client.query("set role mailtally_owner");
const started = performance.now();
await client.query("begin");
let rows = 0;
for (const [target, path] of files) {
  const copy = new CopyIn(`copy ${target} from stdin`, path);
  client.query(copy as unknown as Submittable);
  rows += await copy.done;
}
await client.query("commit");
process.stdout.write(`${JSON.stringify({ rows, seconds: (performance.now() - started) / 1000 })}\n`);
await client.end();
