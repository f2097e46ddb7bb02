/**
 * Changes to campaigns. What the event log owns (external id, archived or not) changes there first, together with a
 * message in the outbox; the same message is applied to the campaign's row at once, so that who changed it sees it. If
 * that fails the outbox brings it, with its entry in the audit trail: the entry has its id before either writes it.
 *
 * An update changes both databases and leaves one entry. It locks the campaign's row before it changes the identity, so
 * that the projector, which has the message then, waits for the rest of the entry, and finds it written.
 */
import { type AuditAction, type AuditActor, newAuditEntry } from "../audit/audit-entry.js";
import { changedFields } from "../audit/changed-fields.js";
import { recordAudit } from "../audit/record-audit.js";
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import type { CampaignId, TenantId } from "../ids.js";
import { moveTenantVersions } from "../tenancy/tenant-version.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { faultOfText } from "../text-faults.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import {
  auditedDetails,
  type CampaignIdentities,
  type IdentityChange,
  type IdentityFields,
  MAX_EXTERNAL_ID_CHARS,
} from "./campaign-identities.js";
import type { CampaignDetails } from "./campaign-identity.js";
import { projectCampaigns } from "./campaign-projection.js";

export interface CampaignInput extends CampaignDetails {
  readonly externalId?: string | null;
}

/** What changes; what is undefined stays. */
export interface CampaignUpdate {
  readonly externalId?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly subject?: string | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
  readonly sentAt?: EpochMicros | null | undefined;
}

const MAX_NAME_CHARS = 255;
const MAX_SUBJECT_CHARS = 998;
const MAX_TAGS = 50;
const MAX_TAG_CHARS = 100;

type StoredDetails = Required<CampaignDetails>;
type Change = (current: IdentityFields, now: EpochMicros) => IdentityFields;

const archived: Change = ({ externalId, archivedAt }, now) => ({ externalId, archivedAt: archivedAt ?? now });
const restored: Change = ({ externalId }) => ({ externalId, archivedAt: null });

const lockDetails = defineStatement<"metrics", [TenantId, CampaignId], StoredDetails>(
  "metrics",
  "campaigns.lock_details",
  // Revision 0 stands in for a campaign of which nothing was heard but its first SENT.
  `select name, subject, tags, sent_at as "sentAt" from campaigns
   where tenant_id = $1 and id = $2 and identity_revision > 0
   for no key update`,
);

const updateDetails = defineStatement<
  "metrics",
  [
    TenantId,
    CampaignId,
    now: string,
    name: string,
    subject: string | null,
    tags: readonly string[],
    sentAt: string | null,
    said: readonly string[],
  ],
  never
>(
  "metrics",
  "campaigns.update_details",
  // What somebody says now is not replaced by what was said where the campaign was made, should that come later.
  `update campaigns set name = $4, subject = $5, tags = $6, sent_at = $7, updated_at = $3,
     awaited_details = array(select detail from unnest(awaited_details) as detail where detail <> all ($8::campaign_detail[]))
   where tenant_id = $1 and id = $2`,
);

export class CampaignStore {
  readonly #events: Pool<"events">;
  readonly #metrics: Pool<"metrics">;
  readonly #identities: CampaignIdentities;
  readonly #now: () => EpochMicros;
  readonly #onChanged: (tenantId: TenantId) => void;

  constructor(options: {
    events: Pool<"events">;
    metrics: Pool<"metrics">;
    identities: CampaignIdentities;
    now: () => EpochMicros;
    /** Told when a change has committed. */
    onChanged?: ((tenantId: TenantId) => void) | undefined;
  }) {
    this.#events = options.events;
    this.#metrics = options.metrics;
    this.#identities = options.identities;
    this.#now = options.now;
    this.#onChanged = options.onChanged ?? (() => undefined);
  }

  /** Throws BAD_INPUT or CONFLICT with the field at fault. */
  async create(tenantId: TenantId, input: CampaignInput, actor: AuditActor): Promise<CampaignId> {
    checkInput(input);
    const { externalId = null, ...details } = input;
    const made = await writeAsTenant(this.#events, tenantId, (session) =>
      this.#identities.mint(session, tenantId, externalId, details, actor),
    );
    if (made === null) throw externalIdTaken();
    this.#identities.forgetNames();
    await this.#apply(tenantId, made);
    return made.campaign.id;
  }

