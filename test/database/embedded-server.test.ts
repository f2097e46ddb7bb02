import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { serverAccount } from "../../src/database/embedded-account.js";
import { packagedPostgres, reachablePostgres } from "../../src/database/embedded-binaries.js";
import {
  borrowEmbeddedServer,
  type EmbeddedServer,
  type EmbeddedServerOptions,
  startEmbeddedServer,
} from "../../src/database/embedded-server.js";
import { createGuardedFolder, type GuardedFolder } from "../support/guarded-folder.js";
import { waitFor } from "../support/wait-for.js";
import {
  ask,
  clusterOf,
  launchServerProgram,
  listenOn,
  type RunningProgram,
  startServerProgram,
} from "./running-server.js";

// New clusters, several in some tests: seconds of work each where nothing else runs.
vi.setConfig({ testTimeout: 60_000 });

const isRoot = process.getuid?.() === 0;
const log = pino({ level: "silent" });

let guarded: GuardedFolder;
let folder: string;
let dataDir: string;
const running: EmbeddedServer[] = [];
const programs: ChildProcess[] = [];

beforeAll(async () => {
  guarded = await createGuardedFolder("data/postgresql/postmaster.pid");
  folder = guarded.path;
  dataDir = join(folder, "data");
});

afterEach(async () => {
  for (const program of programs.splice(0)) program.kill("SIGKILL");
  for (const server of running.splice(0)) await server.stop();
  // A server that a killed program left behind: the last to leave takes it along.
  await (await borrowEmbeddedServer({ dataDir, databases: [], log })).stop();
});

afterAll(() => guarded.remove());

function start(options: Partial<EmbeddedServerOptions> = {}): Promise<EmbeddedServer> {
  return keep(startEmbeddedServer({ dataDir, databases: ["events", "metrics"], log, ...options }));
}

function borrow(): Promise<EmbeddedServer> {
  return keep(borrowEmbeddedServer({ dataDir, databases: [], log }));
}

async function keep(starting: Promise<EmbeddedServer>): Promise<EmbeddedServer> {
  const server = await starting;
  running.push(server);
  return server;
}

async function startProgram(...args: readonly string[]): Promise<RunningProgram> {
  return startServerProgram(args, (program) => programs.push(program));
}

async function postmasterPid(): Promise<number> {
  const written = await readFile(join(await clusterOf(dataDir), "postmaster.pid"), "utf8");
  return Number(written.split("\n")[0]);
}

const STARTED = "select pg_postmaster_start_time()::text";

