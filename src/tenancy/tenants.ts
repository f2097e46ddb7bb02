import { newAuditEntry, OPERATOR } from "../audit/audit-entry.js";
import { changedFields } from "../audit/changed-fields.js";
import { recordAudit } from "../audit/record-audit.js";
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import { type TenantId, uuidv7 } from "../ids.js";
import { isName } from "../text-faults.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { parseTimeZone, type TimeZoneId } from "../time/time-zone.js";
import { moveTenantVersions } from "./tenant-version.js";
import { writeAsWorker } from "./transactions.js";

export interface Tenant {
  readonly id: TenantId;
  readonly slug: string;
  readonly name: string;
  readonly timeZone: TimeZoneId;
  /** The zone that the day rollups were made for. */
  readonly rollupTimeZone: TimeZoneId;
  readonly createdAt: EpochMicros;
}

interface TenantRow {
  readonly id: TenantId;
  readonly slug: string;
  readonly name: string;
  readonly time_zone: TimeZoneId;
  readonly rollup_time_zone: TimeZoneId;
  readonly created_at: EpochMicros;
}

const COLUMNS = "id, slug, name, time_zone, rollup_time_zone, created_at";

const insert = defineStatement<
  "metrics",
  [TenantId, slug: string, name: string, timeZone: string, now: string],
  TenantRow
>(
  "metrics",
  "tenants.insert",
  `insert into tenants (id, slug, name, time_zone, rollup_time_zone, created_at)
   values ($1, $2, $3, $4, $4, $5)
   on conflict (slug) do nothing
   returning ${COLUMNS}`,
);

const insertVersion = defineStatement<"metrics", [TenantId], never>(
  "metrics",
  "tenants.insert_version",
  `insert into tenant_versions (tenant_id, version) values ($1, 1)`,
);

const lock = defineStatement<"metrics", [TenantId], TenantRow>(
  "metrics",
  "tenants.lock",
  `select ${COLUMNS} from tenants where id = $1 for no key update`,
);

const update = defineStatement<"metrics", [TenantId, name: string | null, timeZone: string | null], TenantRow>(
  "metrics",
  "tenants.update",
  `update tenants set name = coalesce($2, name), time_zone = coalesce($3, time_zone) where id = $1 returning ${COLUMNS}`,
);

const findById = defineStatement<"metrics", [TenantId], TenantRow>(
  "metrics",
  "tenants.find",
  `select ${COLUMNS} from tenants where id = $1`,
);

const findBySlug = defineStatement<"metrics", [slug: string], TenantRow>(
  "metrics",
  "tenants.find_by_slug",
  `select ${COLUMNS} from tenants where slug = $1`,
);

const findAll = defineStatement<"metrics", [], TenantRow>(
  "metrics",
  "tenants.find_all",
  `select ${COLUMNS} from tenants order by slug`,
);

/** As the table's constraint `tenants_slug_check` has it. */
const SLUG = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_NAME_CHARS = 200;

export function isTenantSlug(text: string): boolean {
  return SLUG.test(text);
}

/**
 * For the operator, to whom the audit trail ascribes it. `name` is the slug where it is left out. Throws BAD_INPUT naming the
 * field, and CONFLICT where the slug is taken.
 */
export async function createTenant(
  metrics: Pool<"metrics">,
  input: { readonly slug: string; readonly name?: string; readonly timeZone: string },
  now: EpochMicros,
): Promise<Tenant> {
  const { slug } = input;
  if (!isTenantSlug(slug)) {
    const message =
      "A tenant's slug has 1 to 63 characters: lower-case letters a to z, digits, and hyphens, which neither begin nor end it.";
    throw new PublicError("BAD_INPUT", message, { field: ["slug"] });
  }
  const name = nameOf(input.name ?? slug);
  const timeZone = timeZoneOf(input.timeZone);
  return writeAsWorker(metrics, async (session) => {
    const id = uuidv7(Math.floor(now / 1000)) as TenantId;
    const [row] = await session.run(insert(id, slug, name, timeZone, formatInstant(now)));
    if (row === undefined) {
      throw new PublicError("CONFLICT", `There is a tenant with the slug ${slug} already.`, { field: ["slug"] });
    }
    await session.run(insertVersion(id));
    const after = { slug, name, timeZone };
    const entry = { tenantId: id, subjectId: id, occurredAt: now, actor: OPERATOR, before: null, after };
    await recordAudit(session, [newAuditEntry({ action: "TENANT_CREATED", ...entry })]);
    return tenantOfRow(row);
  });
}

/**
 * For the operator, as `createTenant` is. Changes what is given; what is so already leaves no trace. After a change of the zone the day rollups are another zone's until `rebuildDays` has run. Throws
 * BAD_INPUT naming the field, and NOT_FOUND.
 */
export async function updateTenant(
  metrics: Pool<"metrics">,
  tenantId: TenantId,
  changes: { readonly name?: string; readonly timeZone?: string },
  now: EpochMicros,
): Promise<Tenant> {
  const name = changes.name === undefined ? null : nameOf(changes.name);
  const timeZone = changes.timeZone === undefined ? null : timeZoneOf(changes.timeZone);
  return writeAsWorker(metrics, async (session) => {
    const [former] = await session.run(lock(tenantId));
    if (former === undefined) throw new PublicError("NOT_FOUND", "There is no such tenant.");
    const before = { name: former.name, timeZone: former.time_zone };
    const changed = changedFields(before, { name: name ?? before.name, timeZone: timeZone ?? before.timeZone });
    if (changed === null) return tenantOfRow(former);
    const [row = former] = await session.run(update(tenantId, name, timeZone));
    const entry = { tenantId, subjectId: tenantId, occurredAt: now, actor: OPERATOR, ...changed };
    await recordAudit(session, [newAuditEntry({ action: "TENANT_UPDATED", ...entry })]);
    await moveTenantVersions(session, [tenantId]);
    return tenantOfRow(row);
  });
}

function nameOf(text: string): string {
  const name = text.trim();
  if (isName(name, MAX_NAME_CHARS)) return name;
  const message = `A tenant's name has 1 to ${MAX_NAME_CHARS} characters, none of them a control character.`;
  throw new PublicError("BAD_INPUT", message, { field: ["name"] });
}

function timeZoneOf(text: string): TimeZoneId {
  const timeZone = parseTimeZone(text);
  if (timeZone !== null) return timeZone;
  throw new PublicError("BAD_INPUT", "A time zone is an IANA name, like Europe/Berlin.", { field: ["timeZone"] });
}

export async function findTenant(session: Session<"metrics">, tenantId: TenantId): Promise<Tenant | null> {
  const [row] = await session.run(findById(tenantId));
  return row === undefined ? null : tenantOfRow(row);
}

/** For the operator's commands: the API never looks for tenants other than its key's. */
export async function findTenantBySlug(metrics: Pool<"metrics">, slug: string): Promise<Tenant | null> {
  const [row] = await writeAsWorker(metrics, (session) => session.run(findBySlug(slug)));
  return row === undefined ? null : tenantOfRow(row);
}

function tenantOfRow(row: TenantRow): Tenant {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    timeZone: row.time_zone,
    rollupTimeZone: row.rollup_time_zone,
    createdAt: row.created_at,
  };
}

/** For the operator's commands: all of them, by slug. */
export async function findTenants(metrics: Pool<"metrics">): Promise<Tenant[]> {
  return (await writeAsWorker(metrics, (session) => session.run(findAll()))).map((row) => tenantOfRow(row));
}
