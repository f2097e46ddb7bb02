import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { ConfigError } from "./config.js";

/** What whoever chose the folder, or its disk, can mend. A file that is missing is none of these: that is ours. */
const OPERATORS_FAULTS: ReadonlySet<string> = new Set([
  "53100",
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
    const fault = await faultOf(dataDir, error);
    if (fault === undefined) throw error;
    const place = "path" in fault ? "" : ` in ${dataDir}`;
    throw new ConfigError([`DATA_DIR cannot be used: ${fault.message}${place}`]);
  }
}

/** Of a file that is open already no path is told: only a full disk. The last is PostgreSQL's word for that. */
const FULL: ReadonlySet<string> = new Set(["EDQUOT", "ENOSPC", "53100"]);

/** The error itself, or what it was caused by. */
async function faultOf(dataDir: string, error: unknown): Promise<Error | undefined> {
  if (!(error instanceof Error)) return undefined;
  return (await isFaultOf(dataDir, error)) ? error : faultOf(dataDir, error.cause);
}

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
