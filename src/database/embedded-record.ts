/** What a data folder remembers of its embedded server: port, passwords, and where the cluster lies. */
import { randomBytes, randomUUID } from "node:crypto";
import { chown, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";

const recordSchema = z.object({
  format: z.literal(1),
  /** 127.0.0.1 only. Chosen at the first start; another one where it is taken by then. */
  port: z.int().min(1).max(65_535),
  superuserPassword: z.string().min(1),
  password: z.string().min(1),
  /** Relative to the data folder, so that it can be moved; absolute where the server's account cannot reach that. */
  cluster: z.string().min(1),
});

export type ServerRecord = z.infer<typeof recordSchema>;

/** The record of the data folder, or undefined before the first start. Throws where it was damaged. */
export async function readRecord(dataDir: string): Promise<ServerRecord | undefined> {
  const path = recordPath(dataDir);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${path} is damaged; it holds the passwords of the database beside it.`, { cause });
  }
}

export async function writeRecord(dataDir: string, record: ServerRecord): Promise<void> {
  await writePrivateFile(recordPath(dataDir), `${JSON.stringify(record, null, 2)}\n`);
}

export function newRecord(port: number, cluster: string): ServerRecord {
  return { format: 1, port, superuserPassword: newPassword(), password: newPassword(), cluster };
}

/**
 * Replaces a file in one step, also where the power fails meanwhile, readable for its owner alone. Written by root it goes to the owner of the folder: one
 * accidental `sudo` must not lock the user out of the program's own files.
 */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const fresh = `${path}.${randomUUID()}`;
  const file = await open(fresh, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  if (process.getuid?.() === 0) {
    const folder = await stat(dirname(path));
    await chown(fresh, folder.uid, folder.gid);
  }
  await rename(fresh, path);
}

function recordPath(dataDir: string): string {
  return join(dataDir, "postgresql.json");
}

function newPassword(): string {
  return randomBytes(24).toString("hex");
}
