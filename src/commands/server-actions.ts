import { giveWay } from "../give-way.js";
import { bufferedStderr, createLogger } from "../observability/logger.js";
import { type Installation, openInstallation } from "../open-installation.js";
import type { Running } from "../runtime.js";
import { configOfProcess, whileOpen } from "./open-command.js";
import { runUntilSignal } from "./run-until-signal.js";

export function runStart(): Promise<void> {
  return run({ as: "program", migrate: true, logLevel: "warn" }, async () => {
    const { start } = await import("../start.js");
    return (installation) => start(installation, process.stdout);
  });
}

export function runServe(): Promise<void> {
  return run({ as: "command", migrate: false, logLevel: "info" }, async () => {
    const { serve } = await import("../serve.js");
    return async (installation) => {
      const serving = await serve(installation);
      installation.log.info({ url: serving.url }, "serving");
      return serving;
    };
  });
}

export function runWork(): Promise<void> {
  return run({ as: "command", migrate: false, logLevel: "info" }, async () => {
    const { workWithProbes } = await import("../work-with-probes.js");
    return async (installation) => {
      // Beside a server on one machine: what was accepted can wait for a processor, and whoever calls cannot.
      giveWay();
      const working = await workWithProbes(installation);
      installation.log.info("working");
      return working;
    };
  });
}

export async function runMigrations(): Promise<void> {
  const config = configOfProcess();
  const log = createLogger(config.logLevel ?? "info");
  for (const warning of config.warnings) log.warn(warning);
  await whileOpen({ config, log, as: "command", migrate: true }, async () => undefined);
}

interface RunOptions {
  readonly as: "program" | "command";
  readonly migrate: boolean;
  /** Where the configuration names none. */
  readonly logLevel: string;
}

type Begin = (installation: Installation) => Promise<Running>;

/** `load` imports what begins: beside PostgreSQL, whose start is mostly waiting. */
async function run(options: RunOptions, load: () => Promise<Begin>): Promise<void> {
  const config = configOfProcess();
  const log = createLogger(config.logLevel ?? options.logLevel, bufferedStderr());
  for (const warning of config.warnings) log.warn(warning);
  const limitMs = config.shutdownDelayMs + 2 * config.shutdownTimeoutMs;
  await runUntilSignal(limitMs, log, async (signal) => {
    const loading = load();
    // Waited for below; a failure before that must not end the process unheard.
    loading.catch(() => undefined);
    const installation = await openInstallation({
      config,
      log,
      as: options.as,
      migrate: options.migrate,
      signal,
      onFirstStart: () => process.stderr.write("First start: making the database. This takes a few seconds.\n"),
    });
    const running = await loading
      .then((begin) => begin(installation))
      .catch(async (error: unknown) => {
        await installation.stop();
        throw error;
      });
    return {
      async stop() {
        // The database last: until then everything in hand is finished with it.
        await running.stop();
        await installation.stop();
      },
    };
  });
}