  /** Throws BAD_INPUT, CONFLICT or NOT_FOUND with the field at fault. What is given as it is already changes nothing. */
  async update(tenantId: TenantId, id: CampaignId, update: CampaignUpdate, actor: AuditActor): Promise<void> {
    checkInput(update);
    if (!(await this.#updateRow(tenantId, id, update, actor))) {
      // An event may have made the campaign a moment ago, of which the metrics database has not heard yet.
      await this.#apply(tenantId, await this.#changeIdentity(tenantId, id, (current) => current, updateBy(actor)));
      await this.#updateRow(tenantId, id, update, actor);
    }
    this.#onChanged(tenantId);
  }

  /** Archiving what is archived changes nothing. */
  async archive(tenantId: TenantId, id: CampaignId, actor: AuditActor): Promise<void> {
    const by = { action: "CAMPAIGN_ARCHIVED", actor } as const;
    await this.#apply(tenantId, await this.#changeIdentity(tenantId, id, archived, by));
  }

  /** Throws CONFLICT where a live campaign has taken the external id meanwhile. */
  async restore(tenantId: TenantId, id: CampaignId, actor: AuditActor): Promise<void> {
    const by = { action: "CAMPAIGN_RESTORED", actor } as const;
    await this.#apply(tenantId, await this.#changeIdentity(tenantId, id, restored, by));
  }

  /** False where the campaign has no row. */
  #updateRow(tenantId: TenantId, id: CampaignId, update: CampaignUpdate, actor: AuditActor): Promise<boolean> {
    return writeAsTenant(this.#metrics, tenantId, async (session) => {
      const [current] = await session.run(lockDetails(tenantId, id));
      if (current === undefined) return false;
      const { externalId } = update;
      const identity =
        externalId === undefined
          ? null
          : await this.#changeIdentity(tenantId, id, ({ archivedAt }) => ({ externalId, archivedAt }), updateBy(actor));
      if (identity !== null)
        await projectCampaigns(session, { identities: [{ tenantId, identity: identity.campaign }] });
      const now = this.#now();
      const wanted = withUpdate(current, update);
      const details = changedFields(auditedDetails(current), auditedDetails(wanted));
      if (details !== null) {
        const { name, subject, tags, sentAt } = wanted;
        const sentAtText = sentAt === null ? null : formatInstant(sentAt);
        const said = detailsIn(update);
        await session.run(updateDetails(tenantId, id, formatInstant(now), name, subject, tags, sentAtText, said));
      }
      const before = { ...identity?.audit?.before, ...details?.before };
      const after = { ...identity?.audit?.after, ...details?.after };
      if (identity?.audit !== undefined) await recordAudit(session, [{ ...identity.audit, before, after }]);
      else if (details !== null) {
        const entry = { tenantId, subjectId: id, occurredAt: now, ...updateBy(actor), before, after };
        await recordAudit(session, [newAuditEntry(entry)]);
      }
      await moveTenantVersions(session, [tenantId]);
      return true;
    });
  }

  async #changeIdentity(
    tenantId: TenantId,
    id: CampaignId,
    change: Change,
    by: { readonly action: AuditAction; readonly actor: AuditActor },
  ): Promise<IdentityChange> {
    const changed = await writeAsTenant(this.#events, tenantId, (session) =>
      this.#identities.change(session, tenantId, id, change, by),
    ).catch((error: unknown) => {
      throw isUniqueViolation(error) ? externalIdTaken(error) : error;
    });
    if (changed === null) throw noSuchCampaign();
    this.#identities.forgetNames();
    return changed;
  }

  async #apply(tenantId: TenantId, { campaign: identity, audit }: IdentityChange): Promise<void> {
    await writeAsTenant(this.#metrics, tenantId, async (session) => {
      await projectCampaigns(session, { identities: [{ tenantId, identity }] });
      if (audit !== undefined) await recordAudit(session, [audit]);
      await moveTenantVersions(session, [tenantId]);
    });
    this.#onChanged(tenantId);
  }
}

function updateBy(actor: AuditActor) {
  return { action: "CAMPAIGN_UPDATED", actor } as const;
}

function withUpdate(current: StoredDetails, { name, subject, tags, sentAt }: CampaignUpdate): StoredDetails {
  return {
    name: name ?? current.name,
    subject: subject === undefined ? current.subject : subject,
    tags: tags === undefined ? current.tags : (tags ?? []),
    sentAt: sentAt === undefined ? current.sentAt : sentAt,
  };
}

/** By the names of their columns. */
function detailsIn({ name, subject, tags, sentAt }: CampaignUpdate): string[] {
  return Object.entries({ name, subject, tags, sent_at: sentAt }).flatMap(([column, value]) =>
    value === undefined ? [] : [column],
  );
}

function noSuchCampaign(): PublicError {
  return new PublicError("NOT_FOUND", "There is no such campaign.");
}

function externalIdTaken(cause?: unknown): PublicError {
  const message = "Another campaign that is not archived has this external id.";
  return new PublicError("CONFLICT", message, { field: ["input", "externalId"], cause });
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "23505";
}

function checkInput(input: CampaignUpdate): void {
  if (input.name === null) throw new PublicError("BAD_INPUT", "A campaign needs a name.", { field: ["input", "name"] });
  checkText("name", input.name, MAX_NAME_CHARS);
  checkText("externalId", input.externalId, MAX_EXTERNAL_ID_CHARS);
  checkText("subject", input.subject, MAX_SUBJECT_CHARS);
  if ((input.tags?.length ?? 0) > MAX_TAGS) {
    throw new PublicError("BAD_INPUT", `A campaign has at most ${MAX_TAGS} tags.`, { field: ["input", "tags"] });
  }
  for (const tag of input.tags ?? []) checkText("tags", tag, MAX_TAG_CHARS);
}

function checkText(field: string, value: string | null | undefined, maxChars: number): void {
  if (value === undefined || value === null) return;
  if (value.trim() === "" || value.length > maxChars || faultOfText(value) !== null) {
    throw new PublicError("BAD_INPUT", `${field} is a text of 1 to ${maxChars} characters.`, {
      field: ["input", field],
    });
  }
}
