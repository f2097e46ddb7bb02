/** Programs that the tests need and npm does not bring: found, or installed where that is allowed, or named. */
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const INSTALLER = fileURLToPath(new URL("../../scripts/install-test-services.sh", import.meta.url));

export const POSTGRES_15 = "/usr/lib/postgresql/15";

interface Service {
  /** Debian's package, which is also how the installer is told. */
  readonly package: string;
  readonly programs: readonly string[];
}

const REDIS: Service = { package: "redis-server", programs: ["redis-server"] };
const CHROMIUM: Service = { package: "chromium", programs: ["chromium", "chromium-browser", "google-chrome"] };
/** Debian keeps it where only root's PATH looks. */
const POOLER: Service = { package: "pgbouncer", programs: ["pgbouncer", "/usr/sbin/pgbouncer"] };
const POSTGRES: Service = { package: "postgresql-15", programs: [join(POSTGRES_15, "bin", "initdb")] };

/**
 * Makes sure that everything is there. Root on Debian gets what is missing installed; everybody else an error that names it.
 * A Redis that `REDIS_URL` names needs no program here.
 */
export function requireTestServices(wanted: { readonly redis: boolean; readonly postgres15: boolean }): void {
  const services = [CHROMIUM, POOLER, ...(wanted.redis ? [REDIS] : []), ...(wanted.postgres15 ? [POSTGRES] : [])];
  const missing = () =>
    services.filter((service) => programOf(service) === undefined).map((service) => service.package);
  const names = missing();
  if (names.length === 0) return;
  if (process.getuid?.() === 0 && spawnSync("apt-get", ["--version"]).status === 0) {
    execFileSync("sh", [INSTALLER, ...names], { stdio: ["ignore", 2, 2] });
    const still = missing();
    if (still.length > 0) throw new Error(`Installed, and yet not found: ${still.join(", ")}.`);
    return;
  }
  throw new Error(
    `The tests need ${names.join(", ")}. On Debian: sudo ${INSTALLER} ${names.join(" ")}. ` +
      "Elsewhere install them your way; a Redis that runs already can be named in REDIS_URL.",
  );
}

/** The path of redis-server. */
export function redisServer(): string {
  const found = programOf(REDIS);
  if (found === undefined) throw new Error("This test starts a Redis of its own and needs redis-server on the PATH.");
  return found;
}

/** The path of PgBouncer. */
export function pgbouncer(): string {
  const found = programOf(POOLER);
  if (found === undefined) throw new Error("This test starts a pooler of its own and needs pgbouncer on the PATH.");
  return found;
}

/** The path of a Chromium, for the tests in a browser. */
export function chromiumProgram(): string {
  const found = programOf(CHROMIUM);
  if (found === undefined) throw new Error("This test needs chromium on the PATH.");
  return found;
}

function programOf({ programs }: Service): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return programs
    .flatMap((name) => (name.startsWith("/") ? [name] : folders.map((folder) => join(folder, name))))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
