import { findCampaignByExternalId, findCampaigns } from "../campaigns/find-campaigns.js";
import { findUnheardCampaigns } from "../campaigns/unheard-campaigns.js";
import { PublicError } from "../errors.js";
import { type CampaignId, isUuid, uuidOfGlobalId } from "../ids.js";
import type { Pools } from "../open-pools.js";
import type { VerifyScope } from "../rollups/verify/compare-rollups.js";
import { describeDifference, type Difference } from "../rollups/verify/difference.js";
import { rebuildRollups } from "../rollups/rebuild/rebuild.js";
import { verifyRollups } from "../rollups/verify/verify.js";
import { systemClock } from "../runtime.js";
import { findTenants, type Tenant } from "../tenancy/tenants.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant, parseInstant } from "../time/instant.js";
import type { TimeRange } from "../time/range.js";
import { countedProgress } from "./counted-progress.js";
import { withInstallation } from "./open-command.js";
import { findTenantOrFail } from "./tenant-actions.js";

export interface RollupOptions {
  readonly tenant?: string;
  readonly campaign?: string;
  readonly from?: string;
  readonly to?: string;
}

interface Summary {
  readonly campaigns: number;
  readonly events: number;
  readonly unrecountable: readonly CampaignId[];
  readonly droppedBefore: EpochMicros | null;
}

/** Leaves exit status 1 where anything differs. */
export function verifyAll(options: RollupOptions): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    let differences = 0;
    for (const { tenant, scope } of await scopesOf(pools, options)) {
      const progress = countedProgress(process.stderr, tenant.slug, "events");
      const found = verifyRollups(pools, scope, progress.update);
      const { count, summary } = await printAll(found, tenant.slug).finally(progress.stop);
      differences += count;
      tellOf(summary, tenant.slug);
    }
    process.stderr.write(differences === 0 ? "no differences\n" : `${differences} differences\n`);
    if (differences > 0) process.exitCode = 1;
  });
}

/** Leaves exit status 130 where it was interrupted. */
export function rebuildAll(options: RollupOptions): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    const stopping = new AbortController();
    process.once("SIGINT", () => stopping.abort());
    let mended = 0;
    for (const { tenant, scope } of await scopesOf(pools, options)) {
      const progress = countedProgress(process.stderr, tenant.slug, "events");
      const run = rebuildRollups(pools, scope, {
        now: systemClock,
        progress: progress.update,
        signal: stopping.signal,
      });
      const done = await printAll(run, tenant.slug)
        .catch((error: unknown) => tellOfConflict(error, tenant.slug))
        .finally(progress.stop);
      if (done === null) continue;
      const { count, summary } = done;
      mended += count;
      tellOf(summary, tenant.slug);
      if (summary.resumed > 0) {
        process.stderr.write(`${tenant.slug}: ${summary.resumed} of them were mended by a run that was interrupted\n`);
      }
      if (!summary.interrupted) continue;
      process.stderr.write("Interrupted: what was mended stays. Run the same command to go on.\n");
      process.exitCode = 130;
      return;
    }
    process.stderr.write(mended === 0 ? "nothing to mend\n" : `${mended} differences mended\n`);
  });
}

/** Another run is at this tenant: that is no reason to leave out the others. */
function tellOfConflict(error: unknown, tenantSlug: string): null {
  if (!(error instanceof PublicError) || error.code !== "CONFLICT") throw error;
  process.stderr.write(`${tenantSlug}: ${error.message}\n`);
  process.exitCode = 1;
  return null;
}

/** Prints one line a difference, and returns how many there were. */
async function printAll<S>(
  found: AsyncGenerator<Difference, S, undefined>,
  tenantSlug: string,
): Promise<{ readonly count: number; readonly summary: S }> {
  let count = 0;
  for (;;) {
    const next = await found.next();
    if (next.done === true) return { count, summary: next.value };
    count += 1;
    process.stdout.write(`${tenantSlug}: ${describeDifference(next.value)}\n`);
  }
}

function tellOf({ campaigns, events, unrecountable, droppedBefore }: Summary, tenantSlug: string): void {
  process.stderr.write(`${tenantSlug}: ${campaigns} campaigns with ${events} events recounted\n`);
  if (unrecountable.length === 0) return;
  const range = droppedBefore === null ? "" : `: events before ${formatInstant(droppedBefore)} are dropped`;
  process.stderr.write(
    `${tenantSlug}: ${unrecountable.length} campaigns reach past retention and can no longer be recounted${range}\n`,
  );
}

async function scopesOf(
  pools: Pools,
  options: RollupOptions,
): Promise<{ readonly tenant: Tenant; readonly scope: VerifyScope }[]> {
  const { campaign } = options;
  if (campaign !== undefined && options.tenant === undefined) {
    throw new PublicError("BAD_INPUT", "--campaign needs --tenant.");
  }
  const range = rangeOf(options);
  const tenants =
    options.tenant === undefined ? await findTenants(pools.metrics) : [await findTenantOrFail(pools, options.tenant)];
  return Promise.all(
    tenants.map(async (tenant) => {
      const scope = { tenantId: tenant.id, ...(range !== null && { range }) };
      if (campaign === undefined) return { tenant, scope };
      return { tenant, scope: { ...scope, campaignIds: [await findCampaignOrFail(pools, tenant, campaign)] } };
    }),
  );
}

function rangeOf({ from, to }: RollupOptions): TimeRange | null {
  if (from === undefined && to === undefined) return null;
  if (from === undefined || to === undefined) throw new PublicError("BAD_INPUT", "--from and --to go together.");
  const range = { from: parseInstant(from), to: parseInstant(to) };
  if (range.from === null || range.to === null) {
    throw new PublicError("BAD_INPUT", "--from and --to are ISO 8601 times with an offset.");
  }
  if (range.from >= range.to) throw new PublicError("BAD_INPUT", "--from lies before --to.");
  return { from: range.from, to: range.to };
}

/** By its id, as GraphQL shows it or bare, or by its external id. */
async function findCampaignOrFail({ events, metrics }: Pools, tenant: Tenant, name: string): Promise<CampaignId> {
  const id = (isUuid(name) ? name : uuidOfGlobalId("Campaign", name)) as CampaignId | null;
  const inMetrics = await writeAsTenant(metrics, tenant.id, (session) =>
    id === null
      ? findCampaignByExternalId(session, tenant.id, name)
      : findCampaigns(session, tenant.id, [id]).then((rows) => rows[0] ?? null),
  );
  if (inMetrics !== null) return inMetrics.id;
  // One that an event has made may not have reached the metrics yet.
  const [unheard] =
    id === null
      ? []
      : await writeAsTenant(events, tenant.id, (session) => findUnheardCampaigns(session, tenant.id, [id]));
  if (unheard !== undefined) return unheard.id;
  throw new PublicError("NOT_FOUND", `There is no campaign ${JSON.stringify(name)}.`);
}
