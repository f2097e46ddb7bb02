import type { DocumentNode } from "graphql";
import { LRUCache } from "lru-cache";

/** Of the documents' texts. Parsed, each character takes about 80 bytes: 20 MB in all. */
const MAX_CHARS = 250_000;

/**
 * Documents that were parsed and found valid, for the next time. Apollo's own store counts a document as its JSON, of which it keeps
 * 30 MB: that many documents with a date of their own in their text, as some clients send them, are 150 MB of memory.
 */
export class ParsedDocuments {
  readonly #documents = new LRUCache<string, DocumentNode>({ maxSize: MAX_CHARS });

  async get(key: string): Promise<DocumentNode | undefined> {
    return this.#documents.get(key);
  }

  async set(key: string, document: DocumentNode): Promise<void> {
    this.#documents.set(key, document, { size: Math.max(1, document.loc?.source.body.length ?? MAX_CHARS) });
  }

  async delete(key: string): Promise<void> {
    this.#documents.delete(key);
  }
}
