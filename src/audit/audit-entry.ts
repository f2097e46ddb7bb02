import { type ApiKeyId, type AuditEntryId, orderedUuidv7, type TenantId } from "../ids.js";
import type { EpochMicros } from "../time/instant.js";

/** What is done, and to what kind of thing. PostgreSQL's enums `audit_action` and `audit_subject` name the same. */
export const AUDIT_ACTIONS = {
  TENANT_CREATED: "TENANT",
  TENANT_UPDATED: "TENANT",
  RECIPIENT_ERASED: "TENANT",
  API_KEY_CREATED: "API_KEY",
  API_KEY_ROTATED: "API_KEY",
  API_KEY_REVOKED: "API_KEY",
  CAMPAIGN_CREATED: "CAMPAIGN",
  CAMPAIGN_UPDATED: "CAMPAIGN",
  CAMPAIGN_ARCHIVED: "CAMPAIGN",
  CAMPAIGN_RESTORED: "CAMPAIGN",
} as const;
export type AuditAction = keyof typeof AUDIT_ACTIONS;
export type AuditSubject = (typeof AUDIT_ACTIONS)[AuditAction];

/** A person or a program as an identity provider knows it. A subject is one's own at its issuer alone. */
export interface UserIdentity {
  readonly issuer: string;
  readonly subject: string;
}

/** Who made a change. The name of a key is looked up where the entry is written. */
export type AuditActor =
  | { readonly kind: "API_KEY"; readonly keyId: ApiKeyId }
  | ({ readonly kind: "USER" } & UserIdentity)
  | { readonly kind: "OPERATOR" }
  | { readonly kind: "SYSTEM" };

/** Whoever has a shell: the command line. */
export const OPERATOR = { kind: "OPERATOR" } as const satisfies AuditActor;
/** What an event caused by itself. */
export const SYSTEM: AuditActor = { kind: "SYSTEM" };

/** Public fields by their names in GraphQL, as JSON has them: times as text. Never a secret or its hash. */
export type AuditFields = Readonly<Record<string, string | readonly string[] | null>>;

/** A change to be kept. Travels in the outbox as it is (format 1). */
export interface AuditEntry {
  /** Whoever may write the entry knows it, and it is written once. */
  readonly id: AuditEntryId;
  readonly tenantId: TenantId;
  readonly occurredAt: EpochMicros;
  readonly actor: AuditActor;
  readonly action: AuditAction;
  readonly subjectId: string;
  /** What changed, as it was; null where the subject was made. */
  readonly before: AuditFields | null;
  readonly after: AuditFields;
}

/** An entry with an id that sorts as entries are made, as far as one process makes them. */
export function newAuditEntry(entry: Omit<AuditEntry, "id">): AuditEntry {
  return { id: orderedUuidv7(Math.floor(entry.occurredAt / 1000)) as AuditEntryId, ...entry };
}
