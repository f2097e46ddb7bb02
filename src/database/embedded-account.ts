/**
 * Under which system account the embedded PostgreSQL runs.
 *
 * PostgreSQL refuses to run as root. A program that runs as root therefore hands its server to another account: the owner of
 * the cluster where one exists already, else `postgres`, else a `mailtally` made for it, else (a slim container without
 * useradd) `nobody`. A bare number will not do: initdb looks the account up by name. Everybody else runs it themselves.
 */
import { execFile, spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { ConfigError } from "../config.js";

const run = promisify(execFile);

/** Options for `spawn`: empty where the server runs under the program's own account. */
export interface ServerAccount {
  readonly uid?: number;
  readonly gid?: number;
}

/** The account for a server whose cluster lies in `cluster`, or for a cluster yet to be made there. */
export async function serverAccount(cluster: string): Promise<ServerAccount> {
  const owner = await stat(cluster).catch(() => undefined);
  const own = process.getuid?.();
  if (own !== 0) {
    if (owner !== undefined && own !== undefined && owner.uid !== own) {
      throw new ConfigError([
        `DATA_DIR: the database in ${cluster} belongs to the system user ${owner.uid}, and this program runs as ${own}. ` +
          "Run it as that user or as root, or name another folder",
      ]);
    }
    return {};
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return (await accountNamed("postgres")) ?? (await ownAccount()) ?? (await lastResort());
}

/** Its number where it has no name. */
export async function accountName(uid: number): Promise<string> {
  return run("id", ["-un", String(uid)]).then(
    ({ stdout }) => stdout.trim(),
    () => String(uid),
  );
}

/** Whether the account may enter the folder (and everything above it) and read what its permissions promise. */
export async function canEnter(account: ServerAccount, folder: string): Promise<boolean> {
  return succeeds(account, "/bin/sh", ["-c", 'test -x "$1" && test -r "$1"', "sh", folder]);
}

/** Whether the account can run the program; false as well where it cannot load its libraries. */
export async function canRun(account: ServerAccount, program: string): Promise<boolean> {
  return succeeds(account, program, ["--version"]);
}

function succeeds(account: ServerAccount, program: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...account, cwd: "/", stdio: "ignore" });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}

async function accountNamed(name: string): Promise<ServerAccount | undefined> {
  try {
    const [uid, gid] = await Promise.all([run("id", ["-u", name]), run("id", ["-g", name])]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

/** The account `mailtally`, made where it is missing; undefined where this system offers no way to make one. */
async function ownAccount(): Promise<ServerAccount | undefined> {
  const existing = await accountNamed("mailtally");
  if (existing !== undefined) return existing;
  await run("useradd", [
    "--system",
    "--user-group",
    "--no-create-home",
    "--shell",
    "/usr/sbin/nologin",
    "mailtally",
  ]).catch(() => run("adduser", ["-S", "-D", "-H", "mailtally"]).catch(() => undefined));
  return accountNamed("mailtally");
}

async function lastResort(): Promise<ServerAccount> {
  const nobody = await accountNamed("nobody");
  if (nobody !== undefined) return nobody;
  throw new Error(
    "PostgreSQL does not run as root, and this system has no account `postgres` or `nobody` and no useradd. " +
      "Run the program as another user, or set EVENTS_DATABASE_URL and METRICS_DATABASE_URL.",
  );
}
