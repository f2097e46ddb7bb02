/**
 * Where the cluster of a data folder lies, and how it comes into being.
 *
 * It lies in the data folder. Where root's program has a data folder that the server's account cannot enter (below /root, or
 * made by `mktemp -d`), it lies in a folder of its own outside, and the record in the data folder says where: without that the
 * second start would find no data. initdb works beside the final place and the result is moved there, so that a first start
 * killed half way leaves nothing that looks like a cluster.
 */
import { spawn } from "node:child_process";
import { chown, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Logger } from "pino";
import { ConfigError } from "../config.js";
import { accountName, canEnter, serverAccount, type ServerAccount } from "./embedded-account.js";
import { packagedPostgres, reachablePostgres, systemFolder } from "./embedded-binaries.js";
import { faultOfFolder, ownershipAdvice } from "./embedded-faults.js";
import { freePort } from "./embedded-port.js";
import { newRecord, readRecord, type ServerRecord, writePrivateFile, writeRecord } from "./embedded-record.js";

export interface Cluster {
  readonly dataDir: string;
  readonly directory: string;
  readonly account: ServerAccount;
  /** The folder of PostgreSQL's programs. */
  readonly bin: string;
  readonly logFile: string;
  readonly record: ServerRecord;
}

export interface ClusterOptions {
  readonly dataDir: string;
  readonly log: Logger;
  readonly onFirstStart?: (() => void) | undefined;
  /** An installation (with `bin` in it) to use, where it lies, in place of the packaged PostgreSQL. */
  readonly postgres?: string | undefined;
}

/** Finds the cluster of the data folder (an absolute path without links), or makes one. */
export async function openCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataDir } = options;
  const found = await readRecord(dataDir);
  const directory = resolve(dataDir, found?.cluster ?? "postgresql");
  const account = await serverAccount(directory);
  const bin = join(options.postgres ?? (await reachablePostgres(await packagedPostgres(), account)), "bin");
  const logFile = join(dataDir, "postgresql.log");

  if (await exists(join(directory, "PG_VERSION"))) {
    if (found === undefined) {
      throw new ConfigError([
        `DATA_DIR: there is a database in ${directory}, but ${dataDir}/postgresql.json with its passwords is missing. ` +
          "Put that file back, or move the folder away to start afresh",
      ]);
    }
    const isOwn = account.uid === undefined || (await stat(directory)).uid === account.uid;
    if (!isOwn || !(await canEnter(account, directory)))
      throw new ConfigError([await whyUnreachable(directory, account)]);
    return { dataDir, directory, account, bin, logFile, record: found };
  }

  if (found !== undefined && isAbsolute(found.cluster) && !(await exists(dirname(directory)))) {
    throw new ConfigError([
      `DATA_DIR: the database of ${dataDir} was in ${directory}, and that folder is gone. Put it back, or start afresh`,
    ]);
  }
  options.onFirstStart?.();
  const record = found ?? newRecord(await freePort(), await placeFor(options, account));
  // Before the cluster: one whose passwords nobody remembers would be lost.
  await writeRecord(dataDir, record);
  const cluster = { dataDir, directory: resolve(dataDir, record.cluster), account, bin, logFile, record };
  await initialise(cluster, options.postgres === undefined);
  return cluster;
}

/** The place to record for a new cluster: relative to the data folder where the account can enter that. */
async function placeFor({ dataDir, log }: ClusterOptions, account: ServerAccount): Promise<string> {
  if (account.uid === undefined || (await canEnter(account, dataDir))) return "postgresql";
  const outside = await systemFolder(account);
  for (const name of await readdir(outside)) {
    const earlier = await readFile(join(outside, name, "data-dir"), "utf8").catch(() => "");
    if (earlier === dataDir)
      log.warn({ folder: join(outside, name) }, "an earlier database of this data folder remains");
  }
  const place = await mkdtemp(join(outside, "cluster-"));
  await chown(place, account.uid, account.gid ?? account.uid);
  await writePrivateFile(join(place, "data-dir"), dataDir);
  return join(place, "postgresql");
}

async function initialise(cluster: Cluster, packaged: boolean): Promise<void> {
  const { account, directory, record } = cluster;
  const staging = `${directory}.new`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { mode: 0o700 });
  const passwordFile = join(staging, "password");
  await writeFile(passwordFile, record.superuserPassword, { mode: 0o600 });
  if (account.uid !== undefined) {
    for (const path of [staging, passwordFile]) await chown(path, account.uid, account.gid ?? account.uid);
  }
  // The built-in locale sorts the same on every system; the C library's order changes with its version and breaks indexes.
  const locale = packaged
    ? ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    : ["--locale=C.UTF-8"];
  await runInitdb(cluster, [
    `--pgdata=${join(staging, "data")}`,
    "--username=postgres",
    "--auth=scram-sha-256",
    `--pwfile=${passwordFile}`,
    "--encoding=UTF8",
    ...locale,
  ]);
  await rename(join(staging, "data"), directory);
  await rm(staging, { recursive: true });
}

function runInitdb(cluster: Cluster, args: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    let output = "";
    const child = spawn(join(cluster.bin, "initdb"), args, {
      ...cluster.account,
      cwd: dirname(cluster.directory),
      env: { LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", (cause) => fail(new Error("PostgreSQL's initdb cannot be run.", { cause })));
    child.once("close", (code) => {
      if (code === 0) done();
      else {
        const failed = new Error(`PostgreSQL's initdb failed:\n${output.trim()}`);
        void faultOfFolder(output, cluster).then((fault) => fail(fault ?? failed), fail);
      }
    });
  });
}

async function whyUnreachable(directory: string, account: ServerAccount): Promise<string> {
  const owner = await stat(directory);
  if (account.uid !== undefined && owner.uid !== account.uid) {
    const found = `DATA_DIR: the database in ${directory} belongs to the system user ${await accountName(owner.uid)}, as after a copy without owners`;
    return `${found}. ${await ownershipAdvice({ directory, account })}`;
  }
  const name = account.uid === undefined ? "yours" : await accountName(account.uid);
  return (
    `DATA_DIR: the database lies in ${directory}, where its system user ${name} may not enter. Move the data folder to a place that ` +
    "user can enter, or open the folders above it (chmod o+x)"
  );
}

/** Throws where that cannot be told: what may not be looked into must not be taken for missing, and made anew. */
async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return false;
      throw error;
    },
  );
}
