import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Config, ConfigError } from "./config.js";
import { MIN_SECRET_CHARS } from "./config-variables.js";
import type { Logger } from "./observability/logger.js";

/**
 * The secret that signs cursors and keys the recipients' hashes: as it is set, else the one kept in DATA_DIR, which is made
 * where there is none yet. With databases of one's own several servers may share them: that they must share the secret too
 * is a warning here, and an error as soon as one has another (assertSameSecret).
 */
export async function loadSecret(
  config: Pick<Config, "secret" | "dataDir" | "databases">,
  log: Pick<Logger, "warn">,
): Promise<string> {
  if (config.secret !== null) return config.secret;
  const path = join(config.dataDir, "secret");
  const kept = (await readKept(path)) ?? (await keepNew(path, config.dataDir));
  if (kept.length < MIN_SECRET_CHARS) {
    throw new ConfigError([`${path} is damaged: it must hold the secret that this data was made with`]);
  }
  if (config.databases.urls !== null) {
    log.warn(
      `MAILTALLY_SECRET is not set, so the one kept in ${path} is used. Keep that file as long as the data, and set its ` +
        "content as MAILTALLY_SECRET for every other server and worker",
    );
  }
  return kept;
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
  await mkdir(dataDir, { recursive: true });
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
