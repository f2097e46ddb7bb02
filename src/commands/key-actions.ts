import { type ApiKey, createApiKey, listApiKeys, revokeApiKey, rotateApiKey } from "../access/api-keys.js";
import { type Scope, SCOPES } from "../access/scope.js";
import { OPERATOR } from "../audit/audit-entry.js";
import type { Session } from "../database/pool.js";
import { PublicError } from "../errors.js";
import { type ApiKeyId, encodeGlobalId, isUuid, type TenantId, uuidOfGlobalId } from "../ids.js";
import { systemClock } from "../runtime.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant, parseInstant } from "../time/instant.js";
import { configOfProcess, withInstallation } from "./open-command.js";
import { findTenantOrFail } from "./tenant-actions.js";
import { textTable } from "./text-table.js";

export interface CreateOptions {
  readonly tenant: string;
  readonly scopes: string;
  readonly name: string;
  readonly expiresAt?: string;
  readonly tags?: string;
}

export interface RotateOptions {
  readonly tenant: string;
  readonly overlapSeconds: number;
}

/** Prints the secret alone, so that it can go into a variable. */
export async function createKeyOfTenant({ tenant, name, ...options }: CreateOptions): Promise<void> {
  const scopes = scopesOf(options.scopes);
  const expiresAt = options.expiresAt === undefined ? null : parseInstant(options.expiresAt);
  if (options.expiresAt !== undefined && expiresAt === null) {
    throw new PublicError("BAD_INPUT", "--expires-at is not an ISO 8601 time with an offset.");
  }
  const campaignTags = options.tags === undefined ? null : options.tags.split(",").map((tag) => tag.trim());
  const { secret } = await inTenant(tenant, (session, tenantId) =>
    createApiKey(session, tenantId, { name, scopes, expiresAt, campaignTags }, OPERATOR, systemClock()),
  );
  process.stdout.write(`${secret}\n`);
}

export async function listKeysOfTenant(options: { readonly tenant: string; readonly json?: true }): Promise<void> {
  const keys = await inTenant(options.tenant, listApiKeys);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(keys.map(jsonOf), null, 2)}\n`);
    return;
  }
  if (keys.length === 0) return void process.stderr.write("The tenant has no keys.\n");
  const now = systemClock();
  const rows = keys.map((key) => [
    key.prefix,
    key.name,
    key.scopes.join(","),
    key.campaignTags?.join(",") ?? "",
    timeOf(key.lastUsedAt) ?? "never",
    stateOf(key, now),
  ]);
  process.stdout.write(textTable(["Key", "Name", "Scopes", "Tags", "Last used", "State"], rows));
}

/** Prints the new secret alone. */
export async function rotateKeyOfTenant(name: string, { tenant, overlapSeconds }: RotateOptions): Promise<void> {
  const { maxKeyOverlapSeconds: maxOverlapSeconds } = configOfProcess().limits;
  const { secret } = await inTenant(tenant, async (session, tenantId) => {
    const { id } = await findKeyOrFail(session, tenantId, name);
    return rotateApiKey(session, tenantId, { id, overlapSeconds, maxOverlapSeconds }, OPERATOR, systemClock());
  });
  process.stdout.write(`${secret}\n`);
}

export async function revokeKeyOfTenant(name: string, { tenant }: { readonly tenant: string }): Promise<void> {
  const { id } = await inTenant(tenant, async (session, tenantId) => {
    const key = await findKeyOrFail(session, tenantId, name);
    return revokeApiKey(session, tenantId, key.id, OPERATOR, systemClock());
  });
  process.stdout.write(`${encodeGlobalId("ApiKey", id)}\n`);
}

function inTenant<T>(slug: string, work: (session: Session<"metrics">, tenantId: TenantId) => Promise<T>): Promise<T> {
  return withInstallation(async (_installation, pools) => {
    const { id } = await findTenantOrFail(pools, slug);
    return writeAsTenant(pools.metrics, id, (session) => work(session, id));
  });
}

/**
 * By its id, as GraphQL shows it or bare, or by what its secret begins with: either of them while two work, since the one that
 * leaked may be the old one. Prefixes are random, and could yet be the same.
 */
async function findKeyOrFail(session: Session<"metrics">, tenantId: TenantId, name: string): Promise<ApiKey> {
  const id = (isUuid(name) ? name : uuidOfGlobalId("ApiKey", name)) as ApiKeyId | null;
  const prefix = /^(?:mt_)?([0-9A-Za-z]{8})$/.exec(name)?.[1];
  const keys = await listApiKeys(session, tenantId);
  const now = systemClock();
  const [key, ...others] = keys.filter(
    (each) => each.id === id || each.prefix === prefix || (isOverlapping(each, now) && each.formerPrefix === prefix),
  );
  if (key === undefined) throw new PublicError("NOT_FOUND", `There is no key ${JSON.stringify(name)}; see keys list.`);
  if (others.length > 0) throw new PublicError("CONFLICT", "Several keys begin so: name the one you mean by its id.");
  return key;
}

function jsonOf(key: ApiKey) {
  const { id, createdAt, expiresAt, lastUsedAt, revokedAt, formerExpiresAt, ...rest } = key;
  return {
    id: encodeGlobalId("ApiKey", id),
    ...rest,
    createdAt: formatInstant(createdAt),
    expiresAt: timeOf(expiresAt),
    lastUsedAt: timeOf(lastUsedAt),
    revokedAt: timeOf(revokedAt),
    formerExpiresAt: timeOf(formerExpiresAt),
  };
}

function timeOf(instant: EpochMicros | null): string | null {
  return instant === null ? null : formatInstant(instant);
}

/** Whether its old secret still works. */
function isOverlapping({ formerExpiresAt }: ApiKey, now: EpochMicros): boolean {
  return formerExpiresAt !== null && formerExpiresAt > now;
}

function stateOf({ revokedAt, expiresAt, formerPrefix, formerExpiresAt }: ApiKey, now: EpochMicros): string {
  if (revokedAt !== null) return `revoked ${formatInstant(revokedAt)}`;
  if (expiresAt !== null && expiresAt <= now) return `expired ${formatInstant(expiresAt)}`;
  const parts = expiresAt === null ? [] : [`until ${formatInstant(expiresAt)}`];
  if (formerExpiresAt !== null && formerExpiresAt > now) {
    parts.push(`beside ${formerPrefix} until ${formatInstant(formerExpiresAt)}`);
  }
  return parts.join(", ") || "in force";
}

function scopesOf(text: string): Scope[] {
  if (text === "ALL") return [...SCOPES];
  return text.split(",").map((name) => {
    const scope = SCOPES.find((known) => known === name.trim());
    if (scope !== undefined) return scope;
    throw new PublicError("BAD_INPUT", `${JSON.stringify(name)} is no scope; there are ${SCOPES.join(", ")}.`);
  });
}