describe("an embedded server", () => {
  test("says when it makes a new cluster, and finds its data again afterwards", async () => {
    let firstStarts = 0;
    const onFirstStart = () => void (firstStarts += 1);
    const first = await start({ onFirstStart });
    await ask(first.url("events"), "create table kept as select 42 as answer");
    await first.stop();

    const second = await start({ onFirstStart });

    expect(await ask(second.url("events"), "select answer from kept")).toBe("42");
    expect(await ask(second.url("metrics"), "select current_database()")).toBe("metrics");
    expect(firstStarts).toBe(1);
    expect(second.port).toBe(first.port);
  });

  test("lets in nobody without the password, and its role is no superuser", async () => {
    const server = await start();
    const guessed = new URL(server.url("events"));
    guessed.password = "mailtally";

    await expect(ask(guessed.href, "select 1")).rejects.toThrow(/password authentication failed/);
    const rights = "select rolsuper || ' ' || rolcreaterole || ' ' || rolcreatedb || ' ' || rolbypassrls";
    expect(await ask(server.url("events"), `${rights} from pg_roles where rolname = current_user`)).toBe(
      "false true true false",
    );
    expect(await ask(server.url("events"), "show listen_addresses")).toBe("127.0.0.1");
    expect((await stat(join(dataDir, "postgresql.json"))).mode & 0o777).toBe(0o600);
  });

  test("that is killed under its program is started again, with its data, where it was", async () => {
    const server = await start();
    await ask(server.url("events"), "create table kept_over as select 42 as answer");
    process.kill(await postmasterPid(), "SIGKILL");

    const found = () => ask(server.url("events"), "select answer from kept_over");
    expect(await waitFor(found, { what: "the server to answer again", deadlineMs: 30_000 })).toBe("42");
    await server.stop();
    await expect(postmasterPid()).rejects.toThrow("ENOENT");
  });

  test("is refused to a second program and shared with a command", async () => {
    const owner = await startProgram(dataDir);

    await expect(start()).rejects.toThrow(`already running on ${dataDir}, pid ${owner.program.pid}`);
    const borrowed = await borrow();
    await borrowed.stop();

    expect(await ask(owner.url, "select 1")).toBe("1");
  });

  test("lives until the last of a program and a command has left", async () => {
    const program = await start();
    const command = await borrow();
    await program.stop();
    expect(await ask(command.url("events"), "select 1")).toBe("1");

    await command.stop();

    await expect(ask(command.url("events"), "select 1")).rejects.toThrow(/ECONNREFUSED/);
  });

  test("starts once for many commands that come at the same time", async () => {
    const commands = await Promise.all([borrow(), borrow(), borrow()]);

    const starts = await Promise.all(commands.map((command) => ask(command.url("events"), STARTED)));

    expect(new Set(starts).size).toBe(1);
  });

  test("survives kill -9 of its program and is taken over as it runs", async () => {
    const owner = await startProgram(dataDir);
    const startedAt = await ask(owner.url, STARTED);
    owner.program.kill("SIGKILL");
    await owner.ended;

    const next = await start();

    expect(await ask(next.url("events"), STARTED)).toBe(startedAt);
  });

  test("recovers what was committed when it is killed with -9 itself", async () => {
    const first = await start();
    await ask(first.url("events"), "create table committed as select generate_series(1, 1000) as n");
    process.kill(await postmasterPid(), "SIGKILL");
    await first.stop();

    const next = await start();

    expect(await ask(next.url("events"), "select count(*) from committed")).toBe("1000");
  });

  test("starts again only after the last back end of a killed server has gone", async () => {
    const first = await start();
    const busy = "do $$ begin while clock_timestamp() < now() + interval '1.5 seconds' loop end loop; end $$";
    const orphaned = ask(first.url("events"), busy).catch(() => undefined);
    const others = "select count(*) from pg_stat_activity where state = 'active' and query like 'do $$%'";
    await waitFor(async () => (await ask(first.url("events"), others)) === "1", { what: "the back end to be busy" });
    process.kill(await postmasterPid(), "SIGKILL");
    await first.stop();

    const next = await start();

    expect(await ask(next.url("events"), "select 1")).toBe("1");
    expect(await readFile(join(dataDir, "postgresql.log"), "utf8")).toContain("shared memory block");
    await orphaned;
  });

  test("starts although the id in its pid file belongs to another process by now", async () => {
    const first = await start();
    const cluster = await clusterOf(dataDir);
    const pidFile = join(cluster, "postmaster.pid");
    // PostgreSQL heeds only processes of its own account.
    const stranger = spawn("sleep", ["60"], isRoot ? { uid: (await stat(cluster)).uid } : {});
    onTestFinished(() => void stranger.kill());
    process.kill(await postmasterPid(), "SIGKILL");
    await writeFile(pidFile, (await readFile(pidFile, "utf8")).replace(/^\d+/, String(stranger.pid)));
    await first.stop();

    const next = await start();

    expect(await ask(next.url("events"), "select 1")).toBe("1");
  });

  test("starts although a power failure left its lock and its list of users empty or cut short", async () => {
    await (await start()).stop();
    for (const left of ["", '{"id":"5d3c']) {
      await writeFile(join(dataDir, "postgresql.lock"), left);
      await writeFile(join(dataDir, "postgresql-users.json"), left);

      const server = await start();

      expect(await ask(server.url("events"), "select 1")).toBe("1");
      await server.stop();
    }
    expect(await readdir(dataDir)).not.toContain("postgresql.lock");
  });

  test("is not reached by a Ctrl-C for its program's whole process group", async () => {
    const owner = await startProgram(dataDir);
    const startedAt = await ask(owner.url, STARTED);

    process.kill(-(owner.program.pid ?? 0), "SIGINT");
    await waitFor(() => owner.output().includes("interrupted"), { what: "the program to see the interrupt" });

    expect(await ask(owner.url, STARTED)).toBe(startedAt);
    owner.program.kill("SIGTERM");
    expect(await owner.ended).toBe(0);
    await expect(ask(owner.url, "select 1")).rejects.toThrow(/ECONNREFUSED/);
  });

  test("ends with a program that leaves at once, and goes on where somebody else uses it", async () => {
    const alone = await startProgram(dataDir);
    alone.program.kill("SIGHUP");
    expect(await alone.ended).toBe(3);
    await waitFor(
      () =>
        postmasterPid().then(
          () => false,
          () => true,
        ),
      { what: "PostgreSQL to end by itself", deadlineMs: 30_000 },
    );

    const together = await startProgram(dataDir);
    const command = await borrow();
    const startedAt = await ask(together.url, STARTED);
    together.program.kill("SIGHUP");
    expect(await together.ended).toBe(3);
    expect(await ask(together.url, STARTED)).toBe(startedAt);
    await command.stop();
    await expect(postmasterPid()).rejects.toThrow("ENOENT");
  });

  test("moves to another port where its own is taken, and remembers it", async () => {
    const first = await start();
    await first.stop();
    const squatter = await listenOn(first.port);
    onTestFinished(() => void squatter.close());

    const second = await start();
    await second.stop();
    const third = await start();

    expect(second.port).not.toBe(first.port);
    expect(third.port).toBe(second.port);
  });
});

