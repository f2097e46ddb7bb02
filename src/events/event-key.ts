import { createHmac, type KeyObject } from "node:crypto";
import { canonicalDecimal } from "../decimal.js";
import {
  type CampaignId,
  type EventKey,
  hashToUuid,
  isUuid,
  type RecipientKey,
  type TenantId,
  uuidOfHex,
} from "../ids.js";
import { Hmac } from "./hmac.js";
import type { EventDetails, EventType } from "./event.js";

interface EventIdentity {
  readonly type: EventType;
  readonly campaignId: CampaignId;
  readonly recipientKey: RecipientKey;
  readonly occurredAt: number;
  readonly messageId: string | undefined;
}

/** The id of an event whose source gives none (docs/kpis.md, "Derived event id"). */
export function deriveEventId(event: EventIdentity, details: EventDetails): string {
  return hashToUuid(
    JSON.stringify([
      event.type,
      event.campaignId,
      event.recipientKey,
      event.occurredAt,
      event.messageId ?? null,
      details.url ?? null,
      details.bounceClass ?? null,
      details.amount === undefined ? null : canonicalDecimal(details.amount),
      details.currency ?? null,
      details.externalReference ?? null,
    ]),
  );
}

/** The hash by which the ledger remembers an event id within its tenant. */
export function eventKeyOf(eventId: string): EventKey {
  return hashToUuid(eventId) as EventKey;
}

/** Trimmed and NFC-normalised; lower-cased if it holds an "@". What comes out comes out unchanged again. */
export function normalizeAddress(recipient: string): string {
  const address = recipient.trim();
  // Composed last: a letter and its mark may have a composed form in lower case alone.
  return (address.includes("@") ? address.toLowerCase() : address).normalize("NFC");
}

const KEY_PREFIX = "key:";

/** How a recipient is called whose address is not kept. Whoever sends or asks for this text means the same recipient. */
export function textOfRecipientKey(key: RecipientKey): string {
  return `${KEY_PREFIX}${key}`;
}

/** The key that such a text names; null for an address. */
export function recipientKeyIn(text: string): RecipientKey | null {
  if (!text.startsWith(KEY_PREFIX)) return null;
  const key = text.slice(KEY_PREFIX.length);
  return isUuid(key) ? (key as RecipientKey) : null;
}

/** Makes the keys of a tenant's recipients: an HMAC of the normalised address under a secret of the tenant's own. */
export class RecipientKeys {
  readonly #secret: KeyObject;
  readonly #tenants = new Map<TenantId, Hmac>();

  constructor(secret: KeyObject) {
    this.#secret = secret;
  }

  /** Of an address as normalised, or of a text that names the key itself. */
  keyOf(tenantId: TenantId, address: string): RecipientKey {
    const named = recipientKeyIn(address);
    if (named !== null) return named;
    let hmac = this.#tenants.get(tenantId);
    if (hmac === undefined) {
      hmac = new Hmac(createHmac("sha256", this.#secret).update(`recipients of ${tenantId}`).digest());
      this.#tenants.set(tenantId, hmac);
    }
    return uuidOfHex(hmac.hex(address)) as RecipientKey;
  }
}
