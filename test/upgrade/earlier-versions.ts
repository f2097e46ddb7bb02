import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

export interface EarlierVersion {
  readonly name: string;
  /** What it was made of. */
  readonly commit: string;
}

/** Every version that somebody may upgrade from. A release adds itself here once it is out. */
export const EARLIER_VERSIONS: readonly EarlierVersion[] = [
  { name: "the first version", commit: "2877d26f1886232117eb93ee9492178d9bd4585c" },
];

/** Why a version cannot be run here, such as in an exported tree; null where it can. */
export function whyAbsent({ commit }: EarlierVersion): string | null {
  const { status, error } = spawnSync("git", ["cat-file", "-e", `${commit}^{tree}`], { cwd: root });
  if (error !== undefined) return "git is not installed";
  return status === 0 ? null : `the history does not reach back to ${commit.slice(0, 7)} (git fetch --unshallow)`;
}

export interface BuiltVersion {
  /** Its compiled command line. */
  readonly cli: string;
  remove(): Promise<void>;
}

/** Compiles a version from its sources, against the packages of this one. */
export async function buildVersion({ commit }: EarlierVersion): Promise<BuiltVersion> {
  const folder = await mkdtemp(path.join(tmpdir(), "mailtally-version-"));
  const remove = () => rm(folder, { recursive: true });
  try {
    const archive = path.join(folder, "sources.tar");
    const parts = ["src", "sql", "package.json", "tsconfig.json", "tsconfig.build.json"];
    await run("git", ["archive", "--output", archive, commit, ...parts], { cwd: root });
    await run("tar", ["-xf", archive, "-C", folder]);
    await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
    const tsc = path.join(root, "node_modules", ".bin", "tsc");
    await run(process.execPath, [tsc, "-p", path.join(folder, "tsconfig.build.json")]);
    return { cli: path.join(folder, "dist", "cli.js"), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
