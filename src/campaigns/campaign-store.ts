/**
 * Changes to campaigns. What the event log owns (external id, archived or not) changes there first, together with a
 * message in the outbox; the same message is applied to the campaign's row at once, so that who changed it sees it. If
 * that fails the outbox brings it.
 */
import type { Pool } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import type { CampaignId, TenantId } from "../ids.js";
import { moveTenantVersions } from "../tenancy/tenant-version.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { faultOfText } from "../text-faults.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import {
  type CampaignDetails,
  type CampaignIdentities,
  type CampaignIdentity,
  MAX_EXTERNAL_ID_CHARS,
} from "./campaign-identities.js";
import { applyCampaignIdentities } from "./campaign-projection.js";

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

const updateDetails = defineStatement<
  "metrics",
  [TenantId, CampaignId, now: string, changes: string],
  { id: CampaignId }
>(
  "metrics",
  "campaigns.update_details",
  `update campaigns set
     name = case when changes ? 'name' then changes ->> 'name' else name end,
     subject = case when changes ? 'subject' then changes ->> 'subject' else subject end,
     tags = case when changes ? 'tags' then array(select jsonb_array_elements_text(changes -> 'tags')) else tags end,
     sent_at = case when changes ? 'sent_at' then (changes ->> 'sent_at')::timestamptz else sent_at end,
     updated_at = $3::timestamptz
   from (select $4::jsonb as changes) as given
   where tenant_id = $1 and id = $2
   returning id`,
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
  async create(tenantId: TenantId, input: CampaignInput): Promise<CampaignId> {
    checkInput(input);
    const { externalId = null, ...details } = input;
    const identity = await writeAsTenant(this.#events, tenantId, (session) =>
      this.#identities.mint(session, tenantId, externalId, details),
    );
    if (identity === null) throw externalIdTaken();
    this.#identities.forgetNames();
    await this.#apply(tenantId, identity);
    return identity.id;
  }

  /** Throws BAD_INPUT, CONFLICT or NOT_FOUND with the field at fault. */
  async update(tenantId: TenantId, id: CampaignId, update: CampaignUpdate): Promise<void> {
    checkInput(update);
    if (update.externalId !== undefined) {
      const { externalId } = update;
      await this.#changeIdentity(tenantId, id, ({ archivedAt }) => ({ externalId, archivedAt }));
    }
    const changes = {
      ...(update.name !== undefined && { name: update.name }),
      ...(update.subject !== undefined && { subject: update.subject }),
      ...(update.tags !== undefined && { tags: update.tags ?? [] }),
      ...(update.sentAt !== undefined && { sent_at: update.sentAt === null ? null : formatInstant(update.sentAt) }),
    };
    const written = await this.#writeDetails(tenantId, id, changes);
    if (!written) {
      // An event may have made the campaign a moment ago, of which the metrics database has not heard yet.
      await this.#changeIdentity(tenantId, id, (current) => current);
      await this.#writeDetails(tenantId, id, changes);
    }
    this.#onChanged(tenantId);
  }

  /** Archiving what is archived changes nothing. */
  async archive(tenantId: TenantId, id: CampaignId): Promise<void> {
    const now = this.#now();
    await this.#changeIdentity(tenantId, id, ({ externalId, archivedAt }) => ({
      externalId,
      archivedAt: archivedAt ?? now,
    }));
  }

  /** Throws CONFLICT where a live campaign has taken the external id meanwhile. */
  async restore(tenantId: TenantId, id: CampaignId): Promise<void> {
    await this.#changeIdentity(tenantId, id, ({ externalId }) => ({ externalId, archivedAt: null }));
  }

  /** False where the campaign has no row. */
  #writeDetails(tenantId: TenantId, id: CampaignId, changes: Readonly<Record<string, unknown>>): Promise<boolean> {
    return writeAsTenant(this.#metrics, tenantId, async (session) => {
      const statement = updateDetails(tenantId, id, formatInstant(this.#now()), JSON.stringify(changes));
      if ((await session.run(statement)).length === 0) return false;
      await moveTenantVersions(session, [tenantId]);
      return true;
    });
  }

  async #changeIdentity(
    tenantId: TenantId,
    id: CampaignId,
    change: (current: { externalId: string | null; archivedAt: EpochMicros | null }) => {
      externalId: string | null;
      archivedAt: EpochMicros | null;
    },
  ): Promise<void> {
    const identity = await writeAsTenant(this.#events, tenantId, (session) =>
      this.#identities.change(session, tenantId, id, (current) =>
        change({ externalId: current.external_id, archivedAt: current.archived_at }),
      ),
    ).catch((error: unknown) => {
      throw isUniqueViolation(error) ? externalIdTaken(error) : error;
    });
    if (identity === null) throw noSuchCampaign();
    this.#identities.forgetNames();
    await this.#apply(tenantId, identity);
  }

  async #apply(tenantId: TenantId, identity: CampaignIdentity): Promise<void> {
    await writeAsTenant(this.#metrics, tenantId, async (session) => {
      await applyCampaignIdentities(session, [{ tenantId, identity }]);
      await moveTenantVersions(session, [tenantId]);
    });
    this.#onChanged(tenantId);
  }
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
