import { findCampaignByExternalId } from "../campaigns/find-campaigns.js";
import { createIntake } from "../create-intake.js";
import { PublicError } from "../errors.js";
import { type CampaignId, isUuid, type TenantId, uuidOfGlobalId } from "../ids.js";
import { importFile } from "../ingest/import/import-file.js";
import { terminalProgress } from "../ingest/import/terminal-progress.js";
import { readFreshness } from "../metrics/freshness.js";
import type { Pools } from "../open-pools.js";
import { describeDifference } from "../rollups/difference.js";
import { verifyRollups } from "../rollups/verify.js";
import { systemClock } from "../runtime.js";
import { findTenants, type Tenant } from "../tenancy/tenants.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { parseInstant } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import { withInstallation } from "./open-command.js";
import { findTenantOrFail } from "./tenant-actions.js";
import { verifyProgress } from "./verify-progress.js";

export interface ImportOptions {
  readonly tenant: string;
  readonly format?: "csv" | "ndjson";
}

export interface VerifyOptions {
  readonly tenant?: string;
  readonly campaign?: string;
  readonly from?: string;
  readonly to?: string;
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

/** Leaves exit status 1 where anything differs. */
export function verifyAll(options: VerifyOptions): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    if ((await verify(pools, options)) > 0) process.exitCode = 1;
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

/** Returns how many differences there are. */
async function verify(pools: Pools, options: VerifyOptions): Promise<number> {
  if (options.campaign !== undefined && options.tenant === undefined) {
    throw new PublicError("BAD_INPUT", "--campaign needs --tenant.");
  }
  const range = rangeOf(options);
  const tenants =
    options.tenant === undefined ? await findTenants(pools.metrics) : [await findTenantOrFail(pools, options.tenant)];
  let differences = 0;
  for (const tenant of tenants) {
    const campaignIds =
      options.campaign === undefined ? null : [await findCampaignOrFail(pools, tenant, options.campaign)];
    const progress = verifyProgress(process.stderr, tenant.slug);
    const scope = {
      tenantId: tenant.id,
      ...(campaignIds !== null && { campaignIds }),
      ...(range !== null && { range }),
    };
    const found = verifyRollups(pools, scope, (done, total) => progress.update(done, total));
    let next = await found.next();
    for (; next.done !== true; next = await found.next()) {
      differences += 1;
      process.stdout.write(`${tenant.slug}: ${describeDifference(next.value)}\n`);
    }
    progress.stop();
    const { campaigns, events, unrecountable } = next.value;
    process.stderr.write(`${tenant.slug}: ${campaigns} campaigns with ${events} events recounted\n`);
    if (unrecountable.length > 0) {
      process.stderr.write(
        `${tenant.slug}: ${unrecountable.length} campaigns reach past retention and can no longer be recounted\n`,
      );
    }
  }
  process.stderr.write(differences === 0 ? "no differences\n" : `${differences} differences\n`);
  return differences;
}

function rangeOf({ from, to }: VerifyOptions): TimeRange | null {
  if (from === undefined && to === undefined) return null;
  if (from === undefined || to === undefined) throw new PublicError("BAD_INPUT", "--from and --to go together.");
  const range = { from: parseInstant(from), to: parseInstant(to) };
  if (range.from === null || range.to === null) {
    throw new PublicError("BAD_INPUT", "--from and --to are ISO 8601 times with an offset.");
  }
  if (range.from >= range.to) throw new PublicError("BAD_INPUT", "--from lies before --to.");
  return { from: range.from, to: range.to };
}

async function findCampaignOrFail({ metrics }: Pools, tenant: Tenant, name: string): Promise<CampaignId> {
  const uuid = isUuid(name) ? name : uuidOfGlobalId("Campaign", name);
  if (uuid !== null) return uuid as CampaignId;
  const row = await writeAsTenant(metrics, tenant.id, (session) => findCampaignByExternalId(session, tenant.id, name));
  if (row === null) throw new PublicError("NOT_FOUND", `There is no campaign ${JSON.stringify(name)}.`);
  return row.id;
}