describe("whoever runs it", () => {
  test("a folder that only its owner may enter holds, or points to, data that is found again", async () => {
    const closed = await mkdtemp(join(tmpdir(), "mailtally-closed-"));
    const options = { dataDir: join(closed, "data"), databases: ["events"], log };
    onTestFinished(async () => {
      const cluster = await clusterOf(options.dataDir);
      if (!cluster.startsWith(closed)) await rm(dirname(cluster), { recursive: true });
      await rm(closed, { recursive: true });
    });
    expect((await stat(closed)).mode & 0o077).toBe(0);
    const first = await keep(startEmbeddedServer(options));
    await ask(first.url("events"), "create table kept as select 42 as answer");
    await first.stop();

    const second = await keep(startEmbeddedServer(options));

    expect(await ask(second.url("events"), "select answer from kept")).toBe("42");
    expect((await clusterOf(options.dataDir)).startsWith(closed)).toBe(!isRoot);
  });

  /** Arguments for a program of a normal user's, with a data folder in a home that is theirs alone. */
  async function asNormalUser(name: string): Promise<readonly [data: string, ...string[]]> {
    const home = join(folder, name);
    await mkdir(home);
    const data = join(home, "data");
    if (!isRoot) return [data];
    const account = await serverAccount(home);
    const postgres = await reachablePostgres(await packagedPostgres(), account);
    await chown(home, account.uid ?? 0, account.gid ?? 0);
    await chmod(home, 0o700);
    return [data, String(account.uid), String(account.gid), postgres];
  }

  test("a normal user runs it under their own account", async () => {
    const args = await asNormalUser("home");

    const owner = await startProgram(...args);

    expect(await ask(owner.url, "select current_user")).toBe("mailtally");
    expect((await stat(join(args[0], "postgresql"))).uid).toBe((await stat(dirname(args[0]))).uid);
    owner.program.kill("SIGTERM");
    expect(await owner.ended).toBe(0);
  });

  test("a database that they may not look into is not taken for a missing one", async () => {
    const args = await asNormalUser("closed-home");
    const cluster = join(args[0], "postgresql");
    await mkdir(args[0]);
    await mkdir(cluster, { mode: 0 });
    if (isRoot) for (const path of [args[0], cluster]) await chown(path, Number(args[1]), Number(args[2]));

    const { ended, output } = launchServerProgram(args, (program) => programs.push(program));

    expect(await ended).toBe(1);
    expect(output()).toMatch(/EACCES: permission denied, stat '.*PG_VERSION'/);

    expect(await readdir(args[0])).toEqual(["postgresql"]);
  });

  test("binaries run where they lie, or as a copy of root's where the server's account cannot reach them", async () => {
    const closed = await mkdtemp(join(tmpdir(), "mailtally-closed-"));
    const original = join(closed, "native");
    await cp(await packagedPostgres(), original, { recursive: true, verbatimSymlinks: true });
    const account = await serverAccount(join(folder, "none"));

    const reachable = await reachablePostgres(original, account);
    onTestFinished(async () => {
      await rm(closed, { recursive: true });
      await rm(reachable, { recursive: true, force: true });
    });

    expect(reachable === original).toBe(!isRoot);
    expect((await stat(reachable)).uid).toBe(process.getuid?.());
    expect((await stat(reachable)).mode & 0o022).toBe(0);
    expect(await reachablePostgres(original, account)).toBe(reachable);
    const options = { dataDir: join(folder, "of-copy"), databases: ["events"], log, postgres: reachable };
    const server = await keep(startEmbeddedServer(options));
    expect(await ask(server.url("events"), "select 1")).toBe("1");
    await server.stop();
  }, 60_000);
});
