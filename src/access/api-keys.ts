/**
 * A tenant's keys. The secret leaves this module once, in the answer of the call that made it. Who may hand on which scopes
 * is the caller's to assert when a key is made (assertMayGrant): the operator's command line has no key to measure by.
 */
import {
  type AuditAction,
  type AuditActor,
  type AuditFields,
  newAuditEntry,
  type OPERATOR,
} from "../audit/audit-entry.js";
import { recordAudit } from "../audit/record-audit.js";
import type { Session } from "../database/pool.js";
import { defineStatement, type Statement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import { type ApiKeyId, type TenantId, uuidv7 } from "../ids.js";
import { isName } from "../text-faults.js";
import { type EpochMicros, formatInstant, MICROS_PER_SECOND } from "../time/instant.js";
import { mintKeySecret } from "./key-secret.js";
import { actorOf, assertMayGrant, type Principal } from "./principal.js";
import { LIMITED_SCOPES, orderScopes, type Scope } from "./scope.js";

export interface ApiKey {
  readonly id: ApiKeyId;
  readonly name: string;
  /** What its secret begins with, after `mt_`. Not secret. */
  readonly prefix: string;
  readonly scopes: readonly Scope[];
  /** Null: it sees all campaigns. */
  readonly campaignTags: readonly string[] | null;
  readonly createdAt: EpochMicros;
  readonly expiresAt: EpochMicros | null;
  /** To the minute. */
  readonly lastUsedAt: EpochMicros | null;
  readonly revokedAt: EpochMicros | null;
  /** What the secret before the last rotation begins with, where that one was given time, also when it is over. */
  readonly formerPrefix: string | null;
  /** From when on the former secret is refused. */
  readonly formerExpiresAt: EpochMicros | null;
}

/** A key with its secret, which cannot be shown again. */
export interface IssuedApiKey {
  readonly apiKey: ApiKey;
  readonly secret: string;
}

export interface NewApiKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: EpochMicros | null;
  /** Left out or null: it sees all campaigns. */
  readonly campaignTags?: readonly string[] | null;
}

export interface Rotation {
  readonly id: ApiKeyId;
  /** How long the secret of now goes on working beside the new one; 0: not at all. */
  readonly overlapSeconds: number;
  readonly maxOverlapSeconds: number;
}

interface ApiKeyRow {
  readonly id: ApiKeyId;
  readonly name: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly campaign_tags: readonly string[] | null;
  readonly created_at: EpochMicros;
  readonly expires_at: EpochMicros | null;
  readonly last_used_at: EpochMicros | null;
  readonly revoked_at: EpochMicros | null;
  readonly former_prefix: string | null;
  readonly former_expires_at: EpochMicros | null;
}

const COLUMNS =
  "id, name, prefix, scopes::text[] as scopes, campaign_tags, created_at, expires_at, last_used_at, revoked_at, former_prefix, former_expires_at";

const insert = defineStatement<
  "metrics",
  [
    TenantId,
    ApiKeyId,
    name: string,
    prefix: string,
    Buffer,
    readonly Scope[],
    now: string,
    expiresAt: string | null,
    campaignTags: readonly string[] | null,
  ],
  ApiKeyRow
>(
  "metrics",
  "api_keys.insert",
  `insert into api_keys (tenant_id, id, name, prefix, secret_hash, scopes, created_at, expires_at, campaign_tags)
   values ($1, $2, $3, $4, $5, $6::scope[], $7, $8, $9)
   returning ${COLUMNS}`,
);

const replaceSecret = defineStatement<
  "metrics",
  [TenantId, ApiKeyId, prefix: string, Buffer, formerExpiresAt: string | null],
  ApiKeyRow
>(
  "metrics",
  "api_keys.replace_secret",
  `update api_keys
   set prefix = $3, secret_hash = $4, former_expires_at = $5::timestamptz,
     former_prefix = case when $5::timestamptz is not null then prefix end,
     former_secret_hash = case when $5::timestamptz is not null then secret_hash end
   where tenant_id = $1 and id = $2
   returning ${COLUMNS}`,
);

