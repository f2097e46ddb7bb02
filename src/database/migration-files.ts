import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import type { DatabaseName } from "./database-name.js";

const CONCURRENT = ".concurrent";
const sqlFolder = path.join(import.meta.dirname, "../../sql");

/** One file of a migration folder. */
export interface MigrationFile {
  /** The file's name without its ending, under which the database remembers it. */
  readonly name: string;
  /** Named `….concurrent.sql`: holds statements on indexes that must not run in a transaction. */
  readonly isConcurrent: boolean;
  readText(): Promise<string>;
}

/** sql/<database>, whose files are numbered and append-only once released. */
export function migrationFolder(database: DatabaseName): string {
  return path.join(sqlFolder, database);
}

/** The migrations of a folder, in the order in which they run. */
export async function readMigrationFiles(folder: string): Promise<MigrationFile[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".sql"));
  return files
    .map((file) => path.basename(file, ".sql"))
    .toSorted((left, right) => (left < right ? -1 : 1))
    .map((name) => ({
      name,
      isConcurrent: name.endsWith(CONCURRENT),
      readText: () => readFile(path.join(folder, `${name}.sql`), "utf8"),
    }));
}
