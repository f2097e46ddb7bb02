/**
 * Entries are written in the transaction of the change that they tell of, so that there is never one without the other.
 * They are only ever added: no role may change or delete one.
 */
import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { formatInstant } from "../time/instant.js";
import { AUDIT_ACTIONS, type AuditEntry } from "./audit-entry.js";

const insert = defineStatement<"metrics", [entries: string], never>(
  "metrics",
  "audit.insert",
  `insert into audit_entries
     (tenant_id, id, occurred_at, subject, subject_id, action, actor, actor_key_id, actor_key_name,
      actor_subject, actor_issuer, before, after)
   select entry.tenant_id, entry.id, occurred_at, subject, subject_id, action, actor, actor_key_id, key.name,
     entry.actor_subject, entry.actor_issuer, before, after
   from json_to_recordset($1) as entry
     (tenant_id uuid, id uuid, occurred_at timestamptz, subject audit_subject, subject_id uuid, action audit_action,
      actor audit_actor, actor_key_id uuid, actor_subject text, actor_issuer text, before json, after json)
   left join api_keys as key on key.tenant_id = entry.tenant_id and key.id = actor_key_id
   order by entry.tenant_id, entry.id
   on conflict (tenant_id, id) do nothing`,
);

/** Keeps changes for good, in the caller's transaction; an entry that is there already stays as it is. */
export async function recordAudit(session: Session<"metrics">, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const rows = entries.map(({ id, tenantId, occurredAt, actor, action, subjectId, before, after }) => ({
    tenant_id: tenantId,
    id,
    occurred_at: formatInstant(occurredAt),
    subject: AUDIT_ACTIONS[action],
    subject_id: subjectId,
    action,
    actor: actor.kind,
    actor_key_id: actor.kind === "API_KEY" ? actor.keyId : null,
    actor_subject: actor.kind === "USER" ? actor.subject : null,
    actor_issuer: actor.kind === "USER" ? actor.issuer : null,
    before,
    after,
  }));
  await session.run(insert(JSON.stringify(rows)));
}
