/**
 * The registered documents, as the metrics database holds them. An id belongs to the document it was first registered with
 * until that is removed: rows are added and removed and never changed, and the database itself refuses a SHA-256 over another
 * text. So a manifest can be registered again and again, by several deploys at once, and takes no front end's id away.
 *
 * Nothing is left of what was removed. An id that is no SHA-256 can then be registered with another text, and servers that have
 * read the former one answer that for up to a minute more.
 */
import type { Pool, Session } from "../database/pool.js";
import { defineStatement } from "../database/statement.js";
import { PublicError } from "../errors.js";
import { writeAsWorker } from "../tenancy/transactions.js";
import { type EpochMicros, formatInstant } from "../time/instant.js";
import { type DocumentId, sha256IdOf } from "./document-id.js";

export interface TrustedDocument {
  readonly id: DocumentId;
  readonly document: string;
}

export interface RegisteredDocument extends TrustedDocument {
  readonly registeredAt: EpochMicros;
}

interface Row {
  readonly id: DocumentId;
  readonly document: string;
  readonly registered_at: EpochMicros;
}

const insert = defineStatement<
  "metrics",
  [ids: readonly DocumentId[], documents: readonly string[], now: string],
  { id: DocumentId }
>(
  "metrics",
  "documents.insert",
  `insert into trusted_documents (id, document, registered_at)
   select id, document, $3 from unnest($1::text[], $2::text[]) as given (id, document)
   order by id
   on conflict (id) do nothing
   returning id`,
);

// In a statement of its own: what another run had added first is seen by the next one alone.
const findOthers = defineStatement<
  "metrics",
  [ids: readonly DocumentId[], documents: readonly string[]],
  { id: DocumentId }
>(
  "metrics",
  "documents.find_others",
  `select known.id from trusted_documents as known
   join unnest($1::text[], $2::text[]) as given (id, document) on given.id = known.id
   where given.document <> known.document
   order by known.id`,
);

const findAll = defineStatement<"metrics", [], Row>(
  "metrics",
  "documents.find_all",
  "select id, document, registered_at from trusted_documents order by registered_at desc, id",
);

const remove = defineStatement<"metrics", [ids: readonly DocumentId[]], { id: DocumentId }>(
  "metrics",
  "documents.remove",
  `delete from trusted_documents
   where document in (select document from trusted_documents where id = any ($1::text[]))
   returning id`,
);

const findByIds = defineStatement<"metrics", [ids: readonly DocumentId[]], TrustedDocument>(
  "metrics",
  "documents.find",
  "select id, document from trusted_documents where id = any ($1::text[])",
);

/**
 * Registers documents, each under its SHA-256 as well, all of them or none. Those that were registered before stay as they are.
 * Resolves with the documents that are new. Throws CONFLICT naming the ids that are another document's.
 */
export async function registerDocuments(
  metrics: Pool<"metrics">,
  documents: readonly TrustedDocument[],
  now: EpochMicros,
): Promise<readonly DocumentId[]> {
  const rows = new Map<DocumentId, string>();
  for (const { id, document } of documents) {
    const other = rows.get(id);
    if (other !== undefined && other !== document) throw takenIds([id]);
    rows.set(id, document).set(sha256IdOf(document), document);
  }
  const given = [[...rows.keys()], [...rows.values()]] as const;
  return writeAsWorker(metrics, async (session) => {
    const added = await session.run(insert(...given, formatInstant(now)));
    const others = await session.run(findOthers(...given));
    if (others.length > 0) throw takenIds(others.map(({ id }) => id));
    return added.map(({ id }) => id).filter((id) => sha256IdOf(rows.get(id) ?? "") === id);
  });
}

function takenIds(ids: readonly DocumentId[]): PublicError {
  const message = `Nothing was registered: another document has the id ${ids.join(", ")}. An id keeps its document until that is removed.`;
  return new PublicError("CONFLICT", message);
}

/** All of them, newest first, under each of their ids. */
export async function listDocuments(metrics: Pool<"metrics">): Promise<readonly RegisteredDocument[]> {
  const rows = await writeAsWorker(metrics, (session) => session.run(findAll()));
  return rows.map(({ id, document, registered_at }) => ({ id, document, registeredAt: registered_at }));
}

/** Removes documents under all of their ids, all or none. Throws NOT_FOUND naming the ids that nothing has. */
export async function removeDocuments(
  metrics: Pool<"metrics">,
  ids: readonly DocumentId[],
): Promise<readonly DocumentId[]> {
  return writeAsWorker(metrics, async (session) => {
    const removed = (await session.run(remove(ids))).map(({ id }) => id);
    const missing = ids.filter((id) => !removed.includes(id));
    if (missing.length === 0) return removed;
    throw new PublicError("NOT_FOUND", `Nothing was removed: no document has the id ${missing.join(", ")}.`);
  });
}

/** Those of these ids that there are. */
export function findDocuments(session: Session<"metrics">, ids: readonly DocumentId[]): Promise<TrustedDocument[]> {
  return session.run(findByIds(ids));
}
