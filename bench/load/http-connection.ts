/**
 * One kept connection over which one POST at a time goes, with as little work as can be: on two cores what a client takes is
 * taken from who is measured, and Node's own client takes as much as a bare server.
 */
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class HttpConnection {
  readonly #socket: Socket;
  readonly #head: string;
  #received = "";
  #waiting: Waiting | null = null;

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    const { hostname, port, pathname } = new URL(url);
    if (hostname !== "127.0.0.1") throw new Error("Load goes to loopback alone");
    const lines = Object.entries({ host: `${hostname}:${port}`, "content-type": "application/json", ...headers });
    this.#head = `POST ${pathname} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}`;
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    // Answers are ASCII here, so that a length in characters is one in bytes.
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (chunk: string) => this.#take(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("The server closed the connection")));
  }

  post(body: string): Promise<Answer> {
    if (this.#waiting !== null) throw new Error("One request at a time");
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting = { resolve, reject };
    this.#socket.write(`${this.#head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return promise;
  }

  end(): void {
    this.#socket.destroy();
  }

  #take(chunk: string): void {
    this.#received += chunk;
    const head = this.#received.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#received.slice(0, head))?.[1];
    if (length === undefined) return this.#fail(new Error("An answer without a length"));
    const start = head + 4;
    if (this.#received.length < start + Number(length)) return;
    const answer = { status: Number(this.#received.slice(9, 12)), body: this.#received.slice(start) };
    this.#received = "";
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(answer);
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}
