/**
 * Which campaign an event means. The event log owns the names (tenant, external id), so that events can be accepted while
 * the metrics database is away, and can name a campaign that nobody made yet: the name is minted here, once for all
 * racing callers, and the campaign's own row follows through the outbox.
 */
import {
  type AuditAction,
  type AuditActor,
  type AuditEntry,
  type AuditFields,
  newAuditEntry,
  SYSTEM,
} from "../audit/audit-entry.js";
import { changedFields } from "../audit/changed-fields.js";
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { appendToOutbox, LANES } from "../events/outbox.js";
import { growingLru } from "../growing-lru.js";
import { type CampaignId, type TenantId, uuidv7 } from "../ids.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";

/** The part of a campaign that the event log owns, as told to the metrics database (payload of the outbox, format 1). */
export interface CampaignIdentity {
  readonly id: CampaignId;
  readonly externalId: string | null;
  /** What is said of the campaign where its row is made; afterwards that row is the authority. */
  readonly details: CampaignDetails;
  readonly createdAt: EpochMicros;
  readonly changedAt: EpochMicros;
  readonly archivedAt: EpochMicros | null;
  /** Rises with each change; an older one never overwrites a newer. */
  readonly revision: number;
}

/** What became of an identity, as the outbox tells it (format 1). */
export interface IdentityChange {
  readonly campaign: CampaignIdentity;
  /** For the audit trail, written by whoever brings the change first; not there where nothing changed. */
  readonly audit?: AuditEntry;
}

/** What campaign_identities can hold. */
export const MAX_EXTERNAL_ID_CHARS = 255;

/** What people say of a campaign. */
export interface CampaignDetails {
  readonly name: string;
  readonly subject?: string | null;
  readonly tags?: readonly string[];
  readonly sentAt?: EpochMicros | null;
}

/** What of an identity may change. */
export interface IdentityFields {
  readonly externalId: string | null;
  readonly archivedAt: EpochMicros | null;
}

interface IdentityRow {
  readonly campaign_id: CampaignId;
  readonly external_id: string | null;
  readonly archived_at: EpochMicros | null;
  readonly revision: number;
  readonly created_at: EpochMicros;
}

const findByExternalIds = defineStatement<
  "events",
  [TenantId, readonly string[]],
  { external_id: string; campaign_id: CampaignId }
>(
  "events",
  "campaigns.find_by_external_ids",
  // A live campaign before an archived one of the same name, and of these the one archived last.
  `select distinct on (external_id) external_id, campaign_id
   from campaign_identities
   where tenant_id = $1 and external_id = any ($2::text[])
   order by external_id, archived_at desc nulls first`,
);

const findByIds = defineStatement<"events", [TenantId, readonly string[]], { campaign_id: CampaignId }>(
  "events",
  "campaigns.find_by_ids",
  `select campaign_id from campaign_identities where tenant_id = $1 and campaign_id = any ($2::uuid[])`,
);

const mint = defineStatement<"events", [TenantId, CampaignId, string | null, string], { campaign_id: CampaignId }>(
  "events",
  "campaigns.mint",
  `insert into campaign_identities (tenant_id, campaign_id, external_id, created_at)
   values ($1, $2, $3, $4)
   on conflict (tenant_id, external_id) where archived_at is null do nothing
   returning campaign_id`,
);

const changeIdentity = defineStatement<
  "events",
  [TenantId, CampaignId, externalId: string | null, archivedAt: string | null],
  IdentityRow
>(
  "events",
  "campaigns.change_identity",
  `update campaign_identities set external_id = $3, archived_at = $4, revision = revision + 1
   where tenant_id = $1 and campaign_id = $2
   returning campaign_id, external_id, archived_at, revision, created_at`,
);

const lockIdentity = defineStatement<"events", [TenantId, CampaignId], IdentityRow>(
  "events",
  "campaigns.lock_identity",
  `select campaign_id, external_id, archived_at, revision, created_at
   from campaign_identities where tenant_id = $1 and campaign_id = $2 for no key update`,
);

/** How long a server may go on taking a name for the campaign it meant: another server may have archived it meanwhile. */
const CACHE_TTL_MS = 2_000;

export class CampaignIdentities {
  readonly #events: Pool<"events">;
  readonly #now: () => EpochMicros;
  readonly #byName = growingLru<string, CampaignId>(50_000, { ttlMs: CACHE_TTL_MS });
  /** Counts the times that names were forgotten: what was read before such a time is not remembered after it. */
  #forgotten = 0;
  readonly #known = growingLru<string, true>(50_000);

  constructor(events: Pool<"events">, now: () => EpochMicros) {
    this.#events = events;
    this.#now = now;
  }

