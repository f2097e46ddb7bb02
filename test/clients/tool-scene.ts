import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PACKAGES = fileURLToPath(new URL("node_modules", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LIMIT_MS = 100_000;

/** A front end's folder with the schema as it is committed, in which tools run as they do in a build. */
export async function openFrontEnd(sources: string) {
  if (!existsSync(PACKAGES))
    throw new Error("These tests run other packages: node scripts/install-beside.js test/clients");
  const folder = await mkdtemp(path.join(tmpdir(), "mailtally-clients-"));
  await cp(fileURLToPath(new URL(sources, import.meta.url)), folder, { recursive: true });
  await cp(path.join(ROOT, "schema.graphql"), path.join(folder, "schema.graphql"));
  await symlink(PACKAGES, path.join(folder, "node_modules"));

  /** What it printed. Rejects with all of its output where it fails. */
  async function run(script: string, ...args: readonly string[]): Promise<string> {
    try {
      const options = { cwd: folder, timeout: LIMIT_MS };
      return (await promisify(execFile)(process.execPath, [script, ...args], options)).stdout;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`${script} failed:\n${stdout}${stderr}`, { cause: error });
    }
  }

  return {
    folder,
    run,
    /** A tool of test/clients/package.json, by the file that its command runs. */
    tool: (file: string, ...args: readonly string[]) => run(path.join(PACKAGES, file), ...args),
    /** The compiler that the project itself is compiled with. */
    compile: () =>
      run(
        path.join(ROOT, "node_modules/typescript/bin/tsc"),
        "-p",
        "tsconfig.json",
        "--typeRoots",
        path.join(ROOT, "node_modules/@types"),
      ),
    read: (file: string) => readFile(path.join(folder, file), "utf8"),
    write: (file: string, text: string) => writeFile(path.join(folder, file), text),
    close: () => rm(folder, { recursive: true }),
  };
}

export type FrontEnd = Awaited<ReturnType<typeof openFrontEnd>>;
