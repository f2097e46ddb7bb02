import { chmod, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeDataDir } from "../src/make-data-dir.js";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "mailtally-folders-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("a folder is made with those above it, also by several at once, and one that is there stays", async () => {
  const deep = join(folder, "a", "b", "c");
  await Promise.all(Array.from({ length: 8 }, () => makeDataDir(deep)));
  await chmod(deep, 0o711);
  await makeDataDir(deep);
  const found = await stat(deep);
  expect([found.isDirectory(), found.mode & 0o777]).toEqual([true, 0o711]);
});

test("a link to a folder is that folder", async () => {
  await symlink(folder, join(folder, "link"));
  await makeDataDir(join(folder, "link", "inside"));
  expect((await stat(join(folder, "inside"))).isDirectory()).toBe(true);
});

test.each([
  ["a file", "file", "EEXIST"],
  ["below a file", "file/below/it", "ENOTDIR|EEXIST"],
  ["a link to nowhere", "nowhere", "EEXIST"],
])("%s is none, and the error says where", async (_what, name, code) => {
  await writeFile(join(folder, "file"), "");
  await symlink(join(folder, "missing"), join(folder, "nowhere")).catch(() => undefined);
  await expect(makeDataDir(join(folder, name))).rejects.toThrow(new RegExp(`(${code}).*mkdir '${folder}/`));
});

test.runIf(process.platform === "linux").each(["/proc/no-process", "/proc/no-process/data"])(
  "%s, where nobody makes folders, is refused and not tried for ever",
  async (path) => {
    await expect(makeDataDir(path)).rejects.toThrow("DATA_DIR cannot be used: no folder can be made in /proc");
  },
);
