import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { withServerLock } from "../../src/database/embedded-users.js";

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
          withServerLock(folder, async () => {
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
