import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { withServerLock } from "../../src/database/embedded-users.js";
import { silent } from "../support/cache-rig.js";
import { waitFor } from "../support/wait-for.js";

/** No process has it: ids end below four million. */
const DEAD_PID = 999_999_999;

const left = (): string => JSON.stringify({ id: randomUUID(), pid: DEAD_PID, started: "1", role: "command" });

test.each<[what: string, content: () => string]>([
  ["by a dead process", left],
  ["cut short", () => ""],
])(
  "of those who find a lock that was left %s each holds it alone, and nobody leaves one behind",
  async (_what, content) => {
    const folder = await mkdtemp(join(tmpdir(), "mailtally-lock-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    for (let round = 0; round < 15; round++) {
      await writeFile(join(folder, "postgresql.lock"), content());
      // Whoever was to remove it may have died at it as well.
      if (content() === "" && round % 2 === 0) await writeFile(join(folder, "postgresql.lock.damaged"), left());
      let holders = 0;
      const most: number[] = [];
      await Promise.all(
        Array.from({ length: 6 }, () =>
          withServerLock(folder, { log: silent }, async () => {
            most.push(++holders);
            await readdir(folder);
            holders--;
          }),
        ),
      );
      expect(most).toEqual([1, 1, 1, 1, 1, 1]);
      await rm(join(folder, "postgresql.lock.damaged"), { force: true });
      expect(await readdir(folder)).toEqual([]);
    }
  },
);

test("whoever waits for the lock is told who has it, and gives up at the signal", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mailtally-lock-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  let told = "";
  const log = pino({ level: "warn" }, { write: (line: string) => void (told += line) });
  const stopping = new AbortController();
  await withServerLock(folder, { log: silent }, async () => {
    const waiting = withServerLock(folder, { log, signal: stopping.signal }, async () => undefined);
    const reason = waiting.catch((error: unknown) => error);
    await waitFor(() => told.includes(`"pid":${process.pid},"lock":`), { what: "it to be told" });
    stopping.abort("stopped");
    expect(await reason).toBe("stopped");
  });
  expect(await readdir(folder)).toEqual([]);
});
