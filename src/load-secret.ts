import { randomBytes } from "node:crypto";
import { link, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Config, ConfigError } from "./config.js";
import { MIN_SECRET_CHARS } from "./config-variables.js";
import { makeDataDir } from "./make-data-dir.js";

export interface LoadedSecret {
  readonly text: string;
  /** The file that holds it; null where it is set. */
  readonly file: string | null;
}

/**
 * The secret that signs cursors and keys the recipients' hashes: as it is set, else the one kept in DATA_DIR, which is made
 * where there is none yet and none was used for this event log either: another one would only lie there to mislead.
 */
export async function loadSecret(
  config: Pick<Config, "secret" | "dataDir">,
  wasOneUsed: () => Promise<boolean>,
): Promise<LoadedSecret> {
  if (config.secret !== null) return { text: config.secret, file: null };
  const file = join(config.dataDir, "secret");
  const text = (await readKept(file)) ?? (await keepFirst(file, config.dataDir, wasOneUsed));
  if (text.length < MIN_SECRET_CHARS) {
    throw new ConfigError([`${file} is damaged: it must hold the secret that this data was made with`]);
  }
  return { text, file };
}

async function keepFirst(file: string, dataDir: string, wasOneUsed: () => Promise<boolean>): Promise<string> {
  if (!(await wasOneUsed())) return keepNew(file, dataDir);
  // By a process that started beside this one, it may be: its file is there before its secret is used.
  const made = await readKept(file);
  if (made !== null) return made;
  throw new ConfigError([
    `MAILTALLY_SECRET is not set, and there is no ${file}: this event log was made with a secret, and with another one its ` +
      "recipients would all count again. Set the one that the other servers have, or put the file back",
  ]);
}

async function readKept(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Makes one, unless another process was faster: whoever links its file first has made it, whole and on the disk. */
async function keepNew(path: string, dataDir: string): Promise<string> {
  await makeDataDir(dataDir);
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${randomBytes(32).toString("hex")}\n`);
    await file.sync();
    await link(draft, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await file.close();
    await unlink(draft);
  }
  return (await readKept(path)) ?? "";
}
