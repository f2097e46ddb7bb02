/**
 * Before `npm start`: compiles where a source is newer than what was compiled last. Asking the compiler itself takes longer
 * than the whole start does.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const STAMP = "dist/.tsbuildinfo";
const onWindows = process.platform === "win32";
const SOURCES = ["src", "package.json", "tsconfig.json", "tsconfig.build.json"];

if (!existsSync("dist/graphiql/index.html")) run("npm", ["run", "-s", "build"]);
else if (isStale()) {
  run("tsc", ["-p", "tsconfig.build.json"]);
  // The compiler leaves it as it is where nothing but times had changed.
  utimesSync(STAMP, new Date(), new Date());
}

function isStale() {
  if (!existsSync("dist/cli.js") || !existsSync(STAMP)) return true;
  const built = statSync(STAMP).mtimeMs;
  // A folder is newer as well: from it a file may have been removed.
  const files = SOURCES.flatMap(filesOf);
  return files.some((file) => statSync(file).mtimeMs > built);
}

function filesOf(source) {
  if (!statSync(source).isDirectory()) return [source];
  return [".", ...readdirSync(source, { recursive: true })].map((name) => `${source}/${name}`);
}

/** The compiler has told what is wrong: our own stack would only hide it. */
function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"], shell: onWindows });
  if (status === 0) return;
  if (!existsSync("node_modules")) process.stderr.write("The dependencies are not installed. Run: npm ci\n");
  process.exit(1);
}
