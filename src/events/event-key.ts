import { createHmac, type KeyObject } from "node:crypto";
import { type CampaignId, type EventKey, hashToUuid, type RecipientKey, type TenantId, uuidOfHex } from "../ids.js";
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
      details.amount ?? null,
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

/** Makes the keys of a tenant's recipients: an HMAC of the normalised address under a secret of the tenant's own. */
export class RecipientKeys {
  readonly #secret: KeyObject;
  readonly #tenants = new Map<TenantId, Hmac>();

  constructor(secret: KeyObject) {
    this.#secret = secret;
  }

  keyOf(tenantId: TenantId, address: string): RecipientKey {
    let hmac = this.#tenants.get(tenantId);
    if (hmac === undefined) {
      hmac = new Hmac(createHmac("sha256", this.#secret).update(`recipients of ${tenantId}`).digest());
      this.#tenants.set(tenantId, hmac);
    }
    return uuidOfHex(hmac.hex(address)) as RecipientKey;
  }
}