const lock = defineStatement<"metrics", [TenantId, ApiKeyId], ApiKeyRow>(
  "metrics",
  "api_keys.lock",
  `select ${COLUMNS} from api_keys where tenant_id = $1 and id = $2 for no key update`,
);

const revoke = defineStatement<"metrics", [TenantId, ApiKeyId, now: string], ApiKeyRow>(
  "metrics",
  "api_keys.revoke",
  `update api_keys set revoked_at = $3 where tenant_id = $1 and id = $2 returning ${COLUMNS}`,
);

/** Servers ask whether this has moved, and not for each key: see key-directory.ts. */
const noteChange = defineStatement<"metrics", [], never>(
  "metrics",
  "api_keys.note_change",
  "update key_changes set revision = revision + 1",
);

const findByIds = defineStatement<"metrics", [TenantId, readonly ApiKeyId[]], ApiKeyRow>(
  "metrics",
  "api_keys.find_by_ids",
  `select ${COLUMNS} from api_keys where tenant_id = $1 and id = any ($2::uuid[])`,
);

const findAll = defineStatement<"metrics", [TenantId], ApiKeyRow>(
  "metrics",
  "api_keys.find_all",
  `select ${COLUMNS} from api_keys where tenant_id = $1 order by created_at desc, id desc`,
);

const MAX_NAME_CHARS = 100;
const MAX_TAGS = 50;
const MAX_TAG_CHARS = 100;

/** Throws BAD_INPUT naming the field. The caller has asserted that these scopes may be granted. */
export async function createApiKey(
  session: Session<"metrics">,
  tenantId: TenantId,
  input: NewApiKey,
  actor: AuditActor,
  now: EpochMicros,
): Promise<IssuedApiKey> {
  const name = checkName(input.name);
  const scopes = orderScopes(input.scopes);
  if (scopes.length === 0) throw badInput("scopes", "A key needs at least one scope.");
  if (input.expiresAt !== null && input.expiresAt <= now) throw badInput("expiresAt", "A key expires in the future.");
  const campaignTags = checkTags(input.campaignTags ?? null, scopes);
  const { secret, prefix, hash } = mintKeySecret();
  const id = uuidv7(Math.floor(now / 1000)) as ApiKeyId;
  const expiresAt = input.expiresAt === null ? null : formatInstant(input.expiresAt);
  const statement = insert(tenantId, id, name, prefix, hash, scopes, formatInstant(now), expiresAt, campaignTags);
  const apiKey = await one(session, statement);
  const after = { name, prefix, scopes, expiresAt, ...(campaignTags && { campaignTags }) };
  await keep(session, tenantId, { action: "API_KEY_CREATED", subjectId: id, before: null, after }, actor, now);
  return { apiKey, secret };
}

/**
 * Another secret for the same key. The one of now works until the overlap is over, or the key expires; any older one stops
 * working within a second. Throws NOT_FOUND, BAD_INPUT for a bad overlap, CONFLICT for a revoked or expired key, and FORBIDDEN
 * where the key holds scopes that the principal lacks: it would get them with the secret. The operator lacks none.
 */
export async function rotateApiKey(
  session: Session<"metrics">,
  tenantId: TenantId,
  { id, overlapSeconds, maxOverlapSeconds }: Rotation,
  by: Principal | typeof OPERATOR,
  now: EpochMicros,
): Promise<IssuedApiKey> {
  if (!(Number.isInteger(overlapSeconds) && overlapSeconds >= 0 && overlapSeconds <= maxOverlapSeconds)) {
    const message = `The old secret works for 0 to ${maxOverlapSeconds} seconds more.`;
    throw new PublicError("BAD_INPUT", message, { field: ["overlapSeconds"] });
  }
  const current = await one(session, lock(tenantId, id));
  if (current.revokedAt !== null) throw new PublicError("CONFLICT", "The key is revoked; make another one.");
  if (current.expiresAt !== null && current.expiresAt <= now) {
    throw new PublicError("CONFLICT", "The key has expired; make another one.");
  }
  if (by.kind !== "OPERATOR") assertMayGrant(by, current.scopes);
  const { secret, prefix, hash } = mintKeySecret();
  const overlapEnd = now + overlapSeconds * MICROS_PER_SECOND;
  const formerExpiresAt =
    overlapSeconds === 0 ? null : formatInstant(Math.min(overlapEnd, current.expiresAt ?? overlapEnd) as EpochMicros);
  const apiKey = await one(session, replaceSecret(tenantId, id, prefix, hash, formerExpiresAt));
  const change = { before: { prefix: current.prefix }, after: { prefix, ...(formerExpiresAt && { formerExpiresAt }) } };
  const actor = by.kind === "OPERATOR" ? by : actorOf(by);
  await keep(session, tenantId, { action: "API_KEY_ROTATED", subjectId: id, ...change }, actor, now);
  await session.run(noteChange());
  return { apiKey, secret };
}

