import { hash } from "node:crypto";

/** What a trusted document is asked for by, in its one spelling. */
export type DocumentId = string & { readonly __brand: "DocumentId" };

const MAX_CHARS = 255;
const BARE_SHA256 = /^[0-9a-f]{64}$/;
/**
 * As the appendix on persisted documents of GraphQL over HTTP has them: a SHA-256, a prefix of somebody's own that begins with
 * `x-`, or an id without any. A slash is taken as well, which some tools put between an app, its version and a hash.
 */
const ID = /^(?:sha256:[0-9a-f]{64}|x-[\w.~-]+:[\w.~:/-]+|[\w.~/-]+)$/;

/** Null for what is no id of a document. The bare digits of a SHA-256 mean what they mean with the prefix. */
export function parseDocumentId(text: string): DocumentId | null {
  if (text.length > MAX_CHARS || !ID.test(text)) return null;
  return (BARE_SHA256.test(text) ? `sha256:${text}` : text) as DocumentId;
}

/** The id that a document has by its text alone. */
export function sha256IdOf(document: string): DocumentId {
  return `sha256:${hash("sha256", document, "hex")}` as DocumentId;
}

export function isSha256Id(id: DocumentId): boolean {
  return id.startsWith("sha256:");
}
