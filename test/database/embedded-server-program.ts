/**
 * A program that owns an embedded server, for the tests to kill. Arguments: data folder, and optionally the user and group id
 * to become first (or empty texts) and the PostgreSQL installation to use. Says `ready <url>`, `interrupted` at every SIGINT, ends at
 * SIGTERM, and at SIGHUP without waiting for anything.
 */
import { pino } from "pino";
import { startEmbeddedServer } from "../../src/database/embedded-server.js";

const [dataDir = "", uid, gid, postgres] = process.argv.slice(2);
if (uid && gid) {
  process.setgroups?.([]);
  process.setgid?.(Number(gid));
  process.setuid?.(Number(uid));
}
const say = (line: string) => process.stdout.write(`${line}\n`);
process.on("SIGINT", () => say("interrupted"));
process.on("SIGHUP", () => process.exit(3));

const server = await startEmbeddedServer({
  dataDir,
  databases: ["events"],
  log: pino({ level: "silent" }),
  ...(postgres === undefined ? {} : { postgres }),
});
process.on("SIGTERM", () => void server.stop().then(() => process.exit(0)));
// The server's process does not keep this one alive, nor does a signal handler.
setInterval(() => undefined, 60_000);
say(`ready ${server.url("events")}`);
