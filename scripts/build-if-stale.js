/**
 * Before `npm start`: builds what has a source that is newer than what was built last. Asking the compiler itself takes longer
 * than the whole start does.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const STAMP = "dist/.tsbuildinfo";
const onWindows = process.platform === "win32";
const SOURCES = ["src", "package.json", "tsconfig.json", "tsconfig.build.json"];
const PAGE = "dist/graphiql/index.html";

if (isStale(PAGE, ["graphiql"])) run("npm", ["run", "-s", "build"]);
else if (!existsSync("dist/cli.js") || isStale(STAMP, SOURCES)) {
  run("tsc", ["-p", "tsconfig.build.json"]);
  // The compiler leaves it as it is where nothing but times had changed.
  utimesSync(STAMP, new Date(), new Date());
}

function isStale(built, sources) {
  if (!existsSync(built)) return true;
  const { mtimeMs } = statSync(built);
  // A folder is newer as well: from it a file may have been removed.
  return sources.flatMap(filesOf).some((file) => statSync(file).mtimeMs > mtimeMs);
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
