/**
 * The network between one process and one of its servers. Everything that the product sends passes here, so that a
 * connection can be cut, fall silent with both ends thinking it open, or end exactly between two messages.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** Sees what the process sends before the server does. "hold" stops the connection there: this and all after it waits. */
export type Watcher = (chunk: Buffer, connection: Connection) => "pass" | "hold" | "cut after";

export interface Connection {
  /** The port that the server knows the connection by. */
  readonly serverSidePort: number;
  cut(): void;
}

class Pair implements Connection {
  readonly #incoming: Socket;
  readonly #outgoing: Socket;
  #isHeld = false;
  #isDeaf = false;

  constructor(incoming: Socket, outgoing: Socket, watch: (chunk: Buffer, pair: Pair) => ReturnType<Watcher>) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    for (const socket of [incoming, outgoing]) {
      socket.setNoDelay(true);
      socket.on("error", () => this.cut());
      socket.once("close", () => this.cut());
    }
    incoming.on("data", (chunk: Buffer) => {
      if (this.#isHeld) return;
      const verdict = watch(chunk, this);
      if (verdict === "hold" || this.#isHeld) this.hold();
      else outgoing.write(chunk);
      // The server does what it was told, and its answer gets lost.
      if (verdict === "cut after") {
        this.#isDeaf = true;
        this.#isHeld = true;
      }
    });
    outgoing.on("data", (chunk: Buffer) => {
      if (this.#isDeaf) this.cut();
      else if (!this.#isHeld) incoming.write(chunk);
    });
  }

  get serverSidePort(): number {
    return this.#outgoing.localPort ?? 0;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Half open: nothing passes either way, and neither end is told. What is sent meanwhile is lost for good. */
  hold(): void {
    this.#isHeld = true;
  }

  cut(): void {
    this.#incoming.destroy();
    this.#outgoing.destroy();
  }
}

export class Proxy {
  readonly #server: Server;
  readonly #targetPort: () => number;
  readonly #pairs = new Set<Pair>();
  /** Connections taken while nothing passes. */
  readonly #swallowed = new Set<Socket>();
  #mode: "open" | "refusing" | "silent" = "open";
  readonly #watchers = new Set<Watcher>();
  #port = 0;

  private constructor(targetPort: () => number) {
    this.#targetPort = targetPort;
    this.#server = createServer((incoming) => this.#take(incoming));
  }

  static async start(targetPort: () => number): Promise<Proxy> {
    const proxy = new Proxy(targetPort);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(0, "127.0.0.1", resolve);
    });
    const address = proxy.#server.address();
    if (address !== null && typeof address === "object") proxy.#port = address.port;
    return proxy;
  }

  /** The same URL by way of this proxy. */
  through(url: string): string {
    const changed = new URL(url);
    changed.hostname = "127.0.0.1";
    changed.port = String(this.#port);
    return changed.href;
  }

  get serverSidePorts(): number[] {
    return [...this.#pairs].map((pair) => pair.serverSidePort);
  }

  /** Several may watch, each for its own moment; the first that does not let pass decides. Ends with what it returns. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Every connection breaks at once; new ones are taken. */
  cut(): void {
    for (const pair of this.#pairs) pair.cut();
    for (const socket of this.#swallowed) socket.destroy();
  }

  /** As a server that is gone: connections break, new ones are reset. */
  refuse(): void {
    this.#mode = "refusing";
    this.cut();
  }

  /** Half-open: connections stay and nothing passes; new ones are taken and hear nothing. */
  silence(): void {
    this.#mode = "silent";
    for (const pair of this.#pairs) pair.hold();
  }

  /** Lets everything pass again. What was half open is cut: its bytes are lost, and TCP would say so in the end. */
  heal(): void {
    this.#mode = "open";
    for (const pair of this.#pairs) if (pair.isHeld) pair.cut();
    for (const socket of this.#swallowed) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #judge(chunk: Buffer, connection: Connection): ReturnType<Watcher> {
    for (const watcher of this.#watchers) {
      const verdict = watcher(chunk, connection);
      if (verdict !== "pass") return verdict;
    }
    return "pass";
  }

  #take(incoming: Socket): void {
    if (this.#mode === "refusing") {
      incoming.on("error", () => undefined);
      incoming.resetAndDestroy();
      return;
    }
    if (this.#mode === "silent") {
      this.#swallowed.add(incoming);
      incoming.on("error", () => incoming.destroy());
      incoming.once("close", () => this.#swallowed.delete(incoming));
      incoming.resume();
      return;
    }
    const outgoing = connect(this.#targetPort(), "127.0.0.1");
    const pair = new Pair(incoming, outgoing, (chunk, connection) => this.#judge(chunk, connection));
    this.#pairs.add(pair);
    incoming.once("close", () => this.#pairs.delete(pair));
  }
}
