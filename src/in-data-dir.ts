import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { ConfigError } from "./config.js";

/** What whoever chose the folder, or its disk, can mend. A file that is missing is none of these: that is ours. */
const OPERATORS_FAULTS: ReadonlySet<string> = new Set([
  "EACCES",
  "EDQUOT",
  "EEXIST",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOSPC",
  "ENOTDIR",
  "EPERM",
  "EROFS",
]);

/** Does what reads and writes in DATA_DIR. Throws ConfigError where the folder is one that it cannot be done in. */
export async function inDataDir<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error && (await isFaultOf(dataDir, error)))) throw error;
    const place = "path" in error ? "" : ` in ${dataDir}`;
    throw new ConfigError([`DATA_DIR cannot be used: ${error.message}${place}`]);
  }
}

/** Of a file that is open already no path is told: only a full disk. */
const FULL: ReadonlySet<string> = new Set(["EDQUOT", "ENOSPC"]);

async function isFaultOf(dataDir: string, { code, path }: NodeJS.ErrnoException): Promise<boolean> {
  if (code === undefined || !OPERATORS_FAULTS.has(code)) return false;
  if (path === undefined) return FULL.has(code);
  const folder = resolve(dataDir);
  const places = [folder, await realpath(folder).catch(() => folder)];
  const at = resolve(path);
  // The folder, something in it, or one above it that it was to be made in.
  return places.some((place) => isWithin(at, place) || isWithin(place, at));
}

function isWithin(path: string, folder: string): boolean {
  return `${path}/`.startsWith(folder === "/" ? "/" : `${folder}/`);
}
