import { createIntake } from "../create-intake.js";
import type { TenantId } from "../ids.js";
import { importFile } from "../ingest/import/import-file.js";
import { terminalProgress } from "../ingest/import/terminal-progress.js";
import { readFreshness } from "../metrics/freshness.js";
import type { Pools } from "../open-pools.js";
import { systemClock } from "../runtime.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { withInstallation } from "./open-command.js";
import { findTenantOrFail } from "./tenant-actions.js";

export interface ImportOptions {
  readonly tenant: string;
  readonly format?: "csv" | "ndjson";
}

export function importOfTenant(file: string, options: ImportOptions): Promise<void> {
  return withInstallation(async (installation, pools) => {
    const tenant = await findTenantOrFail(pools, options.tenant);
    const { intake, inbox } = createIntake(installation, pools);
    const stopping = new AbortController();
    process.once("SIGINT", () => stopping.abort());
    const summary = await importFile({
      path: file,
      tenantId: tenant.id,
      intake,
      progress: terminalProgress(process.stderr),
      signal: stopping.signal,
      ...(options.format !== undefined && { format: options.format }),
    });
    await inbox.stop();
    await tellOfWaiting(pools, tenant.id);
    if (summary.interrupted) process.exitCode = 130;
  });
}

/** Events count as soon as a worker has recorded them, which may be after this command has ended. */
async function tellOfWaiting({ events }: Pools, tenantId: TenantId): Promise<void> {
  const { pendingEvents } = await writeAsTenant(events, tenantId, (session) =>
    readFreshness(session, tenantId, systemClock()),
  );
  if (pendingEvents === 0) return;
  process.stderr.write(`${pendingEvents} accepted events wait to be counted: a running server or worker does that.\n`);
}
