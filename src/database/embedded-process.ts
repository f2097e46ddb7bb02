/** What the system knows about a process: whether the one that wrote a pid down is the one that has it now. */
import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** When the process started, in the system's own notation; empty where there is none or the system does not tell. */
export async function startTime(pid: number): Promise<string> {
  if (process.platform === "win32") return "";
  if (process.platform !== "linux") return ps(pid, "lstart=");
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name stands in parentheses and may hold anything; the start time is the 20th field after it.
  const [state = "", ...fields] = status.slice(status.lastIndexOf(")") + 2).split(" ");
  return state === "Z" ? "" : (fields[18] ?? "");
}

/** Whether the process that had this id at that start time still runs. */
export async function isAlive(process_: { readonly pid: number; readonly started: string }): Promise<boolean> {
  return pidExists(process_.pid) && (await startTime(process_.pid)) === process_.started;
}

/** The command line, its arguments separated by spaces; empty for a dead process and for a zombie. */
export async function commandLine(pid: number): Promise<string> {
  if (process.platform !== "linux") return ps(pid, "command=");
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return line.replaceAll("\0", " ").trim();
}

/** The same for a process that is about to end, and can wait for nothing. */
export function commandLineNow(pid: number): string {
  try {
    if (process.platform === "linux") return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return execFileSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function ps(pid: number, column: string): Promise<string> {
  const found = await run("ps", ["-ww", "-o", column, "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return found.stdout.trim();
}
