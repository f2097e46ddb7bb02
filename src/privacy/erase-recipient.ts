/**
 * Erases a person at a tenant. When this has answered, no page, filter or export shows who it was, and no event that comes later
 * or again brings the address back; a worker then empties what the log, the inbox and the dead letters hold of the person beside
 * what counts (erasure-work.ts). No number changes: all that counts stays under the recipient's key.
 *
 * Asking again is no error and does all of it again. Nor is a person of whom nothing is known: there may be an import that brings
 * them tomorrow, and the answer tells nobody who is here.
 */
import { type AuditActor, type AuditEntry, newAuditEntry } from "../audit/audit-entry.js";
import { recordAudit } from "../audit/record-audit.js";
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { erasedLink, lockForErasing } from "../events/erasures.js";
import { normalizeAddress, type RecipientKeys, recipientKeyIn } from "../events/event-key.js";
import { PublicError } from "../errors.js";
import type { CampaignId, LinkKey, RecipientKey, TenantId } from "../ids.js";
import { moveTenantVersions } from "../tenancy/tenant-version.js";
import { writeAsTenant } from "../tenancy/transactions.js";
import { faultOfText } from "../text-faults.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { type Erasure, ERASURE_COLUMNS } from "./erasure.js";

/** A link whose URL held the address. */
export interface ErasedLink {
  readonly campaignId: CampaignId;
  readonly linkKey: LinkKey;
  /** As it is from now on. */
  readonly url: string;
}

/** A recipient as somebody named them. */
export interface NamedRecipient {
  readonly recipientKey: RecipientKey;
  /** Normalised; null where the key itself was named. */
  readonly address: string | null;
}

const MAX_RECIPIENT_CHARS = 2_000;

/** Throws BAD_INPUT for what no recipient can be called. */
export function nameRecipient(
  keys: RecipientKeys,
  tenantId: TenantId,
  text: string,
  field: readonly string[],
): NamedRecipient {
  const address = normalizeAddress(text);
  if (address === "" || address.length > MAX_RECIPIENT_CHARS || faultOfText(address) !== null) {
    const message = `A recipient is a text of 1 to ${MAX_RECIPIENT_CHARS} characters.`;
    throw new PublicError("BAD_INPUT", message, { field });
  }
  const isKey = recipientKeyIn(address) !== null;
  return { recipientKey: keys.keyOf(tenantId, address), address: isKey ? null : address };
}

const findAddress = defineStatement<"events", [TenantId, RecipientKey], { address: string | null }>(
  "events",
  "erasures.find_address",
  "select address from recipients where tenant_id = $1 and recipient_key = $2",
);

const dropAddress = defineStatement<"events", [TenantId, RecipientKey], never>(
  "events",
  "erasures.drop_address",
  `insert into recipients (tenant_id, recipient_key) values ($1, $2)
   on conflict (tenant_id, recipient_key) do update set address = null`,
);

const findUrls = defineStatement<"events", [TenantId, RecipientKey], { campaign_id: CampaignId; url: string }>(
  "events",
  "erasures.find_urls",
  `select distinct campaign_id, url from clicked where tenant_id = $1 and recipient_key = $2 and link_key is null`,
);

const insert = defineStatement<"events", [TenantId, RecipientKey, now: string, links: string, audit: string], Erasure>(
  "events",
  "erasures.insert",
  // Nobody else counts on: the tenant is locked for erasing. Links of an earlier time may not all be done.
  `insert into erasures (tenant_id, recipient_key, number, requested_at, links, audit)
   select $1, $2, coalesce(max(number), 0) + 1, $3::timestamptz, $4::json, $5::json from erasures where tenant_id = $1
   on conflict (tenant_id, recipient_key) do update set revision = erasures.revision + 1, completed_at = null,
     links = (erasures.links::jsonb || excluded.links::jsonb)::json, audit = excluded.audit
   returning ${ERASURE_COLUMNS}`,
);

async function eraseAddress(
  session: Session<"events">,
  tenantId: TenantId,
  named: NamedRecipient,
  audit: AuditEntry,
): Promise<Erasure> {
  const { recipientKey } = named;
  await lockForErasing(session, tenantId);
  // Who is named by the key may be held with the address all the same, and nobody knows it any more once it is dropped.
  const address = named.address ?? (await session.run(findAddress(tenantId, recipientKey)))[0]?.address ?? null;
  const clicked = address === null ? [] : await session.run(findUrls(tenantId, recipientKey));
  const links = clicked.flatMap(({ campaign_id: campaignId, url }): ErasedLink[] => {
    const link = address === null ? null : erasedLink(url, address);
    return link === null ? [] : [{ campaignId, ...link }];
  });
  await session.run(dropAddress(tenantId, recipientKey));
  const now = formatInstant(audit.occurredAt);
  const [erasure] = await session.run(
    insert(tenantId, recipientKey, now, JSON.stringify(links), JSON.stringify(audit)),
  );
  if (erasure === undefined) throw new Error("An erasure that was written was not returned");
  return erasure;
}

/** The change is in the event log first. Where the metrics are away then, a worker brings the entry of the audit trail. */
export async function eraseRecipient(
  { events, metrics }: { readonly events: Pool<"events">; readonly metrics: Pool<"metrics"> },
  tenantId: TenantId,
  recipient: NamedRecipient,
  actor: AuditActor,
  now: EpochMicros,
): Promise<Erasure> {
  const audit = newAuditEntry({
    action: "RECIPIENT_ERASED",
    tenantId,
    subjectId: tenantId,
    occurredAt: now,
    actor,
    before: null,
    after: { recipientKey: recipient.recipientKey },
  });
  const erasure = await writeAsTenant(events, tenantId, (session) => eraseAddress(session, tenantId, recipient, audit));
  await writeAsTenant(metrics, tenantId, async (session) => {
    await recordAudit(session, [audit]);
    await moveTenantVersions(session, [tenantId]);
  });
  return erasure;
}