/** Ends a key for good, within a second on every server. Again: nothing changes. Throws NOT_FOUND. */
export async function revokeApiKey(
  session: Session<"metrics">,
  tenantId: TenantId,
  id: ApiKeyId,
  actor: AuditActor,
  now: EpochMicros,
): Promise<ApiKey> {
  const current = await one(session, lock(tenantId, id));
  if (current.revokedAt !== null) return current;
  const revoked = await one(session, revoke(tenantId, id, formatInstant(now)));
  const change = { before: { revokedAt: null }, after: { revokedAt: formatInstant(now) } };
  await keep(session, tenantId, { action: "API_KEY_REVOKED", subjectId: id, ...change }, actor, now);
  await session.run(noteChange());
  return revoked;
}

/** Those that the tenant has, in no order. */
export async function findApiKeys(
  session: Session<"metrics">,
  tenantId: TenantId,
  ids: readonly ApiKeyId[],
): Promise<ApiKey[]> {
  return (await session.run(findByIds(tenantId, ids))).map(apiKeyOfRow);
}

/** All that the tenant has, newest first, those too that are revoked or have expired: for the operator's commands. */
export async function listApiKeys(session: Session<"metrics">, tenantId: TenantId): Promise<ApiKey[]> {
  return (await session.run(findAll(tenantId))).map(apiKeyOfRow);
}

function keep(
  session: Session<"metrics">,
  tenantId: TenantId,
  change: { action: AuditAction; subjectId: ApiKeyId; before: AuditFields | null; after: AuditFields },
  actor: AuditActor,
  occurredAt: EpochMicros,
): Promise<void> {
  return recordAudit(session, [newAuditEntry({ tenantId, occurredAt, actor, ...change })]);
}

async function one(session: Session<"metrics">, statement: Statement<"metrics", ApiKeyRow>): Promise<ApiKey> {
  const [row] = await session.run(statement);
  if (row === undefined) throw new PublicError("NOT_FOUND", "There is no such API key.");
  return apiKeyOfRow(row);
}

function apiKeyOfRow(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scopes: orderScopes(row.scopes),
    campaignTags: row.campaign_tags,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
    formerPrefix: row.former_prefix,
    formerExpiresAt: row.former_expires_at,
  };
}

function checkName(given: string): string {
  const name = given.trim();
  if (!isName(name, MAX_NAME_CHARS)) {
    throw badInput("name", `A key's name has 1 to ${MAX_NAME_CHARS} characters, none of them a control character.`);
  }
  return name;
}

/** Each once, in one order. */
function checkTags(given: readonly string[] | null, scopes: readonly Scope[]): readonly string[] | null {
  if (given === null) return null;
  const tags = [...new Set(given)].toSorted();
  if (tags.length < 1 || tags.length > MAX_TAGS || !tags.every((tag) => isName(tag, MAX_TAG_CHARS))) {
    throw badInput("campaignTags", `A key is limited by 1 to ${MAX_TAGS} tags of 1 to ${MAX_TAG_CHARS} characters.`);
  }
  if (!scopes.every((scope) => LIMITED_SCOPES.includes(scope))) {
    const message = `A key that is limited to campaigns can only read: ${LIMITED_SCOPES.join(" and ")}.`;
    throw badInput("scopes", message);
  }
  return tags;
}

function badInput(field: string, message: string): PublicError {
  return new PublicError("BAD_INPUT", message, { field: ["input", field] });
}
