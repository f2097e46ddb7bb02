/**
 * `import`: a file of NDJSON until all its events are durable, by the program's command as an operator runs it, against
 * `COPY` of the same rows into the tables of events. COPY judges nothing, knows no campaign or recipient and has no ledger; its
 * files are made before.
 */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import type { Benchmark, Row } from "./benchmark.js";
import { writeCopyFiles } from "./import/copy-files.js";
import { alternate } from "./measure/alternate.js";
import { compared } from "./measure/compared.js";
import { cpuSeconds, parentOf } from "./measure/cpu-time.js";
import type { DatabasePair, Scene } from "./scene/scene.js";
import { createBenchTenant } from "./scene/tenant.js";
import { withClient } from "./scene/with-client.js";

const ROUNDS = 5;

interface Figures {
  readonly eventsPerSecond: number;
  /** Microseconds of processor time. */
  readonly nodePerEvent: number;
  readonly postgresPerEvent: number;
}

export const importing: Benchmark = {
  name: "import",
  about: "a file of events until all are durable, against COPY into the tables",
  async run(scene) {
    const events = scene.full ? 1_000_000 : 100_000;
    const file = path.join(scene.folder, "events.ndjson");
    await promisify(execFile)(process.execPath, [
      path.join(import.meta.dirname, "make-events.ts"),
      String(events),
      file,
    ]);
    const databases = await scene.createDatabases("import");
    const copied = await scene.createDatabases("copied");
    const { slug } = await createBenchTenant(databases, "import");
    const { tables, files, months } = await writeCopyFiles(file, scene.folder);
    await prepareTables(copied, months);
    scene.say(`import: ${events} events lie in files`);
    const figures = await alternate(
      {
        ours: async () => {
          await truncate(databases, ["inbox"]);
          return measure(scene, events, async () => {
            const settings = { MAX_WAITING_EVENTS: "20000000", MAX_WAITING_EVENTS_PER_TENANT: "10000000" };
            await scene.program(databases, ["import", file, "--tenant", slug], settings).finished();
          });
        },
        theirs: async () => {
          await truncate(copied, tables);
          return measure(scene, events, async () => {
            const peer = path.join(import.meta.dirname, "peers/copy.ts");
            const env = { DATABASE_URL: copied.eventsUrl, FILES: JSON.stringify(files) };
            const { rows } = JSON.parse(await scene.start([peer], env).finished()) as { readonly rows: number };
            if (rows !== events) throw new Error(`COPY took ${rows} of ${events} rows`);
          });
        },
      },
      ROUNDS,
    );
    const row = (name: string, unit: string, of: (each: Figures) => number, target: Row["target"] = null): Row =>
      compared({ name, unit, target }, figures.ours.map(of), { name: "COPY", figures: figures.theirs.map(of) });
    return [
      row(`${events} events until durable`, "events/s", (each) => each.eventsPerSecond, { atLeast: 0.4 }),
      row("Node", "µs CPU/event", (each) => each.nodePerEvent),
      row("PostgreSQL", "µs CPU/event", (each) => each.postgresPerEvent),
    ];
  },
};

/** Of a program from its start to its end. */
async function measure(scene: Scene, events: number, run: () => Promise<void>): Promise<Figures> {
  const postgres = await scene.postgresPid();
  const isOurChild = parentOf(postgres) === process.pid;
  const read = () => {
    const [all, server] = [cpuSeconds([process.pid]), cpuSeconds([postgres])];
    return { node: isOurChild ? all - server : all, postgres: server };
  };
  const before = read();
  const started = performance.now();
  await run();
  const seconds = (performance.now() - started) / 1000;
  const after = read();
  return {
    eventsPerSecond: events / seconds,
    nodePerEvent: ((after.node - before.node) * 1e6) / events,
    postgresPerEvent: ((after.postgres - before.postgres) * 1e6) / events,
  };
}

/** Makes the partitions, and switches off the policies: a role that is bound by them may not COPY in. */
async function prepareTables({ eventsUrl }: DatabasePair, months: readonly string[]): Promise<void> {
  await withClient(eventsUrl, async (client) => {
    await client.query("set role mailtally_worker");
    for (const month of months) await client.query("select ensure_event_partitions($1)", [`${month}-01T00:00:00Z`]);
    await client.query("set role mailtally_owner");
    const { rows } = await client.query<{ name: string }>(
      `select quote_ident(relname) as name from pg_class
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relrowsecurity`,
    );
    for (const { name } of rows) {
      await client.query(`alter table ${name} no force row level security, disable row level security`);
    }
  });
}

async function truncate({ eventsUrl }: DatabasePair, tables: readonly string[]): Promise<void> {
  await withClient(eventsUrl, async (client) => {
    await client.query("set role mailtally_owner");
    await client.query(`truncate ${tables.join(", ")}`);
  });
}
