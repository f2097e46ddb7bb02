/**
 * Installs the packages of a folder that has its own (bench, test/clients), unless they are there: what benchmarks and tests
 * compare or ask with. The program needs none of it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [name = ""] = process.argv.slice(2);
const folder = fileURLToPath(new URL(`../${name}`, import.meta.url));
const installed = `${folder}/node_modules/.package-lock.json`;
const lock = `${folder}/package-lock.json`;

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  process.stderr.write(`Installing what ${name} needs, which takes up to a minute …\n`);
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", 2, "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(1);
}
