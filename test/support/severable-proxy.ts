import { createServer, connect, type Server, type Socket } from "node:net";

export interface SeverableProxy {
  /** The URL given, by way of the proxy. */
  readonly url: string;
  /** Cuts every connection and refuses new ones, as a server that died does. */
  sever(): Promise<void>;
  /** Lets nothing more through on the connections there are, and closes none: the other side is gone without a word. */
  freeze(): void;
  /** Takes connections again, and lets nothing through, as a network that swallows packets does. */
  swallow(): Promise<void>;
  restore(): Promise<void>;
  stop(): Promise<void>;
}

/** A way to a server that can be cut without harm to the tests that share the server. */
export async function startSeverableProxy(target: string): Promise<SeverableProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isSwallowing = false;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer((incoming) => {
    keep(incoming);
    if (isSwallowing) return;
    const outgoing = connect(Number(port), hostname);
    keep(outgoing);
    incoming.pipe(outgoing).pipe(incoming);
    incoming.once("close", () => outgoing.destroy());
    outgoing.once("close", () => incoming.destroy());
  });
  const cut = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((done) => server.close(done));
  };
  const chosen = await listen(server, 0);
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String(chosen);
  return {
    url: url.href,
    sever: cut,
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    swallow: async () => {
      await cut();
      isSwallowing = true;
      await listen(server, chosen);
    },
    restore: async () => {
      await cut();
      isSwallowing = false;
      await listen(server, chosen);
    },
    stop: cut,
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : 0);
    });
  });
}
