import { expect, test } from "vitest";
import { inDataDir } from "../src/in-data-dir.js";

const coded = (code: string, message: string, more = {}) => Object.assign(new Error(message), { code, ...more });

test.each([
  ["the disk is full", coded("ENOSPC", "ENOSPC: no space left on device, write")],
  ["PostgreSQL has no room on the disk", coded("53100", 'could not extend file "base/1": No space left on device')],
  [
    "a migration had no room on the disk",
    new Error("Migration 0001_x failed", { cause: coded("53100", "could not extend file: No space left on device") }),
  ],
])("that %s is told in a line that names the folder", async (_what, error) => {
  await expect(inDataDir("/srv/data", () => Promise.reject(error))).rejects.toThrow(
    /^The configuration cannot be used:\n  DATA_DIR cannot be used: .*no space left on device.* in \/srv\/data$/i,
  );
});

test.each([
  ["a missing file", coded("ENOENT", "ENOENT: no such file", { path: "/srv/data/x" })],
  ["a fault elsewhere", coded("EACCES", "EACCES: permission denied", { path: "/etc/shadow" })],
  ["another fault of PostgreSQL", coded("42601", "syntax error")],
])("%s is ours, and stays what it is", async (_what, error) => {
  await expect(inDataDir("/srv/data", () => Promise.reject(error))).rejects.toBe(error);
});
