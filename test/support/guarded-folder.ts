/**
 * A folder for a server of the tests, which does not outlive the process that made it. A run that is interrupted leaves no time
 * to clean up, and one killed with -9 no chance: so a shell waits for the end of the pipe that only this process holds, ends
 * the server whose pid file lies in the folder, and removes the folder.
 */
import { spawn } from "node:child_process";
import { chmod, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface GuardedFolder {
  readonly path: string;
  /** Ends the server if it still runs, and removes the folder. */
  remove(): Promise<void>;
}

const GUARD = `
cat >/dev/null
if read -r pid 2>/dev/null <"$1/$2"; then
  kill -INT "$pid"
  waited=0
  while kill -0 "$pid" && [ $waited -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
fi 2>/dev/null
rm -rf "$1"
`;

/** `pidFile` is relative to the folder; its first line is the server's process id. Every account may enter the folder. */
export async function createGuardedFolder(pidFile: string, parent: string = tmpdir()): Promise<GuardedFolder> {
  const path = await mkdtemp(join(parent, "mailtally-test-"));
  await chmod(path, 0o755);
  // In a group of its own, since Ctrl-C would end the guard first.
  const guard = spawn("sh", ["-c", GUARD, "guard", path, pidFile], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = new Promise<void>((done, fail) => {
    guard.once("exit", () => done());
    guard.once("error", fail);
  });
  return {
    path,
    remove: () => {
      guard.stdin.end();
      return ended;
    },
  };
}
