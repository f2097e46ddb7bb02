import type { Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { type ApiKeyId, type AuditEntryId, MAX_UUID, NIL_UUID, type TenantId } from "../ids.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import type { AuditAction, AuditActor, AuditFields, AuditSubject } from "./audit-entry.js";

/** An entry as it is read. */
export interface AuditRow {
  readonly id: AuditEntryId;
  readonly occurredAt: EpochMicros;
  readonly subject: AuditSubject;
  readonly subjectId: string;
  readonly action: AuditAction;
  readonly actor: AuditActor["kind"];
  readonly actorKeyId: ApiKeyId | null;
  readonly actorKeyName: string | null;
  readonly actorSubject: string | null;
  readonly actorIssuer: string | null;
  readonly before: AuditFields | null;
  readonly after: AuditFields;
}

/** Where an entry stands among those of its subject: newest first. */
export interface AuditPosition {
  readonly occurredAt: EpochMicros;
  readonly id: string;
}

export interface AuditPageRequest {
  readonly limit: number;
  /** The newest entries between the two positions, or the oldest ones. */
  readonly take: "FIRST" | "LAST";
  /** Both are exclusive, and hold for every subject asked for. */
  readonly after?: AuditPosition | undefined;
  readonly before?: AuditPosition | undefined;
}

type PageValues = [
  TenantId,
  readonly string[],
  limit: number,
  afterTime: string,
  afterId: string,
  beforeTime: string,
  beforeId: string,
];

const COLUMNS =
  `id, occurred_at as "occurredAt", subject, subject_id as "subjectId", action, actor, ` +
  `actor_key_id as "actorKeyId", actor_key_name as "actorKeyName", actor_subject as "actorSubject", actor_issuer as "actorIssuer", before, after`;

function definePage(name: string, direction: "" | "desc") {
  return defineStatement<"metrics", PageValues, AuditRow>(
    "metrics",
    name,
    `select entry.*
     from unnest($2::uuid[]) as wanted (id)
     cross join lateral (
       select ${COLUMNS}
       from audit_entries
       where tenant_id = $1 and subject_id = wanted.id
         and (occurred_at, id) < ($4::timestamptz, $5::uuid) and (occurred_at, id) > ($6::timestamptz, $7::uuid)
       order by occurred_at ${direction}, id ${direction}
       limit $3
     ) as entry
     order by "occurredAt" desc, id desc`,
  );
}

const findNewest = definePage("audit.find_newest", "desc");
const findOldest = definePage("audit.find_oldest", "");

const findByIds = defineStatement<"metrics", [TenantId, readonly AuditEntryId[]], AuditRow>(
  "metrics",
  "audit.find_by_ids",
  `select ${COLUMNS} from audit_entries where tenant_id = $1 and id = any ($2::uuid[])`,
);

/** A page of what is kept of each subject, newest first whichever end it is taken from. */
export async function readAuditPages(
  session: Session<"metrics">,
  tenantId: TenantId,
  subjectIds: readonly string[],
  { limit, take, after, before }: AuditPageRequest,
): Promise<Map<string, AuditRow[]>> {
  const pages = new Map<string, AuditRow[]>(subjectIds.map((id) => [id, []]));
  const find = take === "FIRST" ? findNewest : findOldest;
  const rows = await session.run(
    find(
      tenantId,
      [...pages.keys()],
      limit,
      after === undefined ? "infinity" : formatInstant(after.occurredAt),
      after?.id ?? MAX_UUID,
      before === undefined ? "-infinity" : formatInstant(before.occurredAt),
      before?.id ?? NIL_UUID,
    ),
  );
  for (const row of rows) pages.get(row.subjectId)?.push(row);
  return pages;
}

/** Those of these entries that the tenant has, in no order. */
export function findAuditEntries(
  session: Session<"metrics">,
  tenantId: TenantId,
  ids: readonly AuditEntryId[],
): Promise<AuditRow[]> {
  return session.run(findByIds(tenantId, ids));
}
