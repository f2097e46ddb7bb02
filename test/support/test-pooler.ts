/** PgBouncer in transaction mode, as Debian has it, in front of a test's databases. It refuses to run as root. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { freePort } from "../../src/database/embedded-port.js";
import { createGuardedFolder } from "./guarded-folder.js";
import { pgbouncer } from "./test-services.js";
import { waitFor } from "./wait-for.js";

interface StartedPooler {
  /** The URL given, by way of the pooler. */
  url(direct: string): string;
  stop(): Promise<void>;
}

/** `serverConnections`: to each database, for all that connect to it. */
export async function startPooler(
  direct: string,
  { serverConnections }: { readonly serverConnections: number },
): Promise<StartedPooler> {
  const port = await freePort();
  const folder = await createGuardedFolder("no.pid");
  const { hostname, port: serverPort, username, password } = new URL(direct);
  const login = `user=${decodeURIComponent(username)} password=${decodeURIComponent(password)}`;
  const settings = `[databases]
* = host=${hostname} port=${serverPort === "" ? "5432" : serverPort} ${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
`;
  const file = join(folder.path, "pgbouncer.ini");
  await writeFile(file, settings);
  await chmod(file, 0o644);
  const asSomebody = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child = spawn(pgbouncer(), [...asSomebody, file], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const url = (of: string): string => {
    const pooled = new URL(of);
    pooled.hostname = "127.0.0.1";
    pooled.port = String(port);
    return pooled.href;
  };
  const stop = async (): Promise<void> => {
    await ended(child);
    await folder.remove();
  };
  try {
    await waitFor(() => answers(url(direct), child), { what: `pgbouncer on port ${port}` });
  } catch (cause) {
    await stop();
    throw new Error(`pgbouncer did not start:\n${output}`, { cause });
  }
  return { url, stop };
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}`);
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("select 1");
  await client.end();
  return true;
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
