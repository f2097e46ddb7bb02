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
import { type CampaignDetails, type CampaignIdentity, type IdentityRow, identityOf } from "./campaign-identity.js";

/** What became of an identity, as the outbox tells it (format 1). */
export interface IdentityChange {
  readonly campaign: CampaignIdentity;
  /** For the audit trail, written by whoever brings the change first; not there where nothing changed. */
  readonly audit?: AuditEntry;
}

/** What campaign_identities can hold. */
export const MAX_EXTERNAL_ID_CHARS = 255;

/** What of an identity may change. */
export interface IdentityFields {
  readonly externalId: string | null;
  readonly archivedAt: EpochMicros | null;
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

const mint = defineStatement<
  "events",
  [TenantId, readonly CampaignId[], externalIds: readonly (string | null)[], createdAt: string],
  { campaign_id: CampaignId }
>(
  "events",
  "campaigns.mint",
  // In the order in which they are given: callers who race for several names must not wait for each other in a circle.
  `insert into campaign_identities (tenant_id, campaign_id, external_id, created_at)
   select $1, id, external_id, $4
   from unnest($2::uuid[], $3::text[]) with ordinality as new (id, external_id, place) order by place
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
  /** Of each tenant for which names are being made, the last of those who wait for their turn. */
  readonly #making = new Map<TenantId, Promise<ReadonlyMap<string, CampaignId>>>();
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
    const { known, unknown } = this.#recall(tenantId, externalIds);
    if (unknown.length === 0) return known;
    const forgotten = this.#forgotten;
    const found = await writeAsTenant(this.#events, tenantId, (session) => findNames(session, tenantId, unknown));
    this.#remember(tenantId, found, forgotten);
    const missing = unknown.filter((name) => !found.has(name));
    const made = missing.length === 0 ? [] : await this.#makeInTurn(tenantId, missing);
    return new Map([...known, ...found, ...made]);
  }

  /**
   * One call of a tenant at a time: a flood of new names must not take the connections that others need, and calls that bring the same
   * names would only wait for each other there. Where one fails those behind it fail with it, rather than wait for the same one by one.
   */
  async #makeInTurn(tenantId: TenantId, names: readonly string[]): Promise<ReadonlyMap<string, CampaignId>> {
    const ahead = this.#making.get(tenantId);
    const made = ahead === undefined ? this.#make(tenantId, names) : ahead.then(() => this.#make(tenantId, names));
    this.#making.set(tenantId, made);
    try {
      return await made;
    } finally {
      if (this.#making.get(tenantId) === made) this.#making.delete(tenantId);
    }
  }

  async #make(tenantId: TenantId, names: readonly string[]): Promise<ReadonlyMap<string, CampaignId>> {
    // Whoever was ahead may have made them.
    const { known, unknown } = this.#recall(tenantId, names);
    if (unknown.length === 0) return known;
    const forgotten = this.#forgotten;
    const made = await writeAsTenant(this.#events, tenantId, async (session) => {
      const wanted = unknown.toSorted().map((name) => ({ externalId: name, details: { name } }));
      const minted = new Map<string, CampaignId>();
      for (const { campaign } of await this.#mintAll(session, tenantId, wanted, SYSTEM)) {
        minted.set(campaign.details.name, campaign.id);
      }
      const lost = unknown.filter((name) => !minted.has(name));
      const found = lost.length === 0 ? [] : await findNames(session, tenantId, lost);
      return new Map([...minted, ...found]);
    });
    this.#remember(tenantId, made, forgotten);
    return new Map([...known, ...made]);
  }

  #recall(tenantId: TenantId, names: readonly string[]) {
    const known = new Map<string, CampaignId>();
    const unknown: string[] = [];
    for (const name of names) {
      const id = this.#byName.get(`${tenantId}${name}`);
      if (id === undefined) unknown.push(name);
      else known.set(name, id);
    }
    return { known, unknown };
  }

  /** `forgotten`: how often names had been forgotten before these were read. */
  #remember(tenantId: TenantId, read: ReadonlyMap<string, CampaignId>, forgotten: number): void {
    if (forgotten !== this.#forgotten) return;
    for (const [name, id] of read) this.#byName.set(`${tenantId}${name}`, id);
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
    const [made] = await this.#mintAll(session, tenantId, [{ externalId, details }], actor);
    return made ?? null;
  }

  /** Makes those whose names no live campaign has, however many, in two statements. */
  async #mintAll(
    session: Session<"events">,
    tenantId: TenantId,
    wanted: readonly { readonly externalId: string | null; readonly details: CampaignDetails }[],
    actor: AuditActor,
  ): Promise<IdentityChange[]> {
    const createdAt = this.#now();
    const campaigns = wanted.map(({ externalId, details }): CampaignIdentity => ({
      id: uuidv7() as CampaignId,
      externalId,
      details,
      createdAt,
      changedAt: createdAt,
      archivedAt: null,
      revision: 1,
    }));
    const ids = campaigns.map((campaign) => campaign.id);
    const names = campaigns.map((campaign) => campaign.externalId);
    const minted = await session.run(mint(tenantId, ids, names, formatInstant(createdAt)));
    const mintedIds = new Set(minted.map((row) => row.campaign_id));
    const changes = campaigns
      .filter(({ id }) => mintedIds.has(id))
      .map((campaign): IdentityChange => {
        const { id: subjectId, externalId, details } = campaign;
        const after = { externalId, ...auditedDetails(details) };
        const action = "CAMPAIGN_CREATED";
        return {
          campaign,
          audit: newAuditEntry({ tenantId, occurredAt: createdAt, actor, action, subjectId, before: null, after }),
        };
      });
    await this.#announce(session, tenantId, changes);
    return changes;
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
    const announced = { campaign: identityOf(row, now), audit };
    await this.#announce(session, tenantId, [announced]);
    return announced;
  }

  async #announce(session: Session<"events">, tenantId: TenantId, changes: readonly IdentityChange[]): Promise<void> {
    const receivedAt = this.#now();
    const messages = changes.map((payload) => {
      return { id: uuidv7(), tenantId, lane: LANES.LIVE, eventCount: 0, receivedAt, payload };
    });
    await appendToOutbox(session, messages);
  }
}

async function findNames(
  session: Session<"events">,
  tenantId: TenantId,
  names: readonly string[],
): Promise<ReadonlyMap<string, CampaignId>> {
  const rows = await session.run(findByExternalIds(tenantId, names));
  return new Map(rows.map((row) => [row.external_id, row.campaign_id]));
}

function auditedIdentity({ externalId, archivedAt }: IdentityFields): AuditFields {
  return { externalId, archivedAt: archivedAt === null ? null : formatInstant(archivedAt) };
}

/** What people say of a campaign, as the audit trail shows it. */
export function auditedDetails({ name, subject = null, tags = [], sentAt = null }: CampaignDetails): AuditFields {
  return { name, subject, tags, sentAt: sentAt === null ? null : formatInstant(sentAt) };
}
