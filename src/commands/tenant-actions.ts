import { PublicError } from "../errors.js";
import { encodeGlobalId } from "../ids.js";
import type { Pools } from "../open-pools.js";
import { systemClock } from "../runtime.js";
import { rebuildDays } from "../rollups/rebuild/rebuild-days.js";
import { createTenant, findTenantBySlug, findTenants, type Tenant, updateTenant } from "../tenancy/tenants.js";
import { formatInstant } from "../time/instant.js";
import { countedProgress } from "./counted-progress.js";
import { withInstallation } from "./open-command.js";
import { textTable } from "./text-table.js";

export function createTenantOfSlug(slug: string, options: { timeZone: string; name?: string }): Promise<void> {
  return withInstallation(async (_installation, { metrics }) => {
    const tenant = await createTenant(metrics, { slug, ...options }, systemClock());
    process.stdout.write(`${tenant.slug}\n`);
  });
}

export async function listTenants(options: { readonly json?: true }): Promise<void> {
  const tenants = await withInstallation((_installation, { metrics }) => findTenants(metrics));
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(tenants.map(jsonOf), null, 2)}\n`);
    return;
  }
  if (tenants.length === 0) return void process.stderr.write("There are no tenants. Make one: tenants create <slug>\n");
  const rows = tenants.map(({ slug, name, timeZone, createdAt }) => [slug, name, timeZone, formatInstant(createdAt)]);
  process.stdout.write(textTable(["Tenant", "Name", "Time zone", "Created"], rows));
}

/** Changes the tenant, and stays until the day rollups are its zone's. */
export function updateTenantOfSlug(slug: string, changes: { timeZone?: string; name?: string }): Promise<void> {
  return withInstallation(async (_installation, pools) => {
    if (changes.timeZone === undefined && changes.name === undefined) {
      throw new PublicError("BAD_INPUT", "Nothing to change: name --time-zone or --name.");
    }
    const { id } = await findTenantOrFail(pools, slug);
    const tenant = await updateTenant(pools.metrics, id, changes, systemClock());
    process.stdout.write(`${tenant.slug}\n`);
    if (changes.timeZone === undefined) return;
    const progress = countedProgress(process.stderr, `${tenant.slug}: days in ${tenant.timeZone}`, "campaigns");
    const done = await rebuildDays(pools.metrics, id, { now: systemClock, progress: progress.update }).finally(
      progress.stop,
    );
    process.stderr.write(
      done
        ? `${tenant.slug}: the day rollups are those of ${tenant.timeZone}\n`
        : `${tenant.slug}: another run is at this tenant's rollups; a worker makes the days after it\n`,
    );
  });
}

/** The tenant of that slug; NOT_FOUND says how to make one. */
export async function findTenantOrFail({ metrics }: Pools, slug: string): Promise<Tenant> {
  const tenant = await findTenantBySlug(metrics, slug);
  if (tenant !== null) return tenant;
  throw new PublicError("NOT_FOUND", `There is no tenant ${JSON.stringify(slug)}. Make one: tenants create ${slug}`);
}

function jsonOf({ id, createdAt, ...rest }: Tenant) {
  return { id: encodeGlobalId("Tenant", id), ...rest, createdAt: formatInstant(createdAt) };
}