  /** Which of these ids are campaigns of the tenant. */
  async findExisting(tenantId: TenantId, ids: readonly CampaignId[]): Promise<ReadonlySet<CampaignId>> {
    const unknown = ids.filter((id) => !this.#known.has(`${tenantId}${id}`));
    if (unknown.length > 0) {
      const found = await writeAsTenant(this.#events, tenantId, (session) => session.run(findByIds(tenantId, unknown)));
      for (const row of found) this.#known.set(`${tenantId}${row.campaign_id}`, true);
    }
    return new Set(ids.filter((id) => this.#known.has(`${tenantId}${id}`)));
  }

  /** The campaigns of these external ids; those that are new are made. */
  async resolve(tenantId: TenantId, externalIds: readonly string[]): Promise<ReadonlyMap<string, CampaignId>> {
    const resolved = new Map<string, CampaignId>();
    const unknown: string[] = [];
    for (const externalId of externalIds) {
      const id = this.#byName.get(`${tenantId}${externalId}`);
      if (id === undefined) unknown.push(externalId);
      else resolved.set(externalId, id);
    }
    if (unknown.length === 0) return resolved;
    const forgotten = this.#forgotten;
    await writeAsTenant(this.#events, tenantId, async (session) => {
      const find = async (names: readonly string[]): Promise<void> => {
        const rows = await session.run(findByExternalIds(tenantId, names));
        for (const row of rows) resolved.set(row.external_id, row.campaign_id);
      };
      await find(unknown);
      // In one order, so that callers who race for several names wait for each other and never in a circle.
      const missing = unknown.filter((name) => !resolved.has(name)).toSorted();
      for (const name of missing) {
        const made = await this.mint(session, tenantId, name, { name }, SYSTEM);
        if (made !== null) resolved.set(name, made.campaign.id);
      }
      const lost = missing.filter((name) => !resolved.has(name));
      if (lost.length > 0) await find(lost);
    });
    if (forgotten !== this.#forgotten) return resolved;
    for (const name of unknown) {
      const id = resolved.get(name);
      if (id !== undefined) this.#byName.set(`${tenantId}${name}`, id);
    }
    return resolved;
  }

  /**
   * Belongs after the commit of whatever minted or changed a campaign that somebody named: its name, and those of others,
   * may mean something else now. An archived campaign's comes back when a live one leaves, and goes when one is made.
   */
  forgetNames(): void {
    this.#forgotten++;
    this.#byName.clear();
  }

  /** Makes a campaign in the caller's transaction and tells the metrics database; null where a live one has the name. */
  async mint(
    session: Session<"events">,
    tenantId: TenantId,
    externalId: string | null,
    details: CampaignDetails,
    actor: AuditActor,
  ): Promise<IdentityChange | null> {
    const id = uuidv7() as CampaignId;
    const createdAt = this.#now();
    const minted = await session.run(mint(tenantId, id, externalId, formatInstant(createdAt)));
    if (minted.length === 0) return null;
    const changedAt = createdAt;
    const campaign = { id, externalId, details, createdAt, changedAt, archivedAt: null, revision: 1 };
    const audit = newAuditEntry({
      tenantId,
      occurredAt: createdAt,
      actor,
      action: "CAMPAIGN_CREATED",
      subjectId: id,
      before: null,
      after: { externalId, ...auditedDetails(details) },
    });
    return this.#announce(session, tenantId, { campaign, audit });
  }

  /**
   * Gives a campaign another external id or archive time in the caller's transaction; null where there is no such
   * campaign. A name that a live campaign holds fails with PostgreSQL's unique violation. Where all stays as it is, nothing
   * is written, and the identity is as it was announced.
   */
  async change(
    session: Session<"events">,
    tenantId: TenantId,
    id: CampaignId,
    change: (current: IdentityFields, now: EpochMicros) => IdentityFields,
    { action, actor }: { readonly action: AuditAction; readonly actor: AuditActor },
  ): Promise<IdentityChange | null> {
    const [current] = await session.run(lockIdentity(tenantId, id));
    if (current === undefined) return null;
    const now = this.#now();
    const before = { externalId: current.external_id, archivedAt: current.archived_at };
    const { externalId, archivedAt } = change(before, now);
    const changed = changedFields(auditedIdentity(before), auditedIdentity({ externalId, archivedAt }));
    if (changed === null) return { campaign: identityOf(current, current.created_at) };
    const [row] = await session.run(
      changeIdentity(tenantId, id, externalId, archivedAt === null ? null : formatInstant(archivedAt)),
    );
    if (row === undefined) return null;
    const audit = newAuditEntry({ tenantId, occurredAt: now, actor, action, subjectId: id, ...changed });
    return this.#announce(session, tenantId, { campaign: identityOf(row, now), audit });
  }

  async #announce(session: Session<"events">, tenantId: TenantId, payload: IdentityChange): Promise<IdentityChange> {
    const id = uuidv7();
    const receivedAt = this.#now();
    await appendToOutbox(session, [{ id, tenantId, lane: LANES.LIVE, eventCount: 0, receivedAt, payload }]);
    return payload;
  }
}

function identityOf(row: IdentityRow, changedAt: EpochMicros): CampaignIdentity {
  return {
    id: row.campaign_id,
    externalId: row.external_id,
    // Only used if this is the first that the metrics database hears of the campaign.
    details: { name: row.external_id ?? row.campaign_id },
    createdAt: row.created_at,
    changedAt,
    archivedAt: row.archived_at,
    revision: row.revision,
  };
}

function auditedIdentity({ externalId, archivedAt }: IdentityFields): AuditFields {
  return { externalId, archivedAt: archivedAt === null ? null : formatInstant(archivedAt) };
}

/** What people say of a campaign, as the audit trail shows it. */
export function auditedDetails({ name, subject = null, tags = [], sentAt = null }: CampaignDetails): AuditFields {
  return { name, subject, tags, sentAt: sentAt === null ? null : formatInstant(sentAt) };
}
