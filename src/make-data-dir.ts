import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ConfigError } from "./config.js";

/**
 * Makes the folder, and those above it that are missing. Node's own way (`recursive`) tries for ever in a file system such as /proc,
 * which says of a folder that cannot be made there that the one above it is missing.
 */
export async function makeDataDir(dataDir: string): Promise<void> {
  const folder = resolve(dataDir);
  if (await isFolder(folder)) return;
  const above = dirname(folder);
  if (above !== folder) await makeDataDir(above);
  try {
    await mkdir(folder);
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (await isFolder(folder)) return;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new ConfigError([`DATA_DIR cannot be used: no folder can be made in ${above}`]);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
